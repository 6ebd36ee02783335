package settings

import (
	"fmt"
	"strconv"
	"strings"
)

// maxSystemFiles is far above what anybody uses and keeps a broken value from growing a list without end.
const maxSystemFiles = 1000

// ParseSystemFiles reads the value of innodb_data_file_path: entries separated by semicolons, each
// name:size[:autoextend[:max:size]], where raw or newraw directly after the size marks a device. Only the
// last entry may grow. The result is never empty without an error.
func ParseSystemFiles(text string) ([]SystemFile, error) {
	entries := strings.Split(text, ";")
	if len(entries) > maxSystemFiles {
		return nil, fmt.Errorf("list of system files has more than %d entries", maxSystemFiles)
	}
	// A single closing semicolon is legal.
	if n := len(entries); n > 1 && strings.TrimSpace(entries[n-1]) == "" {
		entries = entries[:n-1]
	}
	files := make([]SystemFile, 0, len(entries))
	seen := make(map[string]bool, len(entries))
	for i, entry := range entries {
		f, err := parseSystemFile(strings.TrimSpace(entry))
		if err != nil {
			return nil, err
		}
		if f.AutoExtend && i != len(entries)-1 {
			return nil, fmt.Errorf("system file %q grows by itself, which only the last one may", f.Name)
		}
		if seen[f.Name] {
			return nil, fmt.Errorf("system file %q is named twice", f.Name)
		}
		seen[f.Name] = true
		files = append(files, f)
	}
	return files, nil
}

func parseSystemFile(entry string) (SystemFile, error) {
	bad := func(why string) (SystemFile, error) {
		return SystemFile{}, fmt.Errorf("system file %q: %s; expected NAME:SIZE or NAME:SIZE:autoextend[:max:SIZE]", entry, why)
	}
	parts := strings.Split(entry, ":")
	if len(parts) < 2 || parts[0] == "" {
		return bad("no name and size")
	}
	f := SystemFile{Name: parts[0]}
	size := parts[1]
	for _, device := range []string{"newraw", "raw"} {
		if cut, ok := strings.CutSuffix(size, device); ok {
			f.Raw, size = true, cut
			break
		}
	}
	var ok bool
	if f.Size, ok = megabytes(size); !ok {
		return bad("the size is not a number with k, m or g")
	}
	if f.Size == 0 && !f.Raw {
		return bad("the size is zero")
	}
	rest := parts[2:]
	if len(rest) > 0 && rest[0] == "autoextend" {
		f.AutoExtend, rest = true, rest[1:]
		if len(rest) > 1 && rest[0] == "max" {
			if _, ok := megabytes(rest[1]); !ok {
				return bad("the maximum is not a size")
			}
			rest = rest[2:]
		}
	}
	if len(rest) > 0 {
		return bad("unknown text at the end")
	}
	return f, nil
}

// megabytes reads a size of this list, in bytes. InnoDB rounds down to whole megabytes.
func megabytes(s string) (int64, bool) {
	shift := 0
	if s != "" {
		if i := strings.IndexByte("kmg", s[len(s)-1]|0x20); i >= 0 {
			s, shift = s[:len(s)-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(s, 10, 33)
	if err != nil {
		return 0, false
	}
	return int64(n) << shift >> 20 << 20, true
}

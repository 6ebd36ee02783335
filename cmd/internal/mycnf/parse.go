package mycnf

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// maxInclude is how deep files may include each other (sst-options 1.4).
const maxInclude = 10

// maxFileSize bounds the memory for one option file. The server has no limit; a
// file beyond this is not a hand-written option file but a mistake.
const maxFileSize = 16 << 20

// maxFiles bounds all files together. Nested !includedir lines can multiply: ten
// levels of a directory holding ten files that include it would be 10^10 reads.
const maxFiles = 10000

// reader collects values while files are read.
type reader struct {
	home  string // for a leading ~ in include paths
	out   *File
	fatal error // set when even an included file must end the whole reading
}

// file reads one option file and what it includes. The two results differ in kind: missing says
// that the file could not be opened, which most callers ignore; an error means
// that its text is wrong.
func (r *reader) file(name string, depth int) (missing, err error) {
	if len(r.out.files) >= maxFiles {
		r.fatal = fmt.Errorf("read option files: more than %d files, the last one %s; look for an !includedir that includes itself", maxFiles, name)
		return nil, r.fatal
	}
	ignore, err := worldWritable(name)
	if err != nil {
		return err, nil
	}
	if ignore {
		r.warn("%s is writable by everybody and is ignored, as the server ignores it; remove the permission: chmod o-w %s", name, name)
		return nil, nil
	}
	data, err := readLimited(name)
	if err != nil {
		return err, nil
	}
	r.out.files = append(r.out.files, name)
	return nil, r.parse(name, data, depth)
}

// parse goes through the text of one file. The group heading is a state of this
// file alone: an included file starts without one, and the including file goes on in its own.
func (r *reader) parse(name string, data []byte, depth int) error {
	group, inGroup := "", false
	for n, start := 1, true; len(data) > 0; {
		line, rest, more := nextLine(data)
		data = rest
		at := Origin{File: name, Line: n, Group: group}
		if more && start && rest[0] != '\n' {
			r.warn("%s:%d: line longer than %d bytes; the server takes the rest as a new line, and so it is taken here", name, n, lineLimit)
		}
		start = !more
		if !more {
			n++
		}
		// The server handles lines as C strings: a zero byte ends one.
		if i := bytes.IndexByte(line, 0); i >= 0 {
			line = line[:i]
		}
		text := trimLeft(line)
		if len(text) == 0 || text[0] == '#' || text[0] == ';' {
			continue
		}
		switch text[0] {
		case '!':
			if err := r.directive(text, at, depth); err != nil {
				return err
			}
		case '[':
			end := bytes.IndexByte(text, ']')
			if end < 0 {
				return fmt.Errorf("parse %s:%d: group heading without a closing bracket: %q", name, at.Line, clip(text))
			}
			group, inGroup = string(trimRight(text[1:end])), true
		default:
			if !inGroup {
				return fmt.Errorf("parse %s:%d: option before the first group: %q; put a heading such as [sst] above it", name, at.Line, clip(text))
			}
			v := Value{Origin: at}
			v.Name, v.Value, v.Bare = splitOption(text)
			r.out.values = append(r.out.values, v)
		}
	}
	return nil
}

// directive handles !include and !includedir. Trouble inside an included file ends that file and
// no more: the server keeps what it had read of it and goes on. The author of the
// file gets a warning instead of silence.
func (r *reader) directive(text []byte, at Origin, depth int) error {
	if depth >= maxInclude {
		r.warn("%s:%d: %q is skipped: files include each other more than %d levels deep", at.File, at.Line, clip(text), maxInclude)
		return nil
	}
	text = trimLeft(text[1:])
	word, arg, ok := cutKeyword(text)
	if !ok {
		r.warn("%s:%d: unknown directive %q is ignored; known are !include FILE and !includedir DIRECTORY", at.File, at.Line, clip(text))
		return nil
	}
	path, lost := directivePath(arg)
	if path == "" {
		return fmt.Errorf("parse %s:%d: !%s names no %s", at.File, at.Line, word, map[string]string{"include": "file", "includedir": "directory"}[word])
	}
	if lost {
		r.warn("%s:%d: !%s is on a last line without a newline; the server drops the last character and reads %q, and so it is read here", at.File, at.Line, word, path)
	}
	path = r.expand(path)
	names := []string{path}
	if word == "includedir" {
		entries, err := confFiles(path)
		if err != nil {
			return fmt.Errorf("parse %s:%d: !includedir: %w", at.File, at.Line, err)
		}
		names = entries
	}
	for _, name := range names {
		missing, err := r.file(name, depth+1)
		switch {
		case r.fatal != nil:
			return r.fatal
		case missing != nil:
			r.warn("%s:%d: included file is skipped: %v", at.File, at.Line, missing)
		case err != nil:
			r.warn("%s:%d: the rest of included file %s is skipped: %v", at.File, at.Line, name, err)
		}
	}
	return nil
}

// cutKeyword splits a directive into its keyword and the rest, which starts with a blank.
func cutKeyword(b []byte) (word string, arg []byte, ok bool) {
	for _, w := range []string{"includedir", "include"} {
		if bytes.HasPrefix(b, []byte(w)) && len(b) > len(w) && isSpace(b[len(w)]) {
			return w, b[len(w):], true
		}
	}
	return "", nil, false
}

// directivePath is the path of a directive line. The server cuts the line's last byte, which it
// takes for the newline; lost says that it was not one.
func directivePath(arg []byte) (path string, lost bool) {
	arg = trimLeft(arg)
	if len(arg) == 0 {
		return "", false
	}
	lost = !isSpace(arg[len(arg)-1])
	return string(trimRight(arg[:len(arg)-1])), lost
}

// expand resolves a leading tilde with the home directory of the server's environment.
func (r *reader) expand(path string) string {
	if r.home == "" {
		return path
	}
	if path == "~" {
		return r.home
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(r.home, rest)
	}
	return path
}

// confFiles lists the option files of a directory in byte order of their names. Hidden ones count.
func confFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".cnf") {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	sort.Strings(names)
	return names, nil
}

func (r *reader) warn(format string, args ...any) {
	r.out.warnings = append(r.out.warnings, fmt.Sprintf(format, args...))
}

// clip shortens text for a message and drops the line end, and what stands behind an equals sign: lines that are not where they
// should be may hold passwords like any other.
func clip(b []byte) string {
	if i := bytes.IndexByte(b, '='); i >= 0 {
		b = append(b[:i+1:i+1], "..."...)
	}
	b = trimRight(b)
	if len(b) > 60 {
		return string(b[:60]) + "..."
	}
	return string(b)
}

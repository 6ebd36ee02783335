package tree

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of a path, checked before anything is stored or opened. maxComponent is NAME_MAX of every Linux file system.
const (
	MaxPath      = 1024
	maxComponent = 255
)

// hasControl reports whether p holds an ASCII control character.
func hasControl(p string) bool {
	for i := range len(p) {
		if p[i] < ' ' || p[i] == 0x7f {
			return true
		}
	}
	return false
}

// telling are the bytes of a path that clean stops at: one look at each byte in place of three comparisons.
var telling = [256]byte{'/': slash, 0: never, '\\': never}

const (
	slash = iota + 1
	never
)

// clean says that ValidPath has nothing against p.
func clean(p string) bool {
	if len(p) > MaxPath {
		return false
	}
	from := 0 // where the component begins
	for i := 0; i <= len(p); i++ {
		if i < len(p) {
			switch telling[p[i]] {
			case 0:
				continue
			case never:
				return false
			}
		}
		if c := p[from:i]; c == "" || c == "." || c == ".." || len(c) > maxComponent {
			return false
		}
		from = i + 1
	}
	return true
}

// ValidPath reports why p cannot be a path below a role's directory: it must be relative, clean (no empty, "." or ".."
// component, no slash at either end), free of NUL and backslash, and within the limits (R-META-2). A backslash is
// refused because no server makes one in a file name and some tools read it as a separator.
func ValidPath(p string) error {
	if clean(p) {
		return nil
	}
	return fault(strings.Clone(p)) // the path of a caller that is valid need not outlive the call
}

// fault is what ValidPath says about a path that is not clean.
func fault(p string) error {
	switch {
	case p == "":
		return errors.New("path is empty")
	case len(p) > MaxPath:
		return fmt.Errorf("path %.60q… has %d bytes, at most %d are allowed", p, len(p), MaxPath)
	case p[0] == '/':
		return fmt.Errorf("path %q is absolute, expected one relative to the role's directory", p)
	case strings.IndexByte(p, 0) >= 0 || strings.IndexByte(p, '\\') >= 0:
		return fmt.Errorf("path %q holds a NUL byte or a backslash", p)
	}
	for rest, more := p, true; more; {
		var c string
		c, rest, more = strings.Cut(rest, "/")
		switch {
		case c == "" || c == "." || c == "..":
			return fmt.Errorf("path %q is not clean: component %q", p, c)
		case len(c) > maxComponent:
			return fmt.Errorf("path %.60q… has a component of %d bytes, at most %d are allowed", p, len(c), maxComponent)
		}
	}
	return nil
}

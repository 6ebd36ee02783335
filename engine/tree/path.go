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

// clean says that ValidPath has nothing against p.
func clean(p string) bool {
	if len(p) > MaxPath {
		return false
	}
	from := 0 // where the component begins
	for i := 0; i <= len(p); i++ {
		if i < len(p) && p[i] != '/' {
			if p[i] == 0 || p[i] == '\\' {
				return false
			}
			continue
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
	p = strings.Clone(p) // so that what is asked about needs no memory of its own
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

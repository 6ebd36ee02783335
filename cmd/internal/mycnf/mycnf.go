package mycnf

import (
	"fmt"
	"strings"
)

// Origin is the place of one value: a file, a line counted from 1, and the group heading as written there.
type Origin struct {
	File  string
	Line  int
	Group string
}

// String gives the form used in logs and tables: /etc/my.cnf:12 [sst].
func (o Origin) String() string {
	return fmt.Sprintf("%s:%d [%s]", o.File, o.Line, o.Group)
}

// Value is one option line.
type Value struct {
	Name   string // as written: no folding of underscores, no prefix removed
	Value  string // quotes removed, escapes resolved; empty when Bare
	Bare   bool   // there was no equals sign
	Origin Origin
}

// Text is the value as an argument, the way my_print_defaults shows it.
func (v Value) Text() string {
	if v.Bare {
		return "--" + v.Name
	}
	return "--" + v.Name + "=" + v.Value
}

// File is the merged content of all option files that were read. It does not change
// after Read and is safe for concurrent use.
type File struct {
	values   []Value
	suffix   string
	files    []string
	warnings []string
}

// Warnings returns what a reader of the files should be told, one line each.
func (f *File) Warnings() []string { return append([]string(nil), f.warnings...) }

// Files returns the names of the files that were opened, in reading order.
func (f *File) Files() []string { return append([]string(nil), f.files...) }

// Suffix returns the group suffix in force, or the empty string.
func (f *File) Suffix() string { return f.suffix }

// Group returns all values of the given groups in file order. With a group suffix every
// group is looked for with and without it. Group names match without regard to
// the case of ASCII letters, as in the server's reader.
func (f *File) Group(groups ...string) []Value {
	want := make(map[string]bool, 2*len(groups))
	for _, g := range groups {
		want[lower(g)] = true
		if f.suffix != "" {
			want[lower(g+f.suffix)] = true
		}
	}
	return f.pick(want)
}

// Exact is Group without the suffix rule, for scripts that look at the suffixed group first.
func (f *File) Exact(groups ...string) []Value {
	want := make(map[string]bool, len(groups))
	for _, g := range groups {
		want[lower(g)] = true
	}
	return f.pick(want)
}

// Groups returns the names of all groups holding at least one value, in order of
// first appearance, lower case.
func (f *File) Groups() []string {
	var names []string
	seen := make(map[string]bool)
	for _, v := range f.values {
		if g := lower(v.Origin.Group); !seen[g] {
			seen[g] = true
			names = append(names, g)
		}
	}
	return names
}

func (f *File) pick(want map[string]bool) []Value {
	var out []Value
	for _, v := range f.values {
		if want[lower(v.Origin.Group)] {
			out = append(out, v)
		}
	}
	return out
}

// Fold brings an option name to the form the transfer scripts compare: a loose
// prefix dropped and underscores turned into dashes. Letters keep their case.
func Fold(name string) string {
	name = strings.ReplaceAll(name, "_", "-")
	return strings.TrimPrefix(name, "loose-")
}

// ServerGroups returns the groups that a MariaDB server of the given version (such as
// "10.11") reads. Without a version the versioned groups are left out.
func ServerGroups(version string) []string {
	groups := []string{"mysqld", "server", "mariadb", "mariadbd", "client-server", "galera"}
	if version != "" {
		groups = append(groups, "mysqld-"+version, "mariadb-"+version, "mariadbd-"+version)
	}
	return groups
}

// lower folds ASCII letters only: group names are bytes, not text in a known encoding.
func lower(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] >= 'A' && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

package tree

import (
	"maps"
	"testing"
)

// TestDefinitionStamp: the stamp of a definition is that of its file and of what was accepted then, others are of their files alone.
func TestDefinitionStamp(t *testing.T) {
	host, fs := Host{Boot: [16]byte{1}}, FSInfo{Trusted: true, Mount: 1, Dev: 1}
	e := Entry{Role: RoleData, Path: "db/t.ibd", Class: Tablespace, Size: 1, ID: FileID{Dev: 1, Ino: 2, Birth: 3}, Mtime: 5, Ctime: 5}
	table, ok := e.Stamp(&host, fs)
	e.Path, e.Class = "db/t.frm", Table
	definition, ok2 := e.Stamp(&host, fs)
	if !ok || !ok2 || table == definition {
		t.Errorf("%x %v, %x %v", table, ok, definition, ok2)
	}
	fewer := maps.Clone(copyable)
	delete(fewer, "csv")
	if judgementOf(fewer) == judgementOf(copyable) {
		t.Error("the rules for engines changed, and definitions keep their stamps")
	}
}

// TestDefinitions: whatever changes about a definition, its name, its state or that it is there at all, shows in the digest, and
// nothing about other files does.
func TestDefinitions(t *testing.T) {
	type file struct {
		class Class
		path  string
		stamp Stamp
	}
	sum := func(all ...file) ([16]byte, int) {
		var d Definitions
		for _, f := range all {
			d.Add(f.class, RoleData, f.path, f.stamp)
		}
		return d.Sum()
	}
	a, b := file{Table, "db/a.frm", Stamp{1}}, file{Table, "db/b.frm", Stamp{2}}
	want, n := sum(a, b)
	if n != 2 || want == [16]byte{} {
		t.Fatalf("%x of %d", want, n)
	}
	if got, n := sum(a, file{Tablespace, "db/a.ibd", Stamp{3}}, file{Debris, "db/#sql-1.frm", Stamp{3}}, b); got != want || n != 2 {
		t.Errorf("others count: %d", n)
	}
	for what, all := range map[string][]file{
		"one less": {a}, "another": {b, a}, "another name": {a, {Table, "db/c.frm", Stamp{2}}}, "another state": {a, {Table, "db/b.frm", Stamp{3}}},
		"one more": {a, b, {Table, "db/c.frm", Stamp{3}}}, "names run together": {{Table, "db/a.frm" + string(a.stamp[:]) + "\x00\x08db/b.frm", Stamp{2}}},
	} {
		if got, _ := sum(all...); got == want {
			t.Errorf("%s: the same digest", what)
		}
	}
	if got, n := sum(file{Tablespace, "db/a.ibd", Stamp{3}}); got != [16]byte{} || n != 0 {
		t.Errorf("%x of %d definitions", got, n)
	}
}

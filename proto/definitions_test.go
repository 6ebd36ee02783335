package proto

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"trireme/engine/manifest"
	"trireme/engine/tree"
)

// view is a definition that names no engine; foreign is that of a table of an engine that cannot be copied.
func view() []byte { return []byte("TYPE=VIEW\nquery=select 1\n") }

func foreign() []byte {
	b := make([]byte, 64)
	b[0], b[1], b[3] = 0xfe, 1, 43
	return b
}

// TestDefinitionsKnown: definitions are not opened when all of them are what they were in the last transfer, by the joiner's word, and
// else are; and an engine that came since is refused before the joiner has changed anything.
func TestDefinitionsKnown(t *testing.T) {
	r := newResting(t)
	write(t, r.donor, "shop/v.frm", view())
	write(t, r.donor, "shop/w.frm", view())
	r.copies(nil)
	h, _ := r.rows()
	if h.Definitions == [16]byte{} {
		t.Fatal("the manifest says nothing about definitions")
	}
	for what, c := range map[string]struct {
		states [16]byte
		opens  bool
	}{"nothing stated": {[16]byte{}, true}, "known": {h.Definitions, false}, "others known": {[16]byte{1}, true}} {
		seen := func() []string { return nil }
		r.states = c.states
		r.prepare(func() { seen = opened(t, r.donor) })
		_, _, donorErr, joinerErr := r.run()
		names := seen() // before anybody compares
		if donorErr != nil || joinerErr != nil {
			t.Fatalf("%s: donor %v, joiner %v", what, donorErr, joinerErr)
		}
		if slices.Contains(names, "v.frm") != c.opens || slices.Contains(names, "w.frm") != c.opens {
			t.Errorf("%s: opened %q", what, names)
		}
		r.equal()
	}
	// A table that came since makes it another digest.
	write(t, r.donor, "shop/x.frm", foreign())
	before := timesOf(t, r.joiner)
	r.states = h.Definitions
	r.prepare(nil)
	_, _, donorErr, joinerErr := r.run()
	if CodeOf(donorErr) != CodeRefused || CodeOf(joinerErr) != CodeRefused {
		t.Errorf("donor %v, joiner %v", donorErr, joinerErr)
	}
	if now := timesOf(t, r.joiner); !slices.Equal(before, now) {
		t.Errorf("the joiner was\n%q, now\n%q", before, now)
	}
}

// timesOf lists a directory with the times of its files.
func timesOf(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			all = append(all, path+" "+info.ModTime().String())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestUnjudged: what the joiner's word does not cover is read: definitions without a stamp, those that the catalogue has not yet, and all
// of them when one is not as it was.
func TestUnjudged(t *testing.T) {
	all := []tree.Entry{
		{Role: tree.RoleData, Path: "shop", Dir: true, Class: tree.Database},
		{Role: tree.RoleData, Path: "shop/#sql-1.frm", Size: 1, Class: tree.Debris},
		{Role: tree.RoleData, Path: "shop/a.frm", Size: 1, Class: tree.Table},
		{Role: tree.RoleData, Path: "shop/a.ibd", Size: 1, Class: tree.Tablespace},
		{Role: tree.RoleData, Path: "shop/b.frm", Size: 1, Class: tree.Table},
		{Role: tree.RoleData, Path: "shop/new.frm", Size: 1, Class: tree.Table},
	}
	var known tree.Definitions
	known.Add(tree.Table, tree.RoleData, "shop/a.frm", tree.Stamp{1})
	known.Add(tree.Table, tree.RoleData, "shop/b.frm", tree.Stamp{2})
	sum, _ := known.Sum()
	word := hex.EncodeToString(sum[:])
	for what, c := range map[string]struct {
		spoil func(d *donor)
		want  []string // nil: all of the tree
	}{
		"as it was":            {func(*donor) {}, []string{"shop/#sql-1.frm", "shop/new.frm"}},
		"no word":              {func(d *donor) { d.stamps.judged = "" }, nil},
		"another word":         {func(d *donor) { d.stamps.judged = word[1:] + "0" }, nil},
		"no stamps":            {func(d *donor) { d.stamps = nil }, nil},
		"another state":        {func(d *donor) { d.stamps.of[1][5]++ }, nil},
		"one without a stamp":  {func(d *donor) { d.stamps.of[1] = tree.Stamp{} }, nil},
		"a new one with stamp": {func(d *donor) { d.stamps.of[4] = tree.Stamp{3} }, nil},
	} {
		d := &donor{cat: newCatalogue(), c: DonorConfig{Note: func(string, ...any) {}}}
		tr := &tree.Tree{Entries: all}
		d.cat.update(tr, true, false) // leaves out what travels under the lock only
		d.stamps = &stamps{judged: word, of: make([]tree.Stamp, len(d.cat.rows))}
		d.stamps.of[1], d.stamps.of[2], d.stamps.of[3] = tree.Stamp{1}, tree.Stamp{9}, tree.Stamp{2}
		c.spoil(d)
		rest := d.unjudged(tr)
		if c.want == nil {
			if rest != tr {
				t.Errorf("%s: %d definitions are left", what, len(rest.Entries))
			}
			continue
		}
		var names []string
		for _, e := range rest.Entries {
			names = append(names, e.Path)
		}
		if !slices.Equal(names, c.want) {
			t.Errorf("%s: left are %q, want %q", what, names, c.want)
		}
	}
}

// TestDefinitionsInManifest: the header is about the rows beside it.
func TestDefinitionsInManifest(t *testing.T) {
	r := newResting(t)
	write(t, r.donor, "shop/v.frm", view())
	r.copies(nil)
	h, rows := r.rows()
	var d tree.Definitions
	for _, row := range rows {
		d.Add(tree.Table, row.Role, string(row.Path), row.Theirs)
	}
	if sum, n := d.Sum(); n != 1 || sum != h.Definitions {
		t.Errorf("%x of %d definitions, the header says %x", sum, n, h.Definitions)
	}
	r.rewrite(func(h *manifest.Header) { h.Definitions = [16]byte{} }) // whoever reads it takes it for none
	if n := r.copies(nil); n != r.files() {
		t.Errorf("%d of %d files are trusted", n, r.files())
	}
}

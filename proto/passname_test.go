package proto

import (
	"os"
	"path/filepath"
	"testing"

	"trireme/engine/tree"
)

// TestAnotherFileUnderTheName: two tables change their names after a live pass has looked at all files, and change them back before the next look
// (ALTER TABLE ... EXCHANGE PARTITION in a loop). What the pass reads must not be remembered of a file that it is not (R-COPY-5).
func TestAnotherFileUnderTheName(t *testing.T) {
	dir := t.TempDir()
	newFakeServer(t, dir, 71, fakePageSize)
	dirs, err := tree.Open(tree.Layout{Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer dirs.Close()
	seen, err := dirs.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := &donor{c: DonorConfig{Dirs: dirs, Note: t.Logf}, s: &session{ctx: t.Context()}, cat: newCatalogue(), restless: map[uint32]string{}}
	d.working.Store(true)
	d.cat.update(seen, true, false)
	id := -1
	for i := range d.cat.rows {
		if d.cat.rows[i].Path == "shop/a.ibd" {
			id = i
		}
	}
	if id < 0 {
		t.Fatal("no such table")
	}
	swap := func() {
		t.Helper()
		for _, move := range [][2]string{{"a", "x"}, {"b", "a"}, {"x", "b"}} {
			if err := os.Rename(filepath.Join(dir, "shop", move[0]+".ibd"), filepath.Join(dir, "shop", move[1]+".ibd")); err != nil {
				t.Fatal(err)
			}
		}
	}
	w := &worker{d: d}
	swap()
	f, err := w.file(uint32(id))
	if err != nil || f != nil {
		t.Errorf("file = %v, %v, want none", f, err)
	}
	if moved := d.takeUnrest(); moved[uint32(id)] != "is another file" {
		t.Errorf("what moved is %v", moved)
	}
	swap()
	if f, err = w.file(uint32(id)); err != nil || f == nil {
		t.Errorf("file = %v, %v, want that which was looked at", f, err)
	}
	w.release()
	if moved := d.takeUnrest(); len(moved) != 0 {
		t.Errorf("what moved is %v", moved)
	}
}

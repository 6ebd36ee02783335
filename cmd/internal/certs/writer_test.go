package certs

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A file that cannot get its place takes those before it along, and no draft stays.
func TestWriteTakesBackWhatIsHalfDone(t *testing.T) {
	dir := t.TempDir()
	a, b := file{path: filepath.Join(dir, "a"), data: []byte("a")}, file{path: filepath.Join(dir, "b"), data: []byte("b"), secret: true}
	// Twice the same place: the second is free when it is looked at, and taken when it is to be named.
	if err := (writer{}).write(io.Discard, a, b, a); err == nil {
		t.Error("one place was given twice")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// Root makes files for whoever owns the directory, unless told otherwise, and replaces files as it found them.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 4711, 4712); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "key")
	for _, step := range []struct {
		name     string
		w        writer
		uid, gid int
	}{
		{"directory's", writer{}, 4711, 4712},
		{"asked for", writer{owner: "4800:4801", force: true}, 4800, 4801},
		{"replaced", writer{force: true}, 4800, 4801},
		{"group of the number", writer{owner: "4900", force: true}, 4900, 4900},
		{"by name", writer{owner: "root", force: true}, 0, 0},
	} {
		if err := step.w.write(io.Discard, file{path: path, data: []byte("k"), secret: true}); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if uid, gid := ownerOf(info); uid != step.uid || gid != step.gid || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: owner %d:%d, mode %v, want %d:%d", step.name, uid, gid, info.Mode(), step.uid, step.gid)
		}
	}
}

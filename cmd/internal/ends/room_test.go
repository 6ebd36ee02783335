package ends

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOccupied: a file that a backup has too gives no space back. The datadir may be a link.
func TestOccupied(t *testing.T) {
	dir, backup := t.TempDir(), t.TempDir()
	content := make([]byte, 256<<10)
	for i := range content {
		content[i] = byte(i) | 1
	}
	for _, name := range []string{"alone", "linked"} {
		f, err := os.Create(filepath.Join(dir, name))
		if err == nil {
			_, err = f.Write(content)
		}
		if err == nil {
			err = f.Sync() // before that it may occupy nothing
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "linked"), filepath.Join(backup, "linked")); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "data")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{dir, link} {
		n, err := occupied(at)
		if size := int64(len(content)); err != nil || n < size || n >= 2*size {
			t.Errorf("%s: %d bytes, %v; one file of %d is in the old copy", at, n, err, size)
		}
	}
}

// TestOccupiedElsewhere: what lies on a file system that is mounted below the datadir gives no space back on the datadir's own.
func TestOccupiedElsewhere(t *testing.T) {
	const outer, inner = "/dev", "/dev/shm"
	var at [2]syscall.Stat_t
	for i, dir := range []string{outer, inner} {
		if err := syscall.Stat(dir, &at[i]); err != nil {
			t.Skipf("no file system below another one is known: %v", err)
		}
	}
	if at[0].Dev == at[1].Dev {
		t.Skipf("%s is no file system of its own", inner)
	}
	f, err := os.CreateTemp(inner, "room")
	if err != nil {
		t.Skipf("no file system below another one can be written to: %v", err)
	}
	defer os.Remove(f.Name())
	const size = 1 << 20
	if _, err := f.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	n, err := occupied(outer)
	if errors.Is(err, fs.ErrPermission) {
		t.Skip(err)
	}
	if err != nil || n >= size {
		t.Errorf("%d bytes, %v; %d of another file system are below", n, err, size)
	}
}

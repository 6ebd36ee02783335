package ends

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOccupied: a file that a backup has too gives no space back.
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
	n, err := occupied(dir)
	if size := int64(len(content)); err != nil || n < size || n >= 2*size {
		t.Errorf("%d bytes, %v; one file of %d is in the old copy", n, err, size)
	}
}

package image

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKindsCanClone is what the file systems are made for.
func TestKindsCanClone(t *testing.T) {
	for _, kind := range Kinds {
		t.Run(kind, func(t *testing.T) {
			dir := Mount(t, kind, 512<<20)
			name := filepath.Join(dir, "a")
			if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			from, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer from.Close()
			to, err := os.Create(filepath.Join(dir, "b"))
			if err != nil {
				t.Fatal(err)
			}
			defer to.Close()
			if err := unix.IoctlFileClone(int(to.Fd()), int(from.Fd())); err != nil {
				t.Fatalf("clone on %s: %v", kind, err)
			}
		})
	}
}

package tree

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHole(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "t.ibd"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const mib = 1 << 20
	must(t, f.Truncate(4*mib))
	if !Hole(f, 0, mib) {
		var fs unix.Statfs_t
		must(t, unix.Fstatfs(int(f.Fd()), &fs))
		if k := fsKinds[int64(fs.Type)]; !k.holes {
			t.Skipf("temporary files lie on %q (0x%x), whose holes are not believed", k.name, fs.Type)
		}
		t.Fatal("a new file is no hole")
	}
	_, err = f.WriteAt([]byte{0}, 2*mib-1) // a zero, but a written one
	must(t, err)
	for _, c := range []struct {
		name   string
		off, n int64
		want   bool
	}{
		{"before it", 0, mib, true},
		{"its own unit", mib, mib, false},
		{"up to its block", mib, mib - 4096, true},
		{"behind it to the end", 2 * mib, 2 * mib, true},
		{"beyond the end", 3 * mib, 2 * mib, false},
		{"behind the end", 5 * mib, mib, false},
	} {
		if got := Hole(f, c.off, c.n); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	must(t, f.Truncate(mib/2))
	if Hole(f, 0, mib) {
		t.Error("a file that has become shorter still has its hole")
	}
	must(t, f.Close())
	if Hole(f, 0, 1) {
		t.Error("a closed file has a hole")
	}
}

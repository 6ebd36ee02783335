package tree

import (
	"bytes"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHeld has large calls on a file system in memory and on that of the temporary directory, there with all of the content in the page cache,
// the half, and nothing.
func TestHeld(t *testing.T) {
	roots := map[string]string{"disk": t.TempDir()}
	var fs unix.Statfs_t
	if unix.Statfs("/dev/shm", &fs) == nil && int64(fs.Type) == unix.TMPFS_MAGIC {
		dir, err := os.MkdirTemp("/dev/shm", "trireme-test-")
		must(t, err)
		defer os.RemoveAll(dir)
		roots["memory"] = dir
	}
	for name, root := range roots {
		t.Run(name, func(t *testing.T) {
			grow(t, root, "db/a=")
			d := open(t, Layout{Data: root})
			h, err := d.Handle(RoleData, "db/a", os.O_RDWR, 0)
			must(t, err)
			defer h.Close()
			want := make([]byte, 4<<20+100)
			for i := range want {
				want[i] = byte(i * i >> 8)
			}
			if n, err := h.WriteAt(want, 0); n != len(want) || err != nil {
				t.Fatalf("written %d: %v", n, err)
			}
			if name == "memory" && h.pace() != inMemory {
				t.Errorf("a file of a tmpfs has pace %d", h.pace())
			}
			must(t, h.Sync())
			got := make([]byte, len(want)+heldFrom)
			warm := h.pace() // after a read that need not wait
			if _, err := unix.Preadv2(h.fd, [][]byte{got[:100]}, 0, unix.RWF_NOWAIT); err != nil && warm == askable {
				warm = waiting // it cannot be asked here
			}
			for _, from := range []int64{int64(len(want)), 2 << 20, 0} {
				h, err := d.Handle(RoleData, "db/a", os.O_RDONLY, 0)
				must(t, err)
				defer h.Close()
				if from < int64(len(want)) {
					must(t, unix.Fadvise(h.fd, from, 0, unix.FADV_DONTNEED))
				}
				clear(got)
				if n, err := h.ReadAt(got[:len(want)], 0); n != len(want) || err != nil || !bytes.Equal(got[:n], want) {
					t.Errorf("cold from %d: read %d: %v", from, n, err)
				}
				if p := h.pace(); from == int64(len(want)) && p != warm || from < int64(len(want)) && p == unasked {
					t.Errorf("cold from %d: pace %d, and %d when warm", from, p, warm)
				}
			}
			if n, err := h.ReadAt(got, 0); n != len(want) || err != io.EOF || !bytes.Equal(got[:n], want) {
				t.Errorf("over the end: read %d: %v", n, err)
			}
			if n, err := h.ReadAt(got, int64(len(want))); n != 0 || err != io.EOF {
				t.Errorf("at the end: read %d: %v", n, err)
			}
			r, err := d.Handle(RoleData, "db/a", os.O_RDONLY, 0)
			must(t, err)
			defer r.Close()
			if n, err := r.WriteAt(want, 0); n != 0 || err == nil {
				t.Errorf("written %d to a file that is open for reading", n)
			}
			if n := testing.AllocsPerRun(20, func() { _, _ = h.ReadAt(got[:len(want)], 0); _, _ = h.WriteAt(want, 0) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

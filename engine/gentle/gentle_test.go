package gentle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// cold makes a file of n bytes of which nothing is in the page cache.
func cold(t testing.TB, n int) (*os.File, []byte) {
	t.Helper()
	want := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(want)
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	return f, want
}

func vector(t testing.TB, f *os.File, n int) []byte {
	t.Helper()
	v, err := resident(f, 0, n)
	if err != nil {
		t.Fatal(err)
	}
	for i := range v {
		v[i] &= 1
	}
	return v
}

// both runs a test with the kernel's own means and with ours.
func both(t *testing.T, f func(t *testing.T)) {
	for _, off := range []bool{false, true} {
		t.Run(fmt.Sprintf("dontcache=%v", !off), func(t *testing.T) {
			old := noDontCache.Swap(off)
			defer noDontCache.Store(old)
			f(t)
		})
	}
}

func TestCacheStaysAsItWas(t *testing.T) {
	both(t, func(t *testing.T) {
		const n = 8 << 20
		f, want := cold(t, n)
		if bytes.Count(vector(t, f, n), []byte{1}) > 0 {
			t.Skip("the file system of the temporary directory keeps pages that were dropped (tmpfs)")
		}
		// The server has two ranges of it.
		if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM); err != nil {
			t.Fatal(err)
		}
		for _, r := range [][2]int64{{1 << 20, 300 << 10}, {5<<20 + 8192, 2 << 20}} {
			if _, err := f.ReadAt(make([]byte, r[1]), r[0]); err != nil {
				t.Fatal(err)
			}
		}
		before := vector(t, f, n)
		if bytes.Count(before, []byte{1}) < 500 {
			t.Fatalf("only %d pages are resident", bytes.Count(before, []byte{1}))
		}
		got := make([]byte, n)
		for off := 0; off < n; off += 1 << 20 {
			if k, err := ReadAt(f, got[off:off+1<<20], int64(off)); err != nil || k != 1<<20 {
				t.Fatal(k, err)
			}
		}
		if !bytes.Equal(got, want) {
			t.Error("other bytes")
		}
		after := vector(t, f, n)
		lost, left := 0, 0
		for i := range before {
			switch {
			case before[i] == 1 && after[i] == 0:
				lost++
			case before[i] == 0 && after[i] == 1:
				left++
			}
		}
		if lost > 0 || left > 16 {
			t.Errorf("%d pages of the server were evicted, %d of ours stayed", lost, left)
		}
	})
}

func TestSameAnswersAsReadAt(t *testing.T) {
	both(t, func(t *testing.T) {
		const n = 10001
		f, want := cold(t, n)
		for _, r := range [][2]int{{0, 0}, {0, 1}, {0, n}, {1, 4096}, {4095, 2}, {n - 1, 1}, {n - 1, 2}, {n, 1}, {n + 5, 3}, {8192, 4096}} {
			a, b := make([]byte, r[1]), make([]byte, r[1])
			an, aerr := f.ReadAt(a, int64(r[0]))
			bn, berr := ReadAt(f, b, int64(r[0]))
			if an != bn || !bytes.Equal(a, b) || errors.Is(aerr, io.EOF) != errors.Is(berr, io.EOF) {
				t.Errorf("at %d length %d: %d %v, want %d %v", r[0], r[1], bn, berr, an, aerr)
			}
			if an > 0 && !bytes.Equal(b[:bn], want[r[0]:r[0]+bn]) {
				t.Errorf("at %d: other bytes", r[0])
			}
		}
		f.Close()
		if _, err := ReadAt(f, make([]byte, 5), 0); err == nil {
			t.Error("a closed file was read")
		}
	})
}

func TestLower(t *testing.T) {
	get := func() int {
		v, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ioprioWhoProcess, uintptr(unix.Gettid()), 0)
		if errno != 0 {
			t.Fatal(errno)
		}
		return int(v)
	}
	if err := Lower(true); err != nil {
		t.Fatal(err)
	}
	if v := get(); v != ioprioBestEffort<<ioprioClassShift|lowest {
		t.Errorf("priority %#x", v)
	}
	if err := Lower(false); err != nil {
		t.Fatal(err)
	}
	if v := get(); v>>ioprioClassShift == ioprioBestEffort && v&7 == lowest {
		t.Errorf("priority %#x after it was given back", v)
	}
}

func BenchmarkReadAt(b *testing.B) {
	const n = 64 << 20
	f, _ := cold(b, n)
	buf := make([]byte, 1<<20)
	for _, how := range []string{"plain", "dontcache", "fadvise"} {
		b.Run("how="+how, func(b *testing.B) {
			old := noDontCache.Swap(how == "fadvise")
			defer noDontCache.Store(old)
			b.SetBytes(1 << 20)
			b.ReportAllocs()
			off := int64(0)
			for b.Loop() {
				var err error
				if how == "plain" {
					_, err = f.ReadAt(buf, off)
				} else {
					_, err = ReadAt(f, buf, off)
				}
				if err != nil {
					b.Fatal(err)
				}
				off = (off + 1<<20) % n
			}
		})
	}
}

// TestBackground looks at the niceness of threads: low inside, as before outside, also of those that come later.
func TestBackground(t *testing.T) {
	nice := func() int {
		v, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
		if err != nil {
			t.Fatal(err)
		}
		return 20 - v // the system call counts from the other end
	}
	usual := nice()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			Background(func() {
				if n := nice(); n != min(usual+niceness, 19) {
					t.Errorf("niceness %d inside", n)
				}
			})
		})
	}
	wg.Wait()
	for range 8 {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if n := nice(); n != usual {
				t.Errorf("niceness %d afterwards, %d before", n, usual)
			}
		})
	}
	wg.Wait()
}

package share

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"trireme/engine/block"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// file is content that counts how it is read.
type file struct {
	key   Key
	b     []byte
	reads atomic.Int64 // bytes
	fails atomic.Int64 // so many reads fail
}

func newFile(name string, size int) *file {
	f := &file{key: Key{Path: name}, b: make([]byte, size)}
	// Each piece of 4 KiB says where it lies.
	for off := 0; off < size; off += 4096 {
		copy(f.b[off:], strconv.Itoa(off)+name)
	}
	return f
}

var errDisk = errors.New("disk")

func (f *file) readAt(p []byte, off int64) (int, error) {
	if f.fails.Add(-1) >= 0 {
		return 0, errDisk
	}
	n, err := bytes.NewReader(f.b).ReadAt(p, off)
	f.reads.Add(int64(n))
	return n, err
}

// copyUnits reads units of f in order and compares them; each is preceded by pause.
func copyUnits(ctx context.Context, r *Reader, f *file, pause time.Duration) error {
	p := make([]byte, block.Unit)
	for off := 0; off < len(f.b); off += block.Unit {
		time.Sleep(pause)
		n := min(block.Unit, len(f.b)-off)
		got, _, err := r.ReadAt(ctx, f.key, p[:n], int64(off), true, f.readAt)
		if err != nil || got != n || !bytes.Equal(p[:n], f.b[off:off+n]) {
			return fmt.Errorf("%s at %d: %d bytes, %w", f.key.Path, off, got, err)
		}
	}
	return nil
}

// TestReadOnce: copies of files of all sizes, each at its own pace, read every byte once between them, and memory stays in the window.
func TestReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := []*file{newFile("empty", 0), newFile("one", 1), newFile("unit", block.Unit), newFile("more", 40*block.Unit+4711)}
		for i := range 300 {
			files = append(files, newFile(fmt.Sprint("small", i), 16384+i))
		}
		var want int64
		for _, f := range files {
			want += int64(len(f.b))
		}
		s := New(Config{Window: 4 << 20})
		var wg sync.WaitGroup
		var readers []*Reader
		for i := range 3 {
			readers = append(readers, s.Join(func() { t.Errorf("copy %d fell out of step", i) }))
		}
		for i, r := range readers {
			wg.Go(func() {
				for _, f := range files {
					if err := copyUnits(t.Context(), r, f, time.Duration(i)*10*time.Millisecond); err != nil {
						t.Errorf("copy %d: %v", i, err)
					}
				}
			})
		}
		wg.Wait()
		st := s.Stats()
		if st.Read != want || st.Served != 2*want || st.Kept > 4<<20 {
			t.Errorf("%+v, want %d bytes read", st, want)
		}
		for _, f := range files {
			if f.reads.Load() != int64(len(f.b)) {
				t.Errorf("%s: %d bytes read, want %d", f.key.Path, f.reads.Load(), len(f.b))
			}
		}
	})
}

// TestBehind: a copy that stands still holds the others for as long as Patience says, once, and reads the rest for itself.
func TestBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile("f", 64*block.Unit)
		s := New(Config{Window: 8 << 20, Patience: 10 * time.Second})
		var fell atomic.Int32
		slow := s.Join(func() { fell.Add(1) })
		began := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			r := s.Join(func() { t.Error("a copy that keeps up fell out of step") })
			wg.Go(func() {
				if err := copyUnits(t.Context(), r, f, 0); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took != 10*time.Second || fell.Load() != 1 {
			t.Errorf("the others took %v; the slow one fell out %d times", took, fell.Load())
		}
		if f.reads.Load() != int64(len(f.b)) {
			t.Errorf("the others read %d bytes, want %d", f.reads.Load(), len(f.b))
		}
		if err := copyUnits(t.Context(), slow, f, time.Second); err != nil {
			t.Error(err)
		}
		// What is still in the window is given to it all the same.
		if got := f.reads.Load() - int64(len(f.b)); got < int64(len(f.b))-8<<20 || got > int64(len(f.b)) {
			t.Errorf("it read %d bytes for itself", got)
		}
	})
}

// TestPace: a copy that is a little slower all the time sets the pace; one that is much slower does not. Both are exact.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		slower time.Duration
		falls  bool
	}{{1030 * time.Millisecond, false}, {2 * time.Second, true}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFile("f", 120*block.Unit)
			s := New(Config{Window: block.Unit, Patience: time.Second})
			var fell atomic.Int32
			a, b := s.Join(nil), s.Join(func() { fell.Add(1) })
			var wg sync.WaitGroup
			for r, pause := range map[*Reader]time.Duration{a: time.Second, b: c.slower} {
				wg.Go(func() {
					if err := copyUnits(t.Context(), r, f, pause); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if (fell.Load() == 1) != c.falls || (f.reads.Load() > int64(len(f.b))) != c.falls {
				t.Errorf("pause %v: fell %d times, %d bytes read of %d", c.slower, fell.Load(), f.reads.Load(), len(f.b))
			}
		})
	}
}

// TestOrders: copies that go through the files in opposite orders do not wait for each other.
func TestOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := []*file{newFile("a", 20*block.Unit), newFile("b", 20*block.Unit), newFile("c", 20*block.Unit)}
		s := New(Config{Window: 4 << 20})
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 2 {
			r := s.Join(func() { t.Error("fell out of step") })
			mine := slices.Clone(files)
			if i == 1 {
				slices.Reverse(mine)
			}
			wg.Go(func() {
				for _, f := range mine {
					if err := copyUnits(t.Context(), r, f, time.Millisecond); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

// TestLeave: a copy that ends in the middle, or stops waiting, holds nobody.
func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile("f", 16*block.Unit)
		s := New(Config{Window: 2 << 20, Patience: time.Hour})
		a, b := s.Join(nil), s.Join(nil)
		cause := errors.New("killed")
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := copyUnits(ctx, a, f, 0); !errors.Is(err, cause) {
				t.Error(err)
			}
		})
		synctest.Wait()
		cancel(cause)
		wg.Wait()
		wg.Go(func() {
			if err := copyUnits(t.Context(), a, f, 0); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		began := time.Now()
		b.Leave()
		wg.Wait()
		if time.Since(began) != 0 {
			t.Errorf("held for %v by a copy that has left", time.Since(began))
		}
	})
}

// TestBegin: nothing that was read before a copy began is given to it.
func TestBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile("f", block.Unit)
		s := New(Config{})
		a, b, c := s.Join(nil), s.Join(nil), s.Join(nil)
		if err := copyUnits(t.Context(), a, f, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		b.Begin()
		f.b[0]++ // a server writes
		for r, want := range map[*Reader]byte{b: f.b[0], c: f.b[0] - 1} {
			p := make([]byte, block.Unit)
			if n, fresh, err := r.ReadAt(t.Context(), f.key, p, 0, true, f.readAt); n != len(p) || err != nil || p[0] != want || fresh != (r == b) {
				t.Errorf("%d, fresh %v, %v: byte %d, want %d", n, fresh, err, p[0], want)
			}
		}
	})
}

// TestMeet: copies begin a pass together, out of what was read after the last of them had ended the one before; one that does not come is
// waited for as long as one that does not read.
func TestMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile("f", 6*block.Unit)
		s := New(Config{Patience: 10 * time.Second})
		dead := s.Join(nil)
		var wg sync.WaitGroup
		began := time.Now()
		for i := range 3 {
			r := s.Join(func() { t.Errorf("copy %d fell out of step", i) })
			wg.Go(func() {
				for pass := range uint16(3) {
					g := file{key: f.key, b: f.b}
					g.key.Pass = pass
					if err := copyUnits(t.Context(), r, &g, time.Duration(i)*200*time.Millisecond); err != nil {
						t.Error(err)
					}
					f.reads.Add(g.reads.Load())
					if err := r.Meet(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		// The slowest takes 2.4 s for each pass, and all wait for it; in the first one for the dead one as well.
		if took := time.Since(began); took != 14800*time.Millisecond || s.inStep&dead.bit != 0 {
			t.Errorf("took %v", took)
		}
		if f.reads.Load() != 3*int64(len(f.b)) {
			t.Errorf("%d bytes read in 3 passes over %d", f.reads.Load(), len(f.b))
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("killed")
		wg.Go(func() {
			if err := s.readers[2].Meet(ctx); !errors.Is(err, cause) {
				t.Error(err)
			}
		})
		synctest.Wait()
		cancel(cause)
		wg.Wait()
	})
}

// TestParts: a part of a unit comes from memory while it is there, and is no sign that the unit was read.
func TestParts(t *testing.T) {
	f := newFile("f", block.Unit+100)
	s := New(Config{Window: block.Unit})
	a, b := s.Join(nil), s.Join(nil)
	part := func(r *Reader, off int64, n int, fromFile bool) {
		t.Helper()
		p := make([]byte, n)
		got, fresh, err := r.ReadAt(t.Context(), f.key, p, off, false, f.readAt)
		if err != nil || got != n || fresh != fromFile || !bytes.Equal(p, f.b[off:int(off)+n]) {
			t.Errorf("%d bytes at %d: %d, fresh %v, %v", n, off, got, fresh, err)
		}
	}
	part(a, 500, 1000, true)
	p := make([]byte, block.Unit)
	if _, fresh, err := a.ReadAt(t.Context(), f.key, p, 0, true, f.readAt); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	part(a, 500, 1000, false)
	part(b, 0, 16384, false)
	if _, fresh, err := b.ReadAt(t.Context(), f.key, p, 0, true, f.readAt); err != nil || fresh {
		t.Errorf("the unit is gone after a part of it was read: %v, %v", fresh, err)
	}
	// A file that has become shorter ends for everybody.
	for _, r := range []*Reader{a, b} {
		if n, _, err := r.ReadAt(t.Context(), f.key, p, block.Unit, true, f.readAt); n != 100 || err != io.EOF {
			t.Errorf("%d, %v", n, err)
		}
	}
}

// TestErrors: a read that fails fails for who made it; the others try for themselves.
func TestErrors(t *testing.T) {
	f := newFile("f", 2*block.Unit)
	f.fails.Store(1)
	s := New(Config{Window: block.Unit})
	a, b := s.Join(nil), s.Join(nil)
	if err := copyUnits(t.Context(), a, f, 0); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	a.Leave()
	if err := copyUnits(t.Context(), b, f, 0); err != nil {
		t.Error(err)
	}
	// One that waits for the reading of another hears nothing of its failure either.
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		a, b := s.Join(nil), s.Join(nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			p := make([]byte, block.Unit)
			_, _, err := a.ReadAt(t.Context(), f.key, p, 0, true, func([]byte, int64) (int, error) {
				time.Sleep(time.Second)
				return 0, errDisk
			})
			if !errors.Is(err, errDisk) {
				t.Error(err)
			}
		})
		synctest.Wait()
		if err := copyUnits(t.Context(), b, f, 0); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

// TestManyWorkers: several workers of each copy, in true parallel, with parts read again; every byte is right, and memory bounded.
func TestManyWorkers(t *testing.T) {
	f := newFile("f", 32*block.Unit+999)
	s := New(Config{Window: 6 << 20, Patience: 20 * time.Millisecond})
	var wg sync.WaitGroup
	for i := range 4 {
		r := s.Join(nil)
		var next atomic.Int64
		for w := range 3 {
			random := rand.New(rand.NewPCG(uint64(i), uint64(w)))
			wg.Go(func() {
				p := make([]byte, block.Unit)
				for {
					off := int(next.Add(1)-1) * block.Unit
					if off >= len(f.b) {
						return
					}
					n := min(block.Unit, len(f.b)-off)
					got, _, err := r.ReadAt(t.Context(), f.key, p[:n], int64(off), true, f.readAt)
					if err != nil || got != n || !bytes.Equal(p[:n], f.b[off:off+n]) {
						t.Errorf("at %d: %d, %v", off, got, err)
					}
					at := random.IntN(n)
					m := random.IntN(n-at) + 1
					got, _, err = r.ReadAt(t.Context(), f.key, p[:m], int64(off+at), false, f.readAt)
					if err != nil || got != m || !bytes.Equal(p[:m], f.b[off+at:off+at+m]) {
						t.Errorf("%d at %d: %d, %v", m, off+at, got, err)
					}
				}
			})
		}
	}
	wg.Wait()
	if st := s.Stats(); st.Kept > 6<<20 || st.Served == 0 {
		t.Errorf("%+v", st)
	}
}

// TestPrune: what is known of the files of a pass is forgotten when all have ended it, whatever one that fell behind does.
func TestPrune(t *testing.T) {
	s := New(Config{})
	a, b, late := s.Join(nil), s.Join(nil), s.Join(nil)
	late.Leave()
	const files, passes = 50, 6
	for pass := range uint16(passes) {
		for i := range files {
			f := newFile(fmt.Sprint("f", i), 4096)
			for _, r := range []*Reader{a, b, late} {
				f.key.Pass = pass + 1
				if r == late {
					f.key.Pass = 1 // it comes to nothing new
				}
				if err := copyUnits(t.Context(), r, f, 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		if len(s.files) > 2*files {
			t.Fatalf("%d files are known in pass %d", len(s.files), pass+1)
		}
		var wg sync.WaitGroup
		for _, r := range []*Reader{a, b} {
			wg.Go(func() {
				if err := r.Meet(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	if len(s.files) != 0 || len(s.kept) != 0 || s.used != 0 {
		t.Errorf("%d files are known after the last pass, %d buffers with %d bytes are kept", len(s.files), len(s.kept), s.used)
	}
	if st := s.Stats(); st.Served != (passes+1)*files*4096 {
		t.Errorf("%+v: the second copy was to get everything from memory, and the late one the first pass", st)
	}
}

package block

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newArena(t *testing.T, n int) *Arena {
	t.Helper()
	a, err := NewArena(n)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if r, _ := recover().(string); !strings.Contains(r, want) {
			t.Fatalf("panic %q, want one that contains %q", r, want)
		}
	}()
	f()
}

func TestArenaBuffers(t *testing.T) {
	a := newArena(t, 3)
	seen := map[*byte]bool{}
	var bufs [][]byte
	for range a.Size() {
		p, err := a.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(p) != Unit || cap(p) != Unit {
			t.Fatalf("buffer has length %d and capacity %d", len(p), cap(p))
		}
		if uintptr(unsafe.Pointer(&p[0]))%uintptr(os.Getpagesize()) != 0 {
			t.Fatal("buffer is not page aligned")
		}
		if seen[&p[0]] {
			t.Fatal("same buffer twice")
		}
		seen[&p[0]] = true
		p[0], p[Unit-1] = 1, 2
		bufs = append(bufs, p)
	}
	cause := errors.New("the reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := a.Get(ctx); !errors.Is(err, cause) {
		t.Fatalf("Get on an empty arena: %v, want the cause of the context", err)
	}
	if err := a.Close(); err == nil || !strings.Contains(err.Error(), "3 of 3 buffers") {
		t.Fatalf("Close with buffers out: %v", err)
	}
	for _, p := range bufs {
		a.Put(p[:10])
	}
	if s := a.Stats(); s.Puts != 3 || s.Waits != 1 {
		t.Fatalf("stats %+v", s)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatalf("second Close: %v", err)
	}
}

func TestArenaRefusesWrongBuffers(t *testing.T) {
	a, other := newArena(t, 1), newArena(t, 1)
	defer other.Close()
	p, _ := a.Get(t.Context())
	mustPanic(t, "does not belong", func() { a.Put(make([]byte, Unit)) })
	mustPanic(t, "does not belong", func() { a.Put(nil) })
	mustPanic(t, "does not belong", func() { a.Put(p[1:]) })
	mustPanic(t, "does not belong", func() { other.Put(p) })
	a.Put(p)
	mustPanic(t, "given back twice", func() { a.Put(p) })
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestArenaLimits(t *testing.T) {
	for _, n := range []int{-1, 0, maxBuffers + 1} {
		if _, err := NewArena(n); err == nil {
			t.Errorf("arena of %d buffers was made", n)
		}
	}
}

func TestArenaIsNeverShared(t *testing.T) {
	a := newArena(t, 2)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for range 200 {
				p, err := a.Get(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				p[0] = byte(w)
				p[Unit-1] = byte(w)
				if p[0] != byte(w) || p[Unit-1] != byte(w) {
					t.Error("two owners of one buffer")
				}
				a.Put(p)
			}
		})
	}
	wg.Wait()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkArena(b *testing.B) {
	a, err := NewArena(4)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p, err := a.Get(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		a.Put(p)
	}
	b.StopTimer()
	if err := a.Close(); err != nil {
		b.Fatal(err)
	}
}

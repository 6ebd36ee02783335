package proto

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	"trireme/engine/block"
)

// TestSpoolHoldsManyPages puts single pages into a spool from which nothing is sent: thousands of them fit, because they do not take
// a unit each, and come out as they went in, in order, with chunks between them that do.
func TestSpoolHoldsManyPages(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	p := newSpools()
	s := &spool{all: p, queue: make(chan *parcel, spoolUnits)}
	w := &worker{d: &donor{s: &session{ctx: ctx}}, unit: make([]byte, block.Unit)}
	const pages, every = 8000, 100
	want := func(i int) (head, content []byte) {
		n := block.LeafPage
		if i%every == 0 {
			n = swapFrom + i
		}
		return fmt.Appendf(nil, "head %d", i), bytes.Repeat([]byte{byte(i), byte(i >> 8)}, n/2)
	}
	for i := range pages {
		var content []byte
		w.head, content = want(i)
		copy(w.unit, content)
		if len(p.budget) == cap(p.budget) {
			t.Fatalf("the spool is full with %d chunks", i)
		}
		if err := s.put(w, uint32(i), i%2 == 0, w.unit[:len(content)]); err != nil {
			t.Fatal(err)
		}
	}
	s.post()
	close(s.queue)
	i := 0
	for x := range s.queue {
		for _, c := range x.chunks {
			head, content := want(i)
			if c.id != uint32(i) || c.raw != (i%2 == 0) || !bytes.Equal(c.head, head) || !bytes.Equal(c.content, content) {
				t.Fatalf("chunk %d came out as %d with %q and %d bytes", i, c.id, c.head, len(c.content))
			}
			i++
		}
		p.give(x)
	}
	if i != pages || len(p.budget) != 0 {
		t.Errorf("%d of %d chunks came out, %d parcels still count", i, pages, len(p.budget))
	}
}

// TestSpoolIsWarm: what is expected of a window has its memory before, no more than may wait unsent, and goes into the parcels that
// are used first.
func TestSpoolIsWarm(t *testing.T) {
	for _, c := range []struct {
		bytes int64
		want  int
	}{{0, 3}, {10*block.Unit + 1, 13}, {1 << 50, spoolAhead}} {
		got := warm(nil, c.bytes, 3)
		if len(got) != c.want || len(got[0].unit) != block.Unit {
			t.Errorf("%d parcels for %d bytes, want %d", len(got), c.bytes, c.want)
		}
		for i, x := range got {
			// Go gives memory in pieces of 8 KiB, so that a unit consists of whole pages.
			if n, all := resident(t, x.unit), len(x.unit)/os.Getpagesize(); n != all {
				t.Fatalf("%d of %d pages of parcel %d are in memory", n, all, i)
			}
		}
	}
	// What is there already is not made again.
	few := warm(nil, 0, 1)
	if more := warm(few, 2*block.Unit, 1); len(more) != 3 || more[0] != few[0] || len(warm(more, 0, 1)) != 3 {
		t.Errorf("%d parcels after one, want 3", len(more))
	}
	p := newSpools()
	p.idle = warm(nil, 0, 1)
	first := p.idle[0]
	if p.take() != first {
		t.Error("a parcel was made though one was there")
	}
}

// TestNothingIsSentUnderTheLock: what fits into the spool waits there until the server has been let go, so that neither end's
// processors do anything else in the window than find it.
func TestNothingIsSentUnderTheLock(t *testing.T) {
	r, s := liveRig(t, 15)
	var atLock, atEnd int64
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			s.work(40)
			s.flush(1)
			s.checkpoint()
			atLock = r.progress[0].carried.Load()
			return "at:1", nil
		},
		unlock: func() error {
			atEnd = r.progress[0].carried.Load()
			return nil
		},
	}
	r.mustRun()
	if atEnd != atLock {
		t.Errorf("%d bytes of content left the donor while its server was locked", atEnd-atLock)
	}
	if r.progress[0].carried.Load() == atLock {
		t.Error("the window had nothing to send: this test shows nothing")
	}
}

// TestMoreThanTheSpoolHolds finds more under the lock than the spool takes: it must be sent meanwhile.
func TestMoreThanTheSpoolHolds(t *testing.T) {
	heavy(t)
	r, s := liveRig(t, 16)
	big := bytes.Repeat([]byte{1}, block.Unit)
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			for i := range spoolUnits + 20 {
				write(t, r.donor, fmt.Sprintf("shop/new%03d.MYD", i), big)
			}
			s.flush(1)
			s.checkpoint()
			return "at:1", nil
		},
		unlock: func() error { return nil },
	}
	r.mustRun()
	if got, want := listing(t, r.joiner), listing(t, r.donor); got != want {
		t.Errorf("the copy is not the donor's:\n--- donor\n%s\n--- joiner\n%s", onlyIn(want, got), onlyIn(got, want))
	}
}

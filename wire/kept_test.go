package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestKept: frames are held unchanged until they are dropped, whatever order sizes come in, within the window, and in the long run
// without an allocation.
func TestKept(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	k := &kept{window: windowLeast}
	type sent struct{ head, body []byte }
	var want []sent
	unit := make([]byte, 1<<20)
	for range modelSteps {
		head, n := make([]byte, rng.IntN(100)), rng.IntN(1<<rng.IntN(21))
		body := make([]byte, n)
		for i := 0; i < n; i += 97 {
			body[i] = byte(rng.Uint32())
		}
		given := n > len(unit)/2
		copied, buffer := len(head)+n, 0
		if given {
			copied, buffer = len(head), len(unit)
		}
		for !k.fits(copied, buffer) {
			upto := k.first() + uint64(rng.IntN(k.n))
			want = want[upto+1-k.first():]
			k.drop(upto)
		}
		if given {
			f := k.add(1, head, unit[:copy(unit, body)], &unit)
			if len(f.unit.buf) != len(unit) || &f.unit.buf[0] == &unit[0] {
				t.Fatal("the buffer was not replaced by another like it")
			}
		} else {
			k.add(1, head, body, nil)
		}
		want = append(want, sent{head, body})
		// One frame may be larger than what is left of an empty window.
		if k.inUse > k.window+MaxFrame+smallSlab {
			t.Fatalf("%d bytes in use, the window has %d", k.inUse, k.window)
		}
		i := rng.IntN(k.n)
		if f := k.frame(k.first() + uint64(i)); !bytes.Equal(f.head, want[i].head) || !bytes.Equal(f.body, want[i].body) {
			t.Fatalf("frame %d of %d has changed", i, k.n)
		}
	}
	k.drop(k.last)
	if k.n != 0 || k.inUse > MaxFrame {
		t.Errorf("%d frames and %d bytes are left", k.n, k.inUse)
	}

	head, body := make([]byte, 30), make([]byte, 5000)
	if n := testing.AllocsPerRun(500, func() {
		for !k.fits(len(head), len(unit)) {
			k.drop(k.first())
		}
		k.add(1, head, unit, &unit)
		for !k.fits(len(head)+len(body), 0) {
			k.drop(k.first())
		}
		k.add(2, head, body, nil)
	}); n != 0 {
		t.Errorf("%v allocations for two frames", n)
	}
}

// TestKeptWipes: nothing of a dropped frame stays in memory where frames may hold secrets.
func TestKeptWipes(t *testing.T) {
	k := &kept{window: windowLeast, wipe: true}
	f := *k.add(1, []byte("head"), []byte("a key"), nil)
	if string(f.body) != "a key" {
		t.Fatalf("%q", f.body)
	}
	k.drop(1)
	if !bytes.Equal(f.head, make([]byte, 4)) || !bytes.Equal(f.body, make([]byte, 5)) {
		t.Errorf("%q, %q are still there", f.head, f.body)
	}
}

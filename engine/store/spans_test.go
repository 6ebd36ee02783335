package store

import (
	"math/rand/v2"
	"testing"

	"trireme/engine/block"
)

func TestSpans(t *testing.T) {
	const u = block.Unit
	var s spans
	s.mark(u+5, 1)
	s.mark(65*u-1, 1)
	s.mark(MaxSize-1, 1)
	s.mark(7, 0)
	for _, c := range []struct {
		off, n int64
		clean  bool
	}{
		{0, u, true}, {u, 1, false}, {2*u - 1, 1, false}, {2 * u, u, true}, {0, u + 1, false}, {63 * u, u, true},
		{63 * u, u + 1, false}, {64 * u, 1, false}, {65 * u, 1 << 40, true}, {65 * u, MaxSize - 65*u, false},
		{MaxSize - u, 1, false}, {MaxSize - u - 1, 1, true}, {0, MaxSize, false},
	} {
		if got := s.clean(c.off, c.n); got != c.clean {
			t.Errorf("clean(%d, %d) = %v", c.off, c.n, got)
		}
	}
	if len(s) != 3 || cap(s) > 4 {
		t.Errorf("%d spans in room for %d after three marks", len(s), cap(s))
	}
}

// Against a plain set of units: no used unit may ever count as clean, and below the
// bound the answers are exact.
func TestSpansAgainstSet(t *testing.T) {
	const units = 300
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var s spans
		var used [units]bool
		for range r.IntN(120) {
			lo := r.IntN(units)
			n := 1 + r.IntN(min(5, units-lo))
			s.mark(int64(lo)*block.Unit, int64(n)*block.Unit)
			for i := lo; i < lo+n; i++ {
				used[i] = true
			}
		}
		for i, x := range s {
			if x.lo >= x.hi || i > 0 && s[i-1].hi >= x.lo {
				t.Fatalf("spans %v are out of order or touch", s)
			}
		}
		for lo := range units {
			clean := true
			for hi := lo + 1; hi <= min(lo+9, units); hi++ {
				clean = clean && !used[hi-1]
				if got := s.clean(int64(lo)*block.Unit, int64(hi-lo)*block.Unit); got != clean {
					t.Fatalf("units %d to %d: clean is %v, want %v; %v", lo, hi, got, clean, s)
				}
			}
		}
	}
}

// A sparse file of a basis may be longer than any donor's.
func TestSpansOfTheLongestFile(t *testing.T) {
	var s spans
	s.mark(0, 1<<63-1)
	if len(s) != 1 || s.clean(0, 1) || s.clean(MaxSize-1, 1) || s.clean(MaxSize/2, block.Unit) {
		t.Errorf("spans %v", s)
	}
}

func TestSpansAreBounded(t *testing.T) {
	var s spans
	order := rand.New(rand.NewPCG(3, 4)).Perm(3 * maxSpans)
	for _, i := range order {
		s.mark(int64(i)*100*block.Unit, 1)
		if len(s) > maxSpans || cap(s) > 2*maxSpans {
			t.Fatalf("%d spans, room for %d", len(s), cap(s))
		}
	}
	for _, i := range order {
		if s.clean(int64(i)*100*block.Unit, 1) {
			t.Fatalf("unit %d was forgotten", i*100)
		}
	}
	for i := 1; i < len(s); i++ {
		if s[i-1].hi >= s[i].lo {
			t.Fatalf("spans %v and %v touch", s[i-1], s[i])
		}
	}
}

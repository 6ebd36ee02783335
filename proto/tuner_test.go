package proto

import (
	"testing"
	"time"
)

// run lets the tuner see a path for some windows. speed says what it carries with a number of links; what is in buffers makes the
// first window after a step look better.
func (t *tuner) run(windows int, speed func(links int) float64) (changes int) {
	last := t.now
	for range windows {
		rate := speed(t.now)
		if t.now != last {
			rate *= 3
			last = t.now
		}
		if t.add(int64(rate), time.Second) != "" {
			changes++
		}
	}
	return changes
}

// TestTuner: a number of links that fits is found on paths of different kinds.
func TestTuner(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name     string
		speed    func(int) float64
		low, top int
	}{
		{"each link brings as much as the others", func(n int) float64 { return 5 * mib * float64(n) }, 24, 24},
		{"one fills it", func(int) float64 { return 100 * mib }, 4, 4},
		{"eight fill it", func(n int) float64 { return 10 * mib * float64(min(n, 8)) }, 6, 9},
		{"more do harm", func(n int) float64 { return 100 * mib / float64(n) }, 4, 4},
		{"nothing flows", func(int) float64 { return 0 }, 4, 4},
	} {
		tu := newTuner(4, 24)
		tu.run(40, c.speed)
		for tu.before != 0 { // not in the middle of a trial
			tu.run(1, c.speed)
		}
		if tu.now < c.low || tu.now > c.top {
			t.Errorf("%s: %d links, want %d to %d", c.name, tu.now, c.low, c.top)
		}
	}
}

// TestTunerBounds: it never leaves its bounds, whatever it sees, and stays where it may not move.
func TestTunerBounds(t *testing.T) {
	tu := newTuner(4, 10)
	n := 0
	for range 5000 {
		n = n*1103515245 + 12345
		tu.add(int64(n>>16&0xfffffff), time.Second)
		if tu.now < 4 || tu.now > 10 {
			t.Fatalf("%d links", tu.now)
		}
	}
	fixed := newTuner(4, 4)
	if changes := fixed.run(100, func(int) float64 { return 1 << 20 }); changes != 0 || fixed.now != 4 {
		t.Errorf("%d links after %d changes", fixed.now, changes)
	}
}

// TestTunerShrinks: links that no longer help go again, and a path on which they never help is asked less and less often.
func TestTunerShrinks(t *testing.T) {
	tu := newTuner(4, 24)
	tu.run(30, func(n int) float64 { return float64(n << 20) })
	if tu.now < 13 {
		t.Fatalf("%d links", tu.now)
	}
	tu.run(400, func(int) float64 { return 8 << 20 })
	for tu.before != 0 {
		tu.run(1, func(int) float64 { return 8 << 20 })
	}
	if tu.now > 6 {
		t.Errorf("%d links are left of which four would do", tu.now)
	}
	flat, trials := newTuner(4, 24), 0
	for range 400 {
		was := flat.now
		flat.run(1, func(int) float64 { return 8 << 20 })
		if flat.now > was {
			trials++
		}
	}
	if trials == 0 || trials > 6 {
		t.Errorf("%d trials in 400 windows on a path that one link fills", trials)
	}
}

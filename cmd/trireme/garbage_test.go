package main

import "testing"

// TestPercentFor: no heap below the floor is collected, and from there on each grows by the same share.
func TestPercentFor(t *testing.T) {
	for live := uint64(0); live < 4*gcFloor; live += 1 << 19 {
		p := percentFor(live)
		goal := max(live, 4<<20) * uint64(100+p) / 100
		switch {
		case p < gcPercent:
			t.Errorf("%d bytes live: %d %%", live, p)
		case p > gcPercent && (goal > gcFloor || goal < gcFloor*95/100):
			t.Errorf("%d bytes live: collected at %d", live, goal)
		case p == gcPercent && goal < gcFloor*95/100:
			t.Errorf("%d bytes live: collected at %d, which is early", live, goal)
		}
	}
}

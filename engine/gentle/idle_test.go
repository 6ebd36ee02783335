package gentle

import (
	"testing"
	"time"
)

func TestIdle(t *testing.T) {
	for _, c := range []struct {
		stat string
		want time.Duration
		ok   bool
	}{
		{"cpu  100 0 50 700 30 0 1 0 0 0\ncpu0 1 2 3 4 5\n", 7300 * time.Millisecond, true},
		{"cpu  1 2 3 4 5", 90 * time.Millisecond, true},
		{"cpu  1 2 3 4\n", 0, false},
		{"cpu0 1 2 3 4 5\n", 0, false},
		{"cpu  1 2 3 x 5\n", 0, false},
		{"cpu  1 2 3 -4 5\n", 0, false},
		{"cpu  1 2 3 9223372036854775807 5\n", 0, false},
		{"", 0, false},
	} {
		if got, ok := parseIdle(c.stat); got != c.want || ok != c.ok {
			t.Errorf("%q: %v, %v", c.stat, got, ok)
		}
	}
	if d, ok := Idle(); !ok || d <= 0 {
		t.Errorf("this host: %v, %v", d, ok)
	}
}

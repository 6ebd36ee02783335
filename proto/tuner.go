package proto

import (
	"fmt"
	"time"
)

// tuner decides how many data links work at a time. It takes half as many again and
// keeps them if goodput rises by a tenth; if not it goes back, and tries again later: the
// path may have changed. From time to time it looks whether fewer do as well. It knows
// no clock and no network.
//
//	measure -> more? -> measure -> it pays: keep, and on
//	                           -> it does not: back, and wait
type tuner struct {
	least, most int
	now         int // links that work

	skip     int // windows that do not count: what was in the buffers is not the link's speed
	windows  int // measured since the last step
	bytes    int64
	took     time.Duration
	before   int     // links before the step that is being judged; 0: none is
	was      float64 // goodput before it, bytes a second
	wait     int     // windows until the next step
	patience int     // windows to wait after a step that did not pay
}

// tuning is how a tuner measures. It is a variable for tests alone.
var tuning = struct {
	every time.Duration // the length of a window
	pays  float64       // what a step up must bring
}{time.Second, 1.10}

const (
	// tuneWindows are averaged, after tuneSkip that are not looked at.
	tuneWindows = 2
	tuneSkip    = 1
	// tuneCosts is what a step down may cost.
	tuneCosts = 0.95
	// After a step that did not pay the next waits for this many windows, twice as many
	// each time up to the most.
	tuneWait     = 10
	tuneWaitMost = 160
)

func newTuner(first, most int) *tuner {
	return &tuner{least: first, most: max(first, most), now: first, skip: tuneSkip, patience: tuneWait}
}

// add takes one window of goodput. It returns why the number of links has changed for
// good, or "": steps that are only tried are not worth a line.
func (t *tuner) add(bytes int64, took time.Duration) (why string) {
	switch {
	case t.most <= t.least || took <= 0:
		return ""
	case t.skip > 0:
		t.skip--
		return ""
	case t.wait > 0:
		t.wait--
		return ""
	}
	t.bytes += bytes
	t.took += took
	if t.windows++; t.windows < tuneWindows {
		return ""
	}
	rate := float64(t.bytes) / t.took.Seconds()
	t.windows, t.bytes, t.took = 0, 0, 0
	switch {
	case rate == 0:
		return "" // nothing was to be sent
	case t.before == 0:
		t.step(rate)
		return ""
	}
	return t.judge(rate)
}

// step tries more links, or, where more are not allowed or have not helped, fewer.
func (t *tuner) step(rate float64) {
	to := min(t.most, t.now+max(1, t.now/2))
	if to == t.now || t.patience > tuneWait {
		if to = max(t.least, t.now-max(1, t.now/3)); to == t.now {
			to = min(t.most, t.now+max(1, t.now/2))
		}
	}
	if to == t.now {
		t.wait = tuneWait
		return
	}
	t.before, t.was, t.now, t.skip = t.now, rate, to, tuneSkip
}

// judge keeps the step that was tried, or takes it back.
func (t *tuner) judge(rate float64) (why string) {
	before := t.before
	t.before = 0
	said := fmt.Sprintf("%.1f MiB/s with %d, %.1f MiB/s with %d", t.was/(1<<20), before, rate/(1<<20), t.now)
	switch {
	case t.now > before && rate >= tuning.pays*t.was:
		t.patience = tuneWait
		return said
	case t.now < before && rate >= tuneCosts*t.was:
		t.wait = tuneWait
		return said
	}
	t.now, t.skip, t.wait = before, tuneSkip, t.patience
	t.patience = min(2*t.patience, tuneWaitMost)
	return ""
}

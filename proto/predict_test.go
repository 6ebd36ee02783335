package proto

import (
	"testing"
	"time"
)

// TestForecast holds the model against windows of a real server (bench/lockrace -v), with what was known when the lock was asked for: the
// truth lies within twice the prediction, either way (T-30).
func TestForecast(t *testing.T) {
	const ms, mib = time.Millisecond, 1 << 20
	for _, c := range []struct {
		what string
		f    forecast
		took time.Duration
	}{
		{"no load, 230 MB", forecast{4 * ms, 4 * ms, 35 * mib, 6000 * mib, 0, 0}, 78 * ms},
		{"random updates, 800 MB in memory", forecast{4 * ms, 66 * ms, 129 * mib, 1612 * mib, 64 * mib, 0}, 326 * ms},
		{"the same once more", forecast{4 * ms, 60 * ms, 129 * mib, 1842 * mib, 64 * mib, 0}, 367 * ms},
		{"the same with rate-limit=256M", forecast{4 * ms, 222 * ms, 129 * mib, 733 * mib, 64 * mib, 0}, 424 * ms},
		{"small transactions, 400 MB on a disk", forecast{4 * ms, 16 * ms, 66 * mib, 930 * mib, 16 * mib, 0}, 307 * ms},
	} {
		if p := c.f.length(); c.took > 2*p || p > 2*c.took {
			t.Errorf("%s: predicted %v, it took %v", c.what, p, c.took)
		}
	}
}

// TestDirtyPages estimates from the log what the server has still to write.
func TestDirtyPages(t *testing.T) {
	const first = 1 << 30
	for _, c := range []struct {
		what                   string
		checkpoint, newest     uint64
		rewritten, pool, dirty int64
	}{
		{"half of the log lies behind the checkpoint", first + 10<<20, first + 20<<20, 60 << 20, 1 << 30, 30 << 20},
		{"more than fits into memory", first + 10<<20, first + 20<<20, 600 << 20, 100 << 20, 50 << 20},
		{"all that was logged is written", first + 20<<20, first + 20<<20, 60 << 20, 1 << 30, 0},
		{"nothing was logged", first, first, 0, 1 << 30, 0},
		{"no page has changed", first, 0, 0, 1 << 30, 0},
		{"memory of unknown size", first, first + 20<<20, 60 << 20, 0, 0},
	} {
		d := &donor{c: DonorConfig{BufferPool: c.pool}, firstLSN: first, lastLSN: c.checkpoint}
		d.sawLSN(c.newest)
		d.sawLSN(5) // an older page, met later
		d.rewritten.Store(c.rewritten)
		if got := d.dirtyPages(); got != c.dirty {
			t.Errorf("%s: %d MiB, want %d", c.what, got>>20, c.dirty>>20)
		}
	}
}

// TestEffort leaves out of a pass what a lock window does not wait for.
func TestEffort(t *testing.T) {
	d := &donor{looked: 10 * time.Millisecond}
	m := passMeter{d: d, cpu: processorTime() - time.Second, reading: 0}
	d.reading.Store(int64(time.Second))
	// Two seconds of work or more, on one processor; the rest of a minute went by waiting.
	if got := m.effort(time.Minute, 1); got < 2*time.Second || got > 30*time.Second {
		t.Errorf("%v for two seconds of work in a minute", got)
	}
	// It never took longer than it did.
	if got := m.effort(time.Second/2, 1); got != time.Second/2 {
		t.Errorf("%v for a pass of half a second", got)
	}
}

package proto

import (
	"context"
	"strings"
	"testing"
)

// TestLogAheadOfItsCheckpoint has a server that writes much more log than it flushes pages: the stretch between the checkpoint
// that a pass remembers and what changes afterwards is long and quiet, and the search must not end in it.
func TestLogAheadOfItsCheckpoint(t *testing.T) {
	r, s := liveRig(t, 11)
	ahead := func(units int) {
		for end := s.lsn + uint64(units)<<20; s.lsn < end; {
			s.change("shop/a.ibd", 20+s.rng.Int64N(80))
		}
		s.write()
	}
	passes := 0
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN = 2, true
		c.Note = func(format string, _ ...any) {
			if strings.Contains(format, "%s pass %d") {
				if passes++; passes == 1 {
					ahead(3 * quietUnits)
				}
			}
		}
	}
	r.lock = lockFunc{
		lock:   func(context.Context) (string, error) { ahead(1); s.flush(1); s.checkpoint(); return "at:1", nil },
		unlock: func() error { return nil },
	}
	if sent, _ := r.mustRun(); sent.Locks != 1 {
		t.Errorf("%d lock windows", sent.Locks)
	}
}

// TestWrongSkipInTheLogIsFound changes the redo log where no server would have written between the last pass and the lock.
func TestWrongSkipInTheLogIsFound(t *testing.T) {
	r, s := liveRig(t, 12)
	done := false
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN = 2, true
		c.Note = func(format string, _ ...any) {
			if strings.Contains(format, "%s pass %d") && !done {
				done = true
				patch(t, r.donor, "ib_logfile0", fakeRedoSize-(3<<20), []byte("nobody writes here yet"))
			}
		}
	}
	r.lock = lockFunc{
		lock:   func(context.Context) (string, error) { s.flush(1); s.checkpoint(); return "at:1", nil },
		unlock: func() error { return nil },
	}
	if sent, _ := r.mustRun(); !done || sent.Locks != 2 {
		t.Errorf("%d lock windows, two were due", sent.Locks)
	}
}

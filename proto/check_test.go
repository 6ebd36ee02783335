package proto

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// TestWrongSkipIsFound, the other half of T-9, changes a page behind the back of the search: no new LSN. The
// check after the lock must see it and ask for the lock again.
func TestWrongSkipIsFound(t *testing.T) {
	r, s := liveRig(t, 1)
	done := false
	told := ""
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN = 2, true
		c.Note = func(format string, args ...any) {
			if strings.Contains(format, "%s pass %d") && !done {
				done = true
				patch(t, r.donor, "shop/cold.ibd", 50*fakePageSize+3000, []byte("no LSN tells of this"))
			}
			if strings.Contains(format, "differs from the joiner's copy") {
				told = fmt.Sprintf(format, args...)
			}
		}
	}
	r.lock = lockFunc{
		lock:   func(context.Context) (string, error) { s.flush(1); s.checkpoint(); return "at:1", nil },
		unlock: func() error { return nil },
	}
	sent, _ := r.mustRun()
	if !done || sent.Locks != 2 {
		t.Errorf("%d lock windows, two were due", sent.Locks)
	}
	if !circumstances.MatchString(told) {
		t.Errorf("the log does not tell under what circumstances: %q", told)
	}
}

var circumstances = regexp.MustCompile(`cold\.ibd at \d+ differs .*: page LSN \d+, checkpoint of the lock \d+, its file was looked through at checkpoint \d+$`)

// TestEmptyPageThatIsNotEmpty damages the joiner's copy of a page that was never written, in a file that the server goes on writing after
// the lock. The page has no LSN to tell that it is old; that zeroes were sent for it does.
func TestEmptyPageThatIsNotEmpty(t *testing.T) {
	r, s := liveRig(t, 3)
	const name, no = "shop/cold.ibd", 180
	done, released := false, 0
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN = 2, true
		c.Note = func(format string, _ ...any) {
			if strings.Contains(format, "%s pass %d") && !done {
				done = true
				patch(t, r.joiner, name, no*fakePageSize+77, []byte("not from the donor"))
			}
		}
	}
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) { s.flush(1); s.checkpoint(); return "at:1", nil },
		unlock: func() error {
			if released++; released == 1 {
				s.change(name, 10)
				s.flush(1)
			}
			return nil
		},
	}
	sent, _ := r.mustRun()
	if !done || sent.Locks != 2 {
		t.Errorf("%d lock windows, two were due", sent.Locks)
	}
}

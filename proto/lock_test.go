package proto

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"trireme/engine/block"
)

// wrongCopies lets each copy of the first n windows that are kept to their end be wrong in a page that no LSN tells of. The first
// two windows overrun their time and are given back before that, whatever is in the copy. windows counts all of them.
func wrongCopies(t *testing.T, n int) (r *rig, windows *int) {
	r, s := liveRig(t, 14)
	windows = new(int)
	r.tweakDonor = func(c *DonorConfig) { c.Passes, c.PageLSN, c.LockMax = 2, true, time.Nanosecond }
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			*windows++
			s.flush(1)
			s.checkpoint()
			return fmt.Sprintf("at:%d", *windows), nil
		},
		unlock: func() error {
			if kept := *windows - (lockTries - 1); kept >= 1 && kept <= n {
				// Each time in another unit: what was found is still on its way to the joiner.
				patch(t, r.donor, "shop/cold.ibd", int64(kept-1)*block.Unit+10*fakePageSize+3000, []byte("no LSN tells of this"))
			}
			return nil
		},
	}
	return r, windows
}

// TestGivenBackWindowsAreNoWrongOnes lets windows be given back before one after which the copy is found wrong: that is the first
// such window and not the last that may be, so the lock is asked for again.
func TestGivenBackWindowsAreNoWrongOnes(t *testing.T) {
	r, windows := wrongCopies(t, lockTries-1)
	sent, got := r.mustRun()
	if want := 2*lockTries - 1; *windows != want || sent.Locks != want || got.State != fmt.Sprintf("at:%d", want) {
		t.Errorf("%d windows, the donor counted %d, joiner at %s; %d were due", *windows, sent.Locks, got.State, want)
	}
}

// TestWrongCopyIsGivenUp has the copy found wrong after every window that was kept.
func TestWrongCopyIsGivenUp(t *testing.T) {
	r, windows := wrongCopies(t, 1<<30)
	_, _, derr, jerr := r.run()
	if CodeOf(derr) != CodeUnstable || CodeOf(jerr) != CodeUnstable {
		t.Errorf("donor: %v; joiner: %v", derr, jerr)
	}
	if want := 2*lockTries - 1; *windows != want || derr == nil || !strings.Contains(derr.Error(), fmt.Sprintf("after %d lock windows, %d of them to their end", want, lockTries)) {
		t.Errorf("%d windows, %d were due: %v", *windows, want, derr)
	}
}

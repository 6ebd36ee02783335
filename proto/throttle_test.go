package proto

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trireme/engine/block"
)

// TestThrottle runs in virtual time: what passes in which time, and how soon a change is felt.
func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		pass := func(th *throttle, units int) time.Duration {
			begin := time.Now()
			for range units {
				if err := th.wait(ctx, block.Unit); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(begin)
		}
		th := newThrottle(0)
		if d := pass(th, 1000); d != 0 {
			t.Errorf("without a limit: %v", d)
		}
		th.set(10 << 20)
		pass(th, 1) // the burst
		if d := pass(th, 20); d < 1900*time.Millisecond || d > 2100*time.Millisecond {
			t.Errorf("20 MiB at 10 MiB/s: %v", d)
		}
		th.set(100 << 20)
		if d := pass(th, 100); d < 800*time.Millisecond || d > 1100*time.Millisecond {
			t.Errorf("100 MiB at 100 MiB/s: %v", d)
		}
		th.set(-1)
		if d := pass(th, 1000); d != 0 {
			t.Errorf("limit taken away: %v", d)
		}

		// A worker that waits at a crawl feels a change within one sip.
		th.set(64 << 10)
		time.Sleep(time.Minute)
		pass(th, 1)
		begin := time.Now()
		time.AfterFunc(1500*time.Millisecond, func() { th.set(0) })
		if err := th.wait(ctx, block.Unit); err != nil || time.Since(begin) > 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}

		th.set(1)
		limited, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Second, cancel)
		if err := errors.Join(th.wait(limited, block.Unit), th.wait(limited, block.Unit)); err == nil {
			t.Error("a wait outlived its context")
		}
	})
}

// TestRateChange: a transfer that would take minutes ends when its limit is lifted.
func TestRateChange(t *testing.T) {
	r := newRig(t)
	write(t, r.donor, "ibdata1", random(1<<20, 1))
	write(t, r.donor, "d/t.ibd", random(6<<20, 2))
	r.lock = lockFunc{func(context.Context) (string, error) { return "here:1", nil }, func() error { return nil }}
	changes := make(chan int64, 2)
	var said notes
	r.tweakDonor = func(d *DonorConfig) {
		d.Passes, d.RateLimit, d.RateChanges, d.Note = 2, 128<<10, changes, said.add
		changes <- 256 << 10
		changes <- 0
	}
	r.mustRun()
	if s := said.String(); !strings.Contains(s, "at most 256 KiB a second") || !strings.Contains(s, "without a limit from now on") {
		t.Errorf("said:\n%s", s)
	}
}

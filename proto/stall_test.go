package proto

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trireme/wire"
)

// TestStall: what stands still is ended after the limit that holds, and nothing is while something moves or nothing has to. All
// times are virtual.
func TestStall(t *testing.T) {
	const never = time.Hour
	type end struct {
		s     *session
		p     *Progress
		watch func() error
	}
	donor := func(c DonorConfig, phase Phase, working bool) func() end {
		return func() end {
			d := newDonor(context.Background(), c)
			d.working.Store(working)
			d.p.enter(phase)
			return end{d.s, d.p, d.watchProgress}
		}
	}
	joiner := func(idle time.Duration, passing bool) func() end {
		return func() end {
			j := newJoiner(context.Background(), JoinerConfig{IdleTimeout: idle, Listener: new(wire.Listener)})
			j.p.enter(PhaseLive)
			j.passing.Store(passing)
			return end{j.s, j.p, j.watchProgress}
		}
	}
	locker := lockFunc{}
	for name, c := range map[string]struct {
		start func() end
		after time.Duration
	}{
		"donor":                      {donor(DonorConfig{}, PhaseLive, true), 120 * time.Second},
		"donor, shorter":             {donor(DonorConfig{IdleTimeout: 30 * time.Second}, PhaseLive, true), 30 * time.Second},
		"donor, longer":              {donor(DonorConfig{IdleTimeout: 10 * time.Minute}, PhaseLive, true), 10 * time.Minute},
		"donor, no limit":            {donor(DonorConfig{IdleTimeout: -1}, PhaseLive, true), never},
		"locked":                     {donor(DonorConfig{Locker: locker}, PhaseLocked, false), 10 * time.Second},
		"locked, longer":             {donor(DonorConfig{Locker: locker, IdleTimeout: time.Minute}, PhaseLocked, false), 10 * time.Second},
		"locked, shorter":            {donor(DonorConfig{Locker: locker, IdleTimeout: 4 * time.Second}, PhaseVerifying, false), 4 * time.Second},
		"locked, no limit":           {donor(DonorConfig{Locker: locker, IdleTimeout: -1}, PhaseLocked, false), 10 * time.Second},
		"after the lock":             {donor(DonorConfig{Locker: locker}, PhaseVerifying, true), 120 * time.Second},
		"quiet datadir":              {donor(DonorConfig{}, PhaseLocked, false), 120 * time.Second},
		"waiting for the lock":       {donor(DonorConfig{Locker: locker, IdleTimeout: time.Second}, PhaseLocking, false), never},
		"joiner":                     {joiner(30*time.Second, true), 30 * time.Second},
		"joiner, between two passes": {joiner(30*time.Second, false), never},
	} {
		t.Run(name, func(t *testing.T) {
			for _, moving := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					e := c.start()
					began := time.Now()
					e.s.run(e.watch)
					if moving {
						// Something moves for a while, as rarely as it may.
						step := min(c.after, never/4) - 2*beatEvery
						for range 3 {
							time.Sleep(step)
							e.p.done.Add(1)
						}
						began = time.Now()
					}
					end := time.NewTimer(never)
					defer end.Stop()
					select {
					case <-e.s.ctx.Done():
						took, err := time.Since(began), context.Cause(e.s.ctx)
						if c.after == never || took < c.after || took > c.after+3*beatEvery || CodeOf(err) != CodeTimeout || !strings.Contains(err.Error(), "nothing has moved for "+c.after.String()) {
							t.Errorf("moving %v: ended after %v: %v", moving, took, err)
						}
					case <-end.C:
						if c.after != never {
							t.Errorf("moving %v: nothing happened for %v", moving, never)
						}
					}
					e.s.cancel(errFinished)
					e.s.wg.Wait()
				})
			}
		})
	}
}

package proto

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trireme/engine/block"
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

// TestStallHearsay: heartbeats that grow hold a lock for no longer than the work takes that the other end was given, and a slow joiner
// is not taken for one that lies.
func TestStallHearsay(t *testing.T) {
	const given = 20 * block.Unit
	for name, c := range map[string]struct {
		report func(second int64) int64
		after  time.Duration // when the donor gives up
	}{
		"a byte each second":             {func(s int64) int64 { return s }, 10 * time.Second},
		"without end":                    {func(s int64) int64 { return s * block.Unit }, (20 + 10) * time.Second},
		"from the start again and again": {func(s int64) int64 { return s % 2 * 4 * block.Unit }, (2*20/4 + 10) * time.Second},
		"a slow disk":                    {func(s int64) int64 { return min(s*block.Unit/8, given) }, (20*8 + 10) * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDonor(context.Background(), DonorConfig{Locker: lockFunc{}})
				d.p.sent.Store(1 << 40) // by live passes
				d.p.enter(PhaseLive)
				d.s.run(d.watchProgress)
				time.Sleep(5*beatEvery + beatEvery/2)
				d.p.enter(PhaseLocked)
				d.p.sent.Add(given)
				began := time.Now()
				for s := int64(1); d.s.ctx.Err() == nil && s < 1000; s++ {
					d.s.heard(c.report(s))
					time.Sleep(beatEvery)
				}
				if took := time.Since(began); d.s.ctx.Err() == nil || took < c.after-beatEvery || took > c.after+4*beatEvery {
					t.Errorf("ended after %v, want about %v: %v", took, c.after, context.Cause(d.s.ctx))
				}
				d.s.cancel(errFinished)
				d.s.wg.Wait()
			})
		})
	}
}

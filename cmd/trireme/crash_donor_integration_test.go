//go:build integration

package main

import (
	"context"
	"syscall"
	"testing"
	"time"

	"trireme/bench/cluster"
)

// releaseLimit is R-LOCK-7: a donor whose program is gone takes statements again within this time.
const releaseLimit = 5 * time.Second

// donorPoints are where the donor is when it loses its program or its server. Each brings node 2 into a transfer and returns the
// joiner's program, stopped.
var donorPoints = []struct {
	name     string
	reach    func(t *testing.T, ctx context.Context, r *joinRig) int
	complete bool // the joiner may have all it needs
}{
	{"before the lock", func(t *testing.T, ctx context.Context, r *joinRig) int {
		r.holding(t, "flush tables")
		must(t, r.two.Start(ctx, false))
		r.held(t, ctx, "flush tables")
		return processOf(t, ctx, r.two)
	}, false},
	{"in the lock", func(t *testing.T, ctx context.Context, r *joinRig) int { return r.inFlight(t, ctx) }, false},
	{"after continue", func(t *testing.T, ctx context.Context, r *joinRig) int {
		donor := since(r.one)
		return r.inFlight(t, ctx, func() bool { return says(donor(), "server released") })
	}, true},
}

// TestDonorProgramKilled is T-17.
func TestDonorProgramKilled(t *testing.T) {
	ctx, r := sharedRig(t)
	for _, point := range donorPoints {
		if !t.Run(point.name, func(t *testing.T) {
			r.fresh(t, r.two)
			joiner := point.reach(t, ctx, r)
			kill(r.one.Scripts()...)
			began := time.Now()
			must(t, syscall.Kill(joiner, syscall.SIGCONT))
			r.writable(t, ctx)
			if took := time.Since(began); took > releaseLimit {
				t.Errorf("the donor took %v to write again, at most %v are allowed", took, releaseLimit)
			} else {
				t.Logf("the donor writes again after %v", took)
			}
			r.failed(t, ctx, point.complete)
			must(t, r.one.WaitSynced(ctx))
			r.heal(t, ctx)
		}) {
			return
		}
	}
}

// failed is how a joiner ends whose donor is gone: by itself, with a reason, with nothing startable. A joiner that had everything may
// as well have come up.
func (r *joinRig) failed(t *testing.T, ctx context.Context, complete bool) {
	t.Helper()
	until(t, ctx, "the joiner's program ends", func() bool { return len(r.two.Scripts()) == 0 })
	if complete && len(cluster.Summaries(r.two.ErrorLog())) > 0 {
		t.Log("the joiner had everything")
		r.two.KillAll()
		return
	}
	down(t, ctx, r.two)
	explains(t, "the joiner", r.two.ScriptLog())
	if found := keystones(t, r.two); len(found) > 0 {
		t.Errorf("the failed joiner has %q under their real names", found)
	}
}

// TestDonorServerKilled is T-18.
func TestDonorServerKilled(t *testing.T) {
	ctx, r := sharedRig(t)
	for _, point := range donorPoints {
		if !t.Run(point.name, func(t *testing.T) {
			r.fresh(t, r.two)
			joiner := point.reach(t, ctx, r)
			r.one.Kill()
			if err := syscall.Kill(joiner, syscall.SIGCONT); err != syscall.ESRCH { // it may have ended by then
				must(t, err)
			}
			r.release(t)
			idle(t, ctx, r.one)
			r.failed(t, ctx, point.complete)
			must(t, r.one.Restart(ctx, true))
			must(t, r.one.WaitSynced(ctx))
			r.heal(t, ctx)
		}) {
			return
		}
	}
}

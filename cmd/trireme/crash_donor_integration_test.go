//go:build integration

package main

import (
	"context"
	"syscall"
	"testing"

	"trireme/bench/cluster"
)

// donorPoints are where the donor is when it loses its program or its server. Each brings node 2 into a transfer and returns the
// joiner's program, stopped.
var donorPoints = []struct {
	name     string
	reach    func(t *testing.T, ctx context.Context, r *joinRig) int
	complete bool // the joiner may have all it needs
}{
	{"before the lock", func(t *testing.T, ctx context.Context, r *joinRig) int {
		r.fresh(t, r.two)
		r.holding(t, "flush tables")
		r.start(t, ctx, r.two)
		r.held(t, ctx, "flush tables")
		pid := processOf(t, ctx, r.two)
		must(t, syscall.Kill(pid, syscall.SIGSTOP))
		return pid
	}, false},
	{"in the lock", func(t *testing.T, ctx context.Context, r *joinRig) int {
		pid, _ := r.inFlight(t, ctx, func() { r.fresh(t, r.two) }, nil)
		return pid
	}, false},
	{"after continue", func(t *testing.T, ctx context.Context, r *joinRig) int {
		pid, _ := r.inFlight(t, ctx, func() { r.fresh(t, r.two) }, func(donor []string) bool { return says(donor, "server released") })
		return pid
	}, true},
}

// TestDonorProgramKilled is T-17. The donor must take statements again while nothing moves at the joiner: the end of its own program
// is all that its server goes by (R-LOCK-7).
func TestDonorProgramKilled(t *testing.T) {
	ctx, r := sharedRig(t)
	for _, point := range donorPoints {
		if !t.Run(point.name, func(t *testing.T) {
			joiner := point.reach(t, ctx, r)
			kill(r.one.Scripts()...)
			t.Logf("the donor writes again after %v", r.writable(t, ctx))
			goOn(t, joiner)
			r.failed(t, ctx, point.complete)
			must(t, r.one.WaitSynced(ctx))
			r.heal(t, ctx)
		}) {
			return
		}
	}
}

// goOn lets a stopped process go on. Its server may have ended it by then.
func goOn(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGCONT); err != syscall.ESRCH {
		must(t, err)
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
			joiner := point.reach(t, ctx, r)
			r.one.Kill()
			goOn(t, joiner)
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

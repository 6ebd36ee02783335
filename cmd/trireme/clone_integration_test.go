//go:build integration

package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"trireme/bench/cluster"
	"trireme/bench/image"
	"trireme/bench/zoo"
)

// TestJoinOnCloningFileSystems joins under load with both datadirs on XFS and on btrfs, where the donor clones what it has to look at
// and reads the clones after the lock (consistency 2.7). While its "continue" is held back, both trees are equal; all oracles hold.
func TestJoinOnCloningFileSystems(t *testing.T) {
	elsewhere.take(t)
	for _, kind := range image.Kinds {
		t.Run(kind, func(t *testing.T) {
			times := repeats(t, 1)
			limit := testLimit + time.Duration(len(times))*30*time.Second
			ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("the test took longer than %v", limit))
			t.Cleanup(cancel)
			dir := image.Mount(t, kind, 3<<30)
			r := newJoinRig(t, ctx, cluster.Config{Dir: dir, Nodes: 2, Method: "trireme", Provider: quickEviction})
			t.Cleanup(r.c.Destroy)
			r.boot(t, ctx)
			must(t, zoo.Build(ctx, r.one))
			must(t, zoo.Fill(ctx, r.one, 24<<20))
			n := r.two
			for _, i := range times {
				if !repeat(t, i, func(t *testing.T) { joinOfClones(t, ctx, r, i) }) {
					break
				}
			}
			if !soaking() {
				must(t, n.Stop(ctx))
				must(t, cluster.CheckOffline(ctx, n))
				if kind == "btrfs" {
					snapshotByHand(t, ctx, r, dir)
				}
			}
		})
	}
}

// joinOfClones is one join of node 2; odd ones start with an empty datadir, even ones over the old one.
func joinOfClones(t *testing.T, ctx context.Context, r *joinRig, i int) {
	n := r.two
	must(t, n.Stop(ctx))
	if i%2 == 1 || !settled(n) {
		r.fresh(t, n)
	} else {
		r.over(t, n)
	}
	l := r.startLoad(t, ctx, uint64(i+69))
	uuid := r.uuid(t, ctx)
	r.holding(t, "continue", uuid)
	words := since(r.one)
	r.start(t, ctx, n)
	r.held(t, ctx, "continue")
	r.held(t, ctx, uuid)
	lockedTrees(t, ctx, r, n)
	checkPosition(t, ctx, r, n, []string{lastState(t, words())})
	r.release(t)
	must(t, n.WaitSynced(ctx))
	l.check(t, ctx, r, n)
	cloned := figure(t, words(), `looked through ([0-9]+) files cloned`)
	t.Logf("%.0f files cloned under the lock, server released after %.3f s", cloned, figure(t, words(), `server released after ([0-9.]+) s`))
	if cloned == 0 {
		t.Error("no file was cloned")
	}
	r.tallyLock(t)
}

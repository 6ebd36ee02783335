//go:build integration

package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"trireme/bench/cluster"
)

// tailLines is how much of an error log is shown.
const tailLines = 12

// asks starts a node that joins and returns when its server has called the transfer program, or was let in without. A node that comes
// right after one that was killed now and then ends before that, because the group is still changing; nothing has been tried then, and
// it is started again when the donor is a synced member.
func asks(t *testing.T, ctx context.Context, n, donor *cluster.Node, start func() error) {
	t.Helper()
	const most = 3
	asked := func() bool {
		log := n.ErrorLog()
		return strings.Contains(log, "Running: 'wsrep_sst_") || strings.Contains(log, "Synchronized with group")
	}
	for try := 1; ; try++ {
		must(t, start())
		until(t, ctx, "the joiner's server calls the transfer program", func() bool { return !n.Running() || asked() })
		if asked() {
			return
		}
		said := lastLines(n.ErrorLog(), tailLines)
		if try == most {
			t.Fatalf("no transfer was asked for, %d times; the joiner's server said last:\n%s", try, said)
		}
		t.Logf("no transfer was asked for, try %d; the joiner's server said last:\n%s", try, said)
		must(t, donor.WaitSynced(ctx))
	}
}

// lastLines are the last n lines of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// until polls for a condition.
func until(t *testing.T, ctx context.Context, what string, ok func() bool) {
	t.Helper()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("wait until %s: %v", what, context.Cause(ctx))
		case <-time.After(pollEvery):
		}
	}
}

// whileUp is until for what can only come while a node's server runs: the test fails at once when that has ended.
func whileUp(t *testing.T, ctx context.Context, n *cluster.Node, what string, ok func() bool) {
	t.Helper()
	var up, done bool
	until(t, ctx, what, func() bool {
		up = n.Running() // looked at first: what came before the end counts
		done = ok()
		return done || !up
	})
	if !done {
		t.Fatalf("wait until %s: the server of node %d has ended; it said last:\n%s\nits transfer program said last:\n%s", what, n.Index(),
			lastLines(n.ErrorLog(), tailLines), lastLines(strings.Join(n.ScriptLog(), "\n"), tailLines))
	}
}

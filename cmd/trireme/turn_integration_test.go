//go:build integration

package main

import "testing"

// turns says how many tests of a kind have servers at a time. Such tests wait more than they work, for nodes that come, go and time
// out, so several share two processors well; all of them at once would starve the group of its heartbeats. What take gives back
// last is the turn: the servers of the test have ended by then.
type turns chan struct{}

// pairTurns is for tests with a cluster of their own, rigTurns for those that borrow one, see sharedRig.
var (
	pairTurns = make(turns, 2)
	rigTurns  = make(turns, 2)
)

// parallelTests is above the number of tests on servers: one that waits for its turn must not keep another from running.
const parallelTests = "100"

// take waits for a turn and gives it back with the end of the test. A test that has a turn takes no second one.
func (c turns) take(t *testing.T) {
	t.Helper()
	c <- struct{}{}
	t.Cleanup(func() { <-c })
}

//go:build race

package proto

import "testing"

// Under the race detector large buffers cost ten times as much, and a further seed of a model test finds no further race.
func init() { modelSeeds = 1 }

// heavy leaves a test whose goroutines meet in the same ways as those of others to the run without the race detector: `make race` makes both.
// TestFreshCopy, TestChurn, TestCutAllAlong, TestStreamsGrow and TestFleet with what stands beside each of them stay.
func heavy(t *testing.T) {
	t.Helper()
	t.Skip("runs without the race detector only (make race does both)")
}

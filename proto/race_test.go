//go:build race

package proto

import "testing"

// Under the race detector large buffers cost ten times as much, and a further seed of a model test finds no further race.
func init() { modelSeeds = 1 }

// heavy leaves a test that moves much data through the same code as others to the run without the race detector: `make race` makes both.
func heavy(t *testing.T) {
	t.Helper()
	t.Skip("runs without the race detector only (make race does both)")
}

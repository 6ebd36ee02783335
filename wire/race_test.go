//go:build race

package wire

const raceEnabled = true

// Under the race detector more seeds and steps of a model test find no further race; `make race` runs these tests without it as well.
const (
	modelSeeds = 3
	modelSteps = 2000
)

//go:build !race

package wire

const raceEnabled = false

const (
	modelSeeds = 12
	modelSteps = 20000
)

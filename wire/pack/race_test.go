//go:build race

package pack

// The race detector lets pools forget, so that counting allocations means nothing.
const raceEnabled = true

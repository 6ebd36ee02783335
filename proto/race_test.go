//go:build race

package proto

// Under the race detector everything takes three times as long, and a further seed of a model test finds no further race.
func init() { modelSeeds = 2 }

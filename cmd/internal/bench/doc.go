// Package bench is the face "trireme bench": races of whole transfers on this machine, this program against those it replaces, in
// situations that a datadir can be in, and what the machine allows at most.
//
// All contestants of a scene take turns, and before every run more memory is touched and freed than the run needs. Each copy is
// compared with its source, byte by byte, after the clock has stopped; a contestant whose copy is not exact has failed.
//
// Not guaranteed: anything about networks. Both ends share one machine's processors, so that a contestant who uses little of them
// shows more than between two hosts, and one who waits for round trips shows less. What each figure cannot know is
// said in the packages below: datadir for the data, meter for the figures, peer for the contestants, ceiling for the bounds.
//
// The package starts no goroutine of its own. Everything happens in one directory, which is removed at the end.
package bench

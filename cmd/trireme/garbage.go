package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// gcPercent is half of Go's own. What grows with the number of files lives until the end, and of that an end would need as much
// again: some 10 MiB less for 100 000 files, for less than the noise in processor time.
const gcPercent = 50

// gcFloor is how many bytes of heap are left alone. A small heap is collected over and over while a list of files grows in it, each time
// to find next to nothing.
const gcFloor = 48 << 20

// collectLate has garbage collected when the heap has reached gcFloor and grown by gcPercent since the last time, unless the environment
// wants it otherwise.
func collectLate() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		afterCollection(0)
	}
}

// afterCollection says when the next collection is due, and runs again after that: the canary is found dead.
func afterCollection(int) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetGCPercent(percentFor(live[0].Value.Uint64()))
	runtime.AddCleanup(new([16]byte), afterCollection, 0)
}

// percentFor is by how much a heap may grow of which so many bytes live.
func percentFor(live uint64) int {
	live = max(live, 4<<20) // what Go takes for the least heap
	if live*(100+gcPercent)/100 >= gcFloor {
		return gcPercent
	}
	return int(gcFloor*100/live) - 100
}

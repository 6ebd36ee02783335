package proto

import (
	"sort"

	"trireme/engine/block"
	"trireme/engine/tree"
	"trireme/proto/msg"
)

const (
	// lease is the most one worker takes from the queue at a time: large enough
	// that a job's round trips vanish behind its hashing, small enough that workers
	// end together and a cancelled one is back within a second.
	lease = 16 << 20
	// turns is how many leases there are for each worker at least, so that little data
	// is not left to one connection.
	turns = 2
	// bundle is how many small files make one job at most.
	bundle = 256
)

// way is how a range is dealt with.
type way uint8

const (
	send    way = iota // send it as it is
	compare            // compare digests with the joiner, send what differs
	recheck            // find what has changed since it was sent, without the joiner
	along              // the same in a redo log, following the log
)

// item is a range of one file.
type item struct {
	id     uint32
	way    way
	off, n int64
}

// job is what one worker does in one go.
type job []item

// wish says what a pass shall do with one file: recheck it, or compare the first
// have bytes and send the rest.
type wish struct {
	id      uint32
	class   tree.Class
	recheck bool
	along   bool // with recheck: one worker follows the log through the file
	// with recheck: by its stamps nothing has changed, and only a write that was under way is looked for
	underWay bool
	landing  bool // read once more only because a write may have come in late (mayLand)
	size     int64
	have     int64
}

// leaseOf is the lease for so many bytes in all: whole units, one at least.
func leaseOf(total int64, workers int) int64 {
	n := total / int64(turns*max(workers, 1))
	return min(max(n-n%block.Unit, block.Unit), lease)
}

// plan cuts wishes into jobs of about most bytes, one queue for each order of R-COPY-4.
// Big files come first, as leases of several files in turn so that workers do not meet
// on one inode; small ones are bundled.
func plan(wishes []wish, workers int, most int64) [][]job {
	byOrder := map[uint8][]wish{}
	count := map[uint8]int{}
	var orders []int
	for _, w := range wishes {
		count[w.class.Props().Order]++
	}
	for _, w := range wishes {
		if w.size == 0 {
			continue
		}
		o := w.class.Props().Order
		if _, ok := byOrder[o]; !ok {
			orders = append(orders, int(o))
			byOrder[o] = make([]wish, 0, count[o])
		}
		byOrder[o] = append(byOrder[o], w)
	}
	sort.Ints(orders)
	queues := make([][]job, 0, len(orders))
	for _, o := range orders {
		queues = append(queues, cut(byOrder[uint8(o)], workers, most))
	}
	return queues
}

func cut(ws []wish, workers int, most int64) []job {
	var jobs []job
	var big []wish
	var small job
	var smallBytes int64
	for _, w := range ws {
		if w.along {
			jobs = append(jobs, job{{id: w.id, n: w.size, way: along}})
			continue
		}
		if w.size > most {
			big = append(big, w)
			continue
		}
		if small == nil {
			small = make(job, 0, bundle)
		}
		at := len(small)
		small = w.items(small, 0, w.size)
		for _, it := range small[at:] {
			smallBytes += it.n
		}
		if smallBytes >= most || len(small) >= bundle {
			jobs = append(jobs, small)
			small, smallBytes = nil, 0
		}
	}
	if len(small) > 0 {
		jobs = append(jobs, small)
	}
	sort.SliceStable(big, func(i, j int) bool { return big[i].size > big[j].size })
	return append(interleave(big, workers, most), jobs...)
}

// interleave takes one lease of each of the first files in turn; a file that is
// used up is replaced by the next.
func interleave(big []wish, workers int, most int64) []job {
	var jobs []job
	open := make([]int64, len(big)) // next offset
	first, window := 0, max(workers, 1)
	for first < len(big) {
		used := 0
		for i := first; i < len(big) && used < window; i++ {
			if open[i] >= big[i].size {
				continue
			}
			n := min(most, big[i].size-open[i])
			jobs = append(jobs, big[i].items(nil, open[i], n))
			open[i] += n
			used++
		}
		for first < len(big) && open[first] >= big[first].size {
			first++
		}
	}
	return jobs
}

// items adds the range to j, cut at the end of what the joiner holds, on a group border so
// that the part to send starts where a compared group ends.
func (w wish) items(j job, off, n int64) job {
	if w.recheck {
		return append(j, item{w.id, recheck, off, n})
	}
	border := min(w.have, w.size)
	if border < w.size {
		border -= border % msg.GroupSize
	}
	if c := min(off+n, border) - off; c > 0 {
		j = append(j, item{w.id, compare, off, c})
		off, n = off+c, n-c
	}
	if n > 0 {
		j = append(j, item{w.id, send, off, n})
	}
	return j
}

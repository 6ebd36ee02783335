package proto

import (
	"cmp"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"trireme/engine/block"
	"trireme/engine/gentle"
)

// forecast is what is known about a lock window when it is asked for (consistency 10.1).
type forecast struct {
	look   time.Duration // a look at all files
	effort time.Duration // what the last live pass did, that look included: the window does it over what has changed since
	// suspect are bytes of files whose times prove nothing. They are hashed, once to find
	// what differs and once more to see that they hold still, hashing of them a second.
	suspect int64
	hashing float64
	// dirty are bytes of pages that the server has changed in memory only. It writes them
	// before it reports its lock, and the window reads and sends them.
	dirty int64
	// headers are pages whose headers only the window reads: of tablespaces that the redo log does not tell of, written so shortly
	// before a pass that their stamps do not either.
	headers int64
}

const (
	// answer is what the server needs to report a lock that it need not wait or write for:
	// it rotates logs, and writes its report twice. 14 to 30 ms were seen with a datadir in
	// memory, up to 120 ms with one on a busy disk.
	answer = 40 * time.Millisecond
	// flushRate is how many bytes a second of pages the server writes and the window reads
	// again. What its disk takes is not known here; several times less or more shows only
	// where this is most of a window.
	flushRate = 250 << 20
	// headerTime is what reading a page's header takes one worker, out of memory.
	headerTime = 2 * time.Microsecond
)

// length is how long the window should take.
func (f forecast) length() time.Duration {
	seconds := float64(f.dirty)/flushRate + float64(f.headers)*headerTime.Seconds()/float64(runtime.GOMAXPROCS(0))
	if f.suspect > 0 {
		seconds += float64(f.suspect) / max(f.hashing, 1)
	}
	return answer + f.effort + f.look + time.Duration(seconds*float64(time.Second))
}

// predict notes why the passes end and how long the lock should take, if one follows.
func (d *donor) predict(why string) {
	if d.c.Basis {
		d.c.Note("the basis ends here, without a lock: %s; what has changed since it was read is left to the exact transfer", why)
		return
	}
	f := forecast{look: d.looked, effort: d.effort, dirty: d.dirtyPages()}
	var largest *row
	for i := range d.cat.rows {
		r := &d.cat.rows[i]
		if r.gone || r.Dir || d.changed(r, true) != moved {
			continue
		}
		if d.byLSN(r.Class) {
			// What a live pass takes for changed too is part of its effort.
			if d.changed(r, false) == unchanged && (d.disks == nil || !d.cloneable(d.rewish(r), d.disks)) {
				f.headers += r.Size / int64(cmp.Or(r.page, d.page, 1))
			}
			continue
		}
		if _, along := d.ring(r); along {
			continue // the last pass has followed it too
		}
		if d.disks != nil && d.cloneable(d.rewish(r), d.disks) {
			continue // read after the lock
		}
		f.suspect += r.Size
		if r.Class.Props().Suspect || !r.honest {
			f.suspect += r.Size
		}
		if largest == nil || r.Size > largest.Size {
			largest = r
		}
	}
	if largest != nil {
		f.hashing = d.hashRate(largest)
	}
	d.predicted = f.length()
	d.c.Note("asking for the lock: %s; predicted to last %.3f s (%.3f s of the last pass's work, %s to hash, %s of pages in memory)",
		why, d.predicted.Seconds(), f.effort.Seconds(), amount(f.suspect), amount(f.dirty))
}

// hashRate measures how many bytes a second all workers together read and hash, with the
// beginning of the given file: no priority is given up and no limit holds, as under the lock.
func (d *donor) hashRate(r *row) float64 {
	const units = 4 // for each worker: some milliseconds
	workers := d.atWork()
	workers = workers[:min(len(workers), runtime.GOMAXPROCS(0))]
	leaf := r.Class.Props().Leaf
	var wg sync.WaitGroup
	began := time.Now()
	for i, w := range workers {
		wg.Go(func() {
			for k := range units {
				off := int64(i*units+k) * block.Unit % max(r.Size, 1)
				// What cannot be read is found by those who read in earnest.
				if f, err := w.file(r.id); err == nil && f != nil {
					if d.c.Gentle && r.cached {
						_, _ = gentle.ReadAt(f, w.unit, off-off%block.Unit)
					} else {
						_, _ = f.ReadAt(w.unit, off-off%block.Unit)
					}
				}
				w.leaves = w.hash.Leaves(w.leaves[:0], leaf, w.unit)
			}
		})
	}
	wg.Wait()
	return float64(len(workers)*units*block.Unit) / max(time.Since(began).Seconds(), 1e-6)
}

// passMeter remembers what a live pass began with.
type passMeter struct {
	d       *donor
	scanned time.Time
	cpu     time.Duration
	reading int64
}

// meter begins with a pass whose look at the files began at the given moment and has ended.
func (d *donor) meter(began time.Time) passMeter {
	d.looked = time.Since(began)
	return passMeter{d: d, scanned: time.Now(), cpu: processorTime(), reading: d.reading.Load()}
}

// effort is what the pass would take in a lock window, which waits for nobody but the disk:
// neither for the joiner and the network behind the spool, nor for processors that clients of the server use,
// to whom a live pass gives way.
func (m passMeter) effort(took time.Duration, workers int) time.Duration {
	own := processorTime() - m.cpu + time.Duration(m.d.reading.Load()-m.reading)
	return min(took, m.d.looked+own/time.Duration(max(1, min(workers, runtime.GOMAXPROCS(0)))))
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// dirtyPages estimates how many bytes of pages the server has changed and not written.
// Between the checkpoint and the newest LSN of a page lies what it has logged about them;
// how many pages that much log comes to, the passes have seen. What is changed again and
// again comes to fewer, and no more fit into the server's memory.
func (d *donor) dirtyPages() int64 {
	first, newest := d.firstLSN, d.newest.Load()
	if newest <= d.lastLSN || d.lastLSN < first || d.c.BufferPool <= 0 {
		return 0
	}
	perByte := float64(d.rewritten.Load()) / float64(newest-first)
	return int64(min(perByte*float64(newest-d.lastLSN), dirtyShare*float64(d.c.BufferPool)))
}

// sawLSN notes the LSN of a page that has changed.
func (d *donor) sawLSN(lsn uint64) {
	for {
		newest := d.newest.Load()
		if lsn <= newest || d.newest.CompareAndSwap(newest, lsn) {
			return
		}
	}
}

// dirtyShare is what of its memory a busy server has dirty pages in; two random loads had between four and six tenths.
const dirtyShare = 0.5

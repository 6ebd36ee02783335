package proto

import (
	"context"
	"sync"
	"time"

	"trireme/wire"
)

// crew says which of the donor's workers work. Those beyond the first are connected when
// more links promise more goodput, and only while the donor's server works: in a lock
// window the number stands still.
type crew struct {
	mu     sync.Mutex
	turn   sync.Cond // a queue is shorter, or width has changed
	tuning bool      // width may change
	open   int       // workers that are connected, the first of all
	width  int       // of them may take jobs while tuning; all may otherwise
}

// queue is the jobs of one order, from which workers take.
type queue struct {
	d    *donor
	jobs []job
}

// next returns the job that w is to do, nil when there is none. Who is not wanted waits
// until it is, or until all is done.
func (q *queue) next(w *worker) job {
	c := &q.d.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(q.jobs) > 0 && !c.wants(w) && q.d.s.ctx.Err() == nil {
		c.turn.Wait()
	}
	if len(q.jobs) == 0 || q.d.s.ctx.Err() != nil {
		c.turn.Broadcast() // whoever still waits has to look at this too
		return nil
	}
	j := q.jobs[0]
	if q.jobs = q.jobs[1:]; len(q.jobs) == 0 {
		c.turn.Broadcast()
	}
	return j
}

func (c *crew) wants(w *worker) bool {
	if c.tuning {
		return w.index < c.width
	}
	return w.index < c.open
}

// drained lets go who waits for a queue that nobody takes from any more.
func (q *queue) drained() {
	c := &q.d.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	q.jobs = nil
	c.turn.Broadcast()
}

// atWork are the workers that are connected.
func (d *donor) atWork() []*worker {
	d.crew.mu.Lock()
	defer d.crew.mu.Unlock()
	return d.workers[:d.crew.open]
}

// tune says whether the number of links may change, and their transport.
func (d *donor) tune(on bool) {
	d.c.Wire.Choice.Hold(!on)
	c := &d.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tuning = on
	c.turn.Broadcast()
}

// watchGoodput changes how many links work, by what they bring.
func (d *donor) watchGoodput(first, most int) error {
	stop := context.AfterFunc(d.s.ctx, func() { d.tune(false) }) // nobody need wait any more
	defer stop()
	tuner := newTuner(first, most)
	tick := time.NewTicker(tuning.every)
	defer tick.Stop()
	done, held := d.s.delivered(), d.held.Load()
	at := time.Now()
	for {
		select {
		case <-d.s.ctx.Done():
			return nil
		case <-tick.C:
		}
		now, bytes, limited := time.Now(), d.s.delivered(), d.held.Load()
		moved, took, free := bytes-done, now.Sub(at), limited == held
		done, held, at = bytes, limited, now
		// With a rate limit in the way links prove nothing.
		if !d.tuningNow() || !free {
			continue
		}
		if d.c.Wire.Choice.Weigh(d.dataLinks()) {
			continue
		}
		why := tuner.add(moved, took)
		n, err := d.widen(tuner.now)
		if err != nil {
			d.c.Note("no further data connections: %v", err)
			tuner = newTuner(n, n)
		}
		if why != "" {
			d.c.Note("%d data connections work from now on: %s", n, why)
		}
	}
}

// dataLinks are the links of those who work.
func (d *donor) dataLinks() (links []*wire.Link) {
	for _, w := range d.atWork() {
		links = append(links, w.conn)
	}
	return links
}

func (d *donor) tuningNow() bool {
	d.crew.mu.Lock()
	defer d.crew.mu.Unlock()
	return d.crew.tuning
}

// widen lets n workers work, and connects those that are not. It returns how many do.
func (d *donor) widen(n int) (int, error) {
	if open := d.opened(); n > open {
		if more, err := connectAll(d.workers[open:n]); err != nil {
			return open + more, err
		}
	}
	c := &d.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.tuning {
		return c.width, nil // too late for this pass; the next one finds them connected
	}
	c.open, c.width = max(c.open, n), n
	d.p.conns.Store(int32(n))
	c.turn.Broadcast()
	return n, nil
}

func (d *donor) opened() int { return len(d.atWork()) }

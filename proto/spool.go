package proto

import (
	"sync"

	"trireme/engine/block"
)

// spoolUnits bounds what waits to be sent while the server is locked, over all
// workers: 256 MiB. As long as it lasts neither the network nor the joiner's disk
// lengthens the lock (fact 5 of consistency 0).
const spoolUnits = 256

// spoolAhead is how much of that may wait before anything is sent. Processors that seal and
// send while the server is locked are those that its files are read with, and the joiner's
// work is none that the server has to wait for.
const spoolAhead = spoolUnits / 2

// swapFrom is the content from which a chunk takes a buffer of its own. Less is copied to
// others: what changes between two passes are single pages, and a unit for each of them
// would use the spool up after a few megabytes.
const swapFrom = block.Unit / 4

// parcel is a unit's worth of chunks on their way out. It belongs to whoever holds it.
type parcel struct {
	unit   []byte // block.Unit bytes in which heads and contents lie
	used   int
	chunks []spooled
	swap   bool // unit came from the worker with one chunk in it, and the link may keep it
}

// spooled is one chunk of a parcel.
type spooled struct {
	id            uint32
	raw           bool // not to be packed
	head, content []byte
}

// spools is the set of spools of one lock window; they share one budget.
type spools struct {
	budget  chan struct{} // one token for each parcel that may exist; capacity spoolUnits
	mu      sync.Mutex
	idle    []*parcel     // parcels that were sent
	release chan struct{} // closed when chunks may travel: the catalogue is announced
	due     chan struct{} // closed when they shall: hurry
	once    sync.Once
}

func newSpools() *spools {
	return &spools{budget: make(chan struct{}, spoolUnits), release: make(chan struct{}), due: make(chan struct{})}
}

// warm adds to ps until there are parcels for so many bytes, and some for the workers, in memory. A page that is touched for the first time must
// be found and cleared by the kernel, in a guest by its host as well, which takes several times as long as filling it. Before the lock there is time
// for that, and most before the last live passes: what the server changes meanwhile they still find. How much it will be is not known before the
// third.
func warm(ps []*parcel, bytes int64, workers int) []*parcel {
	for int64(len(ps)) < min(bytes/block.Unit+int64(workers), spoolAhead) {
		x := &parcel{unit: make([]byte, block.Unit)}
		for at := 0; at < len(x.unit); at += block.Sector {
			x.unit[at] = 0
		}
		ps = append(ps, x)
	}
	return ps
}

// hurry has everything sent that waits or is still to come.
func (p *spools) hurry() { p.once.Do(func() { close(p.due) }) }

func (p *spools) take() *parcel {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		x := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return x
	}
	return &parcel{unit: make([]byte, block.Unit)}
}

func (p *spools) give(x *parcel) {
	clear(x.chunks)
	x.chunks, x.used, x.swap = x.chunks[:0], 0, false
	p.mu.Lock()
	p.idle = append(p.idle, x)
	p.mu.Unlock()
	<-p.budget
}

// drop gives the memory back. Nothing waits any more.
func (p *spools) drop() {
	p.mu.Lock()
	p.idle = nil
	p.mu.Unlock()
}

// spool decouples one worker from its connection: the worker puts chunks, one
// goroutine sends them in that order.
type spool struct {
	all   *spools
	open  *parcel      // has room for more; the worker's
	queue chan *parcel // closed by drain; holds any number the budget allows
	done  sync.WaitGroup
}

// start gives the worker a spool.
func (p *spools) start(w *worker) {
	s := &spool{all: p, queue: make(chan *parcel, spoolUnits)}
	w.spool = s
	s.done.Go(func() {
		failed := false
		for _, gate := range []chan struct{}{p.release, p.due} {
			select {
			case <-gate:
			case <-w.d.s.ctx.Done():
			}
		}
		for x := range s.queue {
			for _, c := range x.chunks {
				if failed || w.d.s.ctx.Err() != nil {
					break
				}
				var unit *[]byte
				if x.swap {
					unit = &x.unit
				}
				// Packed here and not by the worker, whose reading is what the lock waits for.
				if err := w.transmit(c.id, c.raw, c.head, c.content, unit); err != nil {
					failed = true
					w.d.s.fail(err)
				}
			}
			p.give(x)
		}
	})
}

// put takes the worker's head and content over; it may give the worker another buffer.
func (s *spool) put(w *worker, id uint32, raw bool, content []byte) error {
	swap := len(content) >= swapFrom
	need := len(w.head)
	if !swap {
		need += len(content)
	}
	if s.open != nil && (swap || need > len(s.open.unit)-s.open.used) {
		s.post()
	}
	if s.open == nil {
		if err := s.begin(w); err != nil {
			return err
		}
	}
	x := s.open
	c := spooled{id: id, raw: raw}
	if swap {
		c.head, c.content = append([]byte(nil), w.head...), content
		x.unit, w.unit, x.swap = w.unit, x.unit, true
	} else {
		c.head, c.content = x.copy(w.head), x.copy(content)
	}
	x.chunks = append(x.chunks, c)
	if swap {
		s.post()
	}
	return nil
}

// begin opens a parcel, for which there must be room.
func (s *spool) begin(w *worker) error {
	if len(s.all.budget) >= spoolAhead {
		s.all.hurry()
	}
	select {
	case s.all.budget <- struct{}{}:
	case <-w.d.cutoff.passed():
		return errOverrun
	case <-w.d.s.ctx.Done():
		return w.d.s.cause(nil)
	}
	s.open = s.all.take()
	return nil
}

func (x *parcel) copy(p []byte) []byte {
	to := x.unit[x.used : x.used+len(p) : x.used+len(p)]
	x.used += copy(to, p)
	return to
}

// post sends the open parcel on its way.
func (s *spool) post() {
	if s.open != nil {
		s.queue <- s.open // never blocks: the budget is the queue's capacity
		s.open = nil
	}
}

// drain waits until everything was sent and takes the spool away.
func (w *worker) drain() {
	if w.spool == nil {
		return
	}
	w.spool.post()
	w.spool.all.hurry()
	close(w.spool.queue)
	w.spool.done.Wait()
	w.spool = nil
}

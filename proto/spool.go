package proto

import (
	"sync"

	"trireme/engine/block"
)

// spoolUnits bounds what waits to be sent while the server is locked, over all
// workers: 256 MiB. As long as it lasts neither the network nor the joiner's disk
// lengthens the lock (fact 5 of consistency 0).
const spoolUnits = 256

// parcel is one chunk on its way out. Its buffers belong to whoever holds it.
type parcel struct {
	id      uint32
	raw     bool // not to be packed
	head    []byte
	unit    []byte // block.Unit bytes; the content lies in it
	content []byte
}

// spools is the set of spools of one lock window; they share one budget.
type spools struct {
	budget  chan struct{} // one token for each parcel that may exist; capacity spoolUnits
	mu      sync.Mutex
	idle    []*parcel     // buffers of parcels that were sent
	release chan struct{} // closed when chunks may travel: the catalogue is announced
}

func newSpools() *spools {
	return &spools{budget: make(chan struct{}, spoolUnits), release: make(chan struct{})}
}

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

// spool decouples one worker from its connection: the worker puts parcels, one
// goroutine sends them in that order.
type spool struct {
	all   *spools
	queue chan *parcel // closed by drain; holds any number the budget allows
	done  sync.WaitGroup
}

// start gives the worker a spool.
func (p *spools) start(w *worker) {
	s := &spool{all: p, queue: make(chan *parcel, spoolUnits)}
	w.spool = s
	s.done.Go(func() {
		failed := false
		select {
		case <-p.release:
		case <-w.d.s.ctx.Done():
		}
		for x := range s.queue {
			if !failed && w.d.s.ctx.Err() == nil {
				// Packed here and not by the worker, whose reading is what the lock waits for.
				if err := w.transmit(x.id, x.raw, x.head, x.content, &x.unit); err != nil {
					failed = true
					w.d.s.fail(err)
				}
			}
			p.give(x)
		}
	})
}

// put hands the worker's head and buffer over and gives it another buffer.
func (s *spool) put(w *worker, id uint32, raw bool, content []byte) error {
	select {
	case s.all.budget <- struct{}{}:
	case <-w.d.cutoff.passed():
		return errOverrun
	case <-w.d.s.ctx.Done():
		return w.d.s.cause(nil)
	}
	x := s.all.take()
	x.head = append(x.head[:0], w.head...)
	x.unit, w.unit = w.unit, x.unit
	x.id, x.raw, x.content = id, raw, content
	s.queue <- x // never blocks: the budget is the queue's capacity
	return nil
}

// drain waits until everything was sent and takes the spool away.
func (w *worker) drain() {
	if w.spool == nil {
		return
	}
	close(w.spool.queue)
	w.spool.done.Wait()
	w.spool = nil
}

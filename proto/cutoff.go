package proto

import (
	"fmt"
	"sync"
	"time"

	"trireme/wire"
)

// cutoff ends a lock window before its work is done: it took too long, or the connection
// was lost for too long. The server is then let go, and asked for its lock again after
// another live pass. A nil cutoff never passes.
type cutoff struct {
	once sync.Once
	ch   chan struct{} // closed by pass
	why  string        // set before that
}

func (c *cutoff) pass(why string) {
	c.once.Do(func() {
		c.why = why
		close(c.ch)
	})
}

// passed is closed when the cutoff has passed.
func (c *cutoff) passed() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.ch
}

func (c *cutoff) isPast() bool {
	select {
	case <-c.passed():
		return true
	default:
		return false
	}
}

// openCutoff gives the present window one, and returns what is to be done when nothing
// heeds it any more. It stays until the server is let go: with one connection others are
// lost, and each is overdue by itself.
func (d *donor) openCutoff(w *window) func() {
	c := &cutoff{ch: make(chan struct{})}
	d.setCutoff(c)
	stop := func() bool { return true }
	if d.c.LockMax > 0 {
		overrun := func() { c.pass(fmt.Sprintf("the lock took longer than lock-max (%v)", d.c.LockMax)) }
		// A server that took nearly all of it, or more, to grant the lock waited for its clients' statements, and would again: what is left
		// to do gets the time that it should take.
		left := max(d.c.LockMax-time.Since(w.asked), min(d.predicted, d.c.LockMax))
		if left > 0 {
			stop = time.AfterFunc(left, overrun).Stop
		} else {
			overrun() // a timer would run when somebody lets it
		}
	}
	return func() {
		stop()
		if c.isPast() {
			d.cutoffReason = c.why
		}
	}
}

func (d *donor) setCutoff(c *cutoff) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cutoff = c
}

// lost is told that a connection was lost. With the control connection the others are
// given up too: most likely they are dead, and nothing would tell those who wait on them.
func (d *donor) lost(link uint16, err error) {
	if link == 0 {
		d.s.away.begin(err)
		d.s.kick(fmt.Errorf("the control connection was lost: %w", err))
	}
}

// overdue is told that a connection has been lost for longer than a lock may wait
// (R-LOCK-7): the server is let go.
func (d *donor) overdue(err *wire.LostError) {
	if !d.holding.Load() {
		return
	}
	d.mu.Lock()
	c := d.cutoff
	d.mu.Unlock()
	if c == nil {
		d.s.fail(failf(CodeNetwork, "under the lock: %w", err))
		return
	}
	c.pass(fmt.Sprintf("under the lock: %v", err))
}

package proto

import "trireme/proto/msg"

// What is sent of a lock window, from its catalogue to its end, some of it after the server was let go.

// openWindow begins a locked pass. The catalogue's changes are announced while the
// workers read; what they put into their spools travels after that.
func (d *donor) openWindow(df diff) error {
	if err := d.begin(msg.PassLocked); err != nil {
		return err
	}
	d.clock = d.p.clock()
	sp := newSpools()
	sp.idle, d.spare = d.spare, nil
	d.spools = sp
	for _, w := range d.atWork() {
		sp.start(w)
	}
	d.s.run(func() error {
		if err := d.announce(df); err != nil {
			return err
		}
		close(sp.release)
		return nil
	})
	return nil
}

// announced waits until the joiner knows the catalogue of the window.
func (d *donor) announced() error {
	select {
	case <-d.spools.release:
		return nil
	case <-d.cutoff.passed():
		return errOverrun
	case <-d.s.ctx.Done():
		return d.s.cause(nil)
	}
}

// flushInTime is flush that gives up when the window's cutoff passes. The flush then
// goes on, and closeWindow waits for it, with the server released.
func (d *donor) flushInTime() error {
	done := make(chan error, 1)
	d.s.run(func() error { done <- d.flush(); return nil })
	select {
	case err := <-done:
		return err
	case <-d.cutoff.passed():
		d.flushing = done
		return errOverrun
	}
}

// closeInTime is closeWindow that gives up when the window's cutoff passes, once the
// catalogue is announced. The closing then goes on, and closeWindow waits for it.
func (d *donor) closeInTime() error {
	done := make(chan error, 1)
	d.s.run(func() error { done <- d.closeAnnounced(); return nil })
	select {
	case err := <-done:
		return err
	case <-d.cutoff.passed():
		d.closing = done
		return errOverrun
	}
}

// closeWindow sends what waits and ends the locked pass.
func (d *donor) closeWindow() error {
	if d.closing != nil {
		err := <-d.closing // ends with the session at the latest
		d.closing = nil
		return err
	}
	if err := d.announced(); err != nil {
		return err
	}
	return d.closeAnnounced()
}

func (d *donor) closeAnnounced() error {
	if d.flushing != nil {
		err := <-d.flushing // ends with the session at the latest
		if d.flushing = nil; err != nil {
			return err
		}
	}
	if err := d.flush(); err != nil {
		return err
	}
	if err := d.end(d.sentSince(d.clock)); err != nil {
		return err
	}
	d.spools.drop()
	d.passed(d.clock, msg.PassLocked, true)
	return nil
}

package wire

import (
	"errors"
	"time"
)

var (
	// ErrWornOut is the Cause of a Reopened that replaced a connection whose key had protected as much as it may.
	ErrWornOut = errors.New("wire: its key had protected as much as it may")
	// ErrMoved is the same for one whose transport suited the path less than another.
	ErrMoved = errors.New("wire: another transport suits the path better")
)

// planned says that a connection was given up on purpose, with nothing of it lost.
func planned(cause error) bool { return cause == ErrWornOut || cause == ErrMoved }

// stale is why the connection should be replaced; nil: it should not.
func (l *Link) stale() error {
	switch {
	case l.conn.Spent():
		return ErrWornOut
	case l.id != 0 && l.choice.left(l.conn):
		return ErrMoved
	}
	return nil
}

// replace gives up a stale connection, when everything on it has arrived.
func (l *Link) replace() {
	c, why := l.conn, l.stale()
	for l.conn == c && !l.mute && l.err == nil && l.out.n > 0 {
		if l.writing {
			l.turn.Wait()
		} else {
			l.makeRoom()
		}
	}
	if l.conn != c || l.mute || l.err != nil {
		return
	}
	l.detach(why)
	_ = c.SetReadDeadline(time.Unix(1, 0)) // wakes up who reads; closed it is when the joiner has the other one
	l.restore()
	l.mu.Unlock()
	c.kill()
	l.mu.Lock()
}

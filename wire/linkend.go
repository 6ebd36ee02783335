package wire

import (
	"fmt"
	"io"
	"net"
	"time"
)

// SetLimits replaces the limits, also of what is going on.
func (l *Link) SetLimits(limits Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limits = limits
	if l.conn != nil {
		_ = l.conn.SetReadDeadline(l.patience()) // fails with the connection, which the read will tell
	}
	l.arm()
}

// Expire bounds what is left of the link: the peer has d to end it, or twice that and an outage when something that was sent has not
// been acknowledged.
func (l *Link) Expire(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.expires.IsZero() {
		return
	}
	l.last, l.expires = d, time.Now().Add(d)
	l.expireBy = l.expires.Add(max(l.limits.Outage, 0) + d)
	if l.conn != nil {
		_ = l.conn.SetReadDeadline(l.expires) // fails with the connection, which the read will tell
	}
}

// Kick gives up the present connection, because the peer shows no life.
func (l *Link) Kick(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil && l.err == nil {
		l.lose(l.conn, why)
	}
}

// End tells the peer that nothing follows. Frames can still be received, until the connection is lost.
func (l *Link) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.conn == nil && l.err == nil {
		l.restore()
	}
	l.end()
}

func (l *Link) end() {
	if l.ended || l.err != nil && l.err != io.EOF {
		return
	}
	l.ended = true
	c := l.conn
	if c == nil || l.mute || l.writing { // whoever writes is stuck
		return
	}
	l.writing = true
	l.mu.Unlock()
	if c.SetWriteDeadline(time.Now().Add(closeTimeout)) == nil && c.send(frameEnd, 0, nil, nil) == nil {
		_ = c.Flush() // the link is over in any case
	}
	l.mu.Lock()
	l.writing = false
	l.turn.Broadcast()
}

// Close ends the link and wakes up blocked calls. What the peer has not received by then is lost.
func (l *Link) Close() error {
	l.mu.Lock()
	l.end()
	c := l.conn
	l.conn, l.mute = nil, false
	if c != nil {
		l.before.add(c)
	}
	l.fail(l.wrap(net.ErrClosed))
	l.mu.Unlock()
	if c == nil {
		return nil
	}
	return c.Close()
}

// Abandon is Close without a word to the peer, for when another link has told it.
func (l *Link) Abandon() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail(l.wrap(net.ErrClosed))
}

// fail ends the link with err, unless it has ended.
func (l *Link) fail(err error) {
	if l.err == nil {
		l.err = err
	}
	l.down.counting = false
	if l.timer != nil {
		l.timer.Stop()
	}
	l.cancel()
	if l.conn != nil && err != io.EOF {
		l.conn.kill()
	}
	l.turn.Broadcast()
}

func (l *Link) wrap(err error) error { return fmt.Errorf("link %d: %w", l.id, err) }

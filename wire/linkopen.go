package wire

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"
)

// DialLink opens the control link of a session: Dial for a connection that is opened again when it is lost. Its data links are made by
// Branch.
func DialLink(ctx context.Context, t Ticket, c Config, lc LinkConfig) (*Link, error) {
	c.stood = new(atomic.Bool)
	conn, err := Dial(ctx, t, Control, c)
	if err != nil {
		return nil, err
	}
	c.Session = conn.Session()
	if lc.Limits.Outage != 0 {
		// How often to try is the link's business.
		c.Socket.Retries = 0
		if c.Socket.ConnectTimeout <= 0 || c.Socket.ConnectTimeout > redialConnect {
			c.Socket.ConnectTimeout = redialConnect
		}
	}
	l := newLink(0, lc, func(ctx context.Context) (*Conn, error) { return Dial(ctx, t, Data, c) })
	l.choice = c.Choice
	l.startOn(conn)
	return l, nil
}

// Branch makes one of the data links of the session whose control link this is: number id, from 1 to MaxLinks. It is connected by Open
// or when it is first used.
func (l *Link) Branch(id int, limits Limits) *Link {
	if id < 1 || id > MaxLinks || l.open == nil {
		panic(fmt.Sprintf("wire: internal error: data link %d", id))
	}
	c := l.c
	c.Limits = limits
	data := newLink(uint16(id), c, l.open)
	data.choice = l.choice
	return data
}

// Open connects a link that is not.
func (l *Link) Open() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.conn == nil && l.err == nil {
		l.restore()
	}
	return l.err
}

// restore waits until there is a connection again or the link has failed. The donor opens it. It may return early.
func (l *Link) restore() {
	if l.open == nil || l.opening {
		l.turn.Wait()
		return
	}
	l.opening = true
	// Whoever used the last connection may have received a frame from it that has to be counted.
	for l.reading || l.writing {
		l.turn.Wait()
	}
	l.begin()
	pause := redialPause
	for l.conn == nil && l.err == nil {
		c, theirs, err := l.try()
		if err == nil {
			l.install(c, theirs.received)
			continue
		}
		if l.err != nil {
			break
		}
		if l.hopeless(err) {
			break
		}
		l.mu.Unlock()
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-l.ctx.Done():
			t.Stop()
		}
		l.mu.Lock()
		pause = min(2*pause, redialMost)
	}
	l.opening = false
	l.turn.Broadcast()
}

// try opens a connection and says to which link it belongs.
func (l *Link) try() (*Conn, attach, error) {
	l.attempt++
	mine := attach{l.id, planned(l.down.cause), l.attempt, l.got}
	l.mu.Unlock()
	defer l.mu.Lock()
	c, err := l.open(l.ctx)
	if err != nil {
		return nil, attach{}, err
	}
	stop := context.AfterFunc(l.ctx, c.kill)
	theirs, err := c.exchange(mine)
	if !stop() && err == nil {
		err = context.Cause(l.ctx)
	}
	if err != nil {
		c.kill()
		return nil, attach{}, err
	}
	return c, theirs, nil
}

// exchange is the donor's half of attaching a connection to a link.
func (c *Conn) exchange(mine attach) (attach, error) {
	if err := c.SetDeadline(time.Now().Add(attachTimeout)); err != nil {
		return attach{}, err
	}
	if err := c.send(frameAttach, 0, appendAttach(nil, mine), nil); err != nil {
		return attach{}, err
	}
	if err := c.Flush(); err != nil {
		return attach{}, err
	}
	theirs, err := c.recvAttach()
	if err != nil {
		return attach{}, err
	}
	if theirs.link != mine.link || theirs.attempt != mine.attempt {
		return attach{}, &LinkError{mine.link, fmt.Sprintf("the joiner answers for connection %d of link %d, this is connection %d", theirs.attempt, theirs.link, mine.attempt)}
	}
	return theirs, c.SetDeadline(time.Time{})
}

func (c *Conn) recvAttach() (attach, error) {
	h, err := c.recvHeader(0)
	if err != nil {
		return attach{}, err
	}
	if h.typ != frameAttach {
		return attach{}, &LinkError{0, fmt.Sprintf("a data connection begins with a frame of type %#x", h.typ)}
	}
	var buf [attachSize]byte
	body, err := c.recvBody(h, buf[:])
	if err != nil {
		return attach{}, err
	}
	a, err := parseAttach(body)
	if err != nil {
		return attach{}, &LinkError{0, err.Error()}
	}
	return a, nil
}

// install makes c the connection, whose peer has received that many frames, and sends the others again. It takes the writing role,
// or has it from the caller, and gives it back. mu is let go while writing. The user may receive as soon as it begins: two ends that both only write could wait for each other.
func (l *Link) install(c *Conn, received uint64) {
	if err := l.advance(received); err != nil {
		l.fail(&LinkError{l.id, err.Error()})
	}
	if l.conn != nil || l.err != nil {
		c.kill()
		l.writing = false
		l.turn.Broadcast()
		return
	}
	l.conn, l.mute = c, false
	if l.peer.Remote == "" || l.peer.Transport != c.peer.Transport {
		l.peer = c.Peer()
	}
	if !l.expires.IsZero() {
		l.expires = time.Now().Add(l.last)
	}
	l.writing, l.owed, l.dirty, l.fresh = true, false, false, 0
	l.turn.Broadcast()
	n := l.replay(c)
	l.statistics.Resent += n
	l.release()
	if l.conn != c || l.mute {
		return
	}
	was := l.down
	l.down = outage{}
	if was.cause == nil {
		return
	}
	if !planned(was.cause) {
		l.statistics.Reopened++
	}
	if hook := l.c.OnReopened; hook != nil {
		l.mu.Unlock()
		hook(Reopened{l.id, was.cause, time.Since(was.since), n})
		l.mu.Lock()
	}
}

// replay sends everything that is kept.
func (l *Link) replay(c *Conn) (bytes int64) {
	l.asked = l.acked
	if l.out.n == 0 {
		return 0
	}
	last := l.out.last // nobody adds while writing is taken
	for n := l.out.first(); n <= last && l.conn == c && !l.mute; n++ {
		if n < l.out.first() {
			continue // acknowledged in the meantime
		}
		f := *l.out.frame(n)
		var flags uint8
		if n == last {
			flags = flagAck
		}
		l.mu.Unlock()
		err := c.send(f.typ, flags, f.head, f.body)
		if err == nil && n == last {
			err = c.Flush()
		}
		l.mu.Lock()
		if err != nil {
			l.silence(c, err)
			return bytes
		}
		bytes += int64(FrameHeader + len(f.head) + len(f.body))
	}
	l.asked = max(l.asked, last)
	return bytes
}

// detach takes the connection away, on purpose.
func (l *Link) detach(cause error) {
	l.before.add(l.conn)
	l.conn, l.mute = nil, false
	l.down.cause = cause
	l.turn.Broadcast()
}

// begin starts the clock of an outage that is not running yet.
func (l *Link) begin() {
	if l.down.counting || l.err != nil {
		return
	}
	l.down.counting, l.down.since = true, time.Now()
	l.arm()
}

// arm sets the timer to the next limit.
func (l *Link) arm() {
	if !l.down.counting {
		return
	}
	gone := time.Since(l.down.since)
	next := time.Duration(-1)
	if o := l.limits.Overdue; o > 0 && !l.down.overdue {
		next = max(0, o-gone)
	}
	if o := l.limits.Outage; o > 0 {
		if left := max(0, o-gone); next < 0 || left < next {
			next = left
		}
	}
	switch {
	case next < 0:
	case l.timer == nil:
		l.timer = time.AfterFunc(next, l.tick)
	default:
		l.timer.Reset(next)
	}
}

// tick is the timer of an outage.
func (l *Link) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.down.counting || l.err != nil {
		return
	}
	gone := time.Since(l.down.since)
	if o := l.limits.Overdue; o > 0 && gone >= o && !l.down.overdue {
		l.down.overdue = true
		if hook := l.c.OnOverdue; hook != nil {
			err := l.lost(o)
			err.From = "" // that is where the limit of an outage comes from
			l.mu.Unlock()
			hook(err)
			l.mu.Lock()
		}
	}
	if o := l.limits.Outage; o > 0 && gone >= o && l.down.counting && l.err == nil {
		l.fail(l.lost(o))
		return
	}
	l.arm()
}

// hopeless records why an attempt failed, and fails the link when another cannot do better.
func (l *Link) hopeless(err error) bool {
	l.down.last = err
	if errors.Is(err, syscall.ECONNREFUSED) {
		if l.down.refused.IsZero() {
			l.down.refused = time.Now()
		}
	} else {
		l.down.refused = time.Time{}
	}
	var refused *RefusedError
	var stranger *StrangerError
	var rules *LinkError
	switch {
	case l.limits.Outage == 0, errors.As(err, &refused), errors.As(err, &rules):
		l.fail(err)
	case errors.As(err, &stranger) && (stranger.Cause == CausePin || stranger.Cause == CauseNonce):
		l.fail(err)
	case !l.down.refused.IsZero() && time.Since(l.down.refused) >= goneAfter:
		e := l.lost(0)
		e.Gone = true
		l.fail(e)
	default:
		return false
	}
	return true
}

// lost is the error of the present outage, with the limit it has passed.
func (l *Link) lost(limit time.Duration) *LostError {
	return &LostError{Link: l.id, Cause: l.down.cause, Last: l.down.last, Limit: limit, From: l.c.From, Silent: l.down.silent, Silence: l.limits.Silence}
}

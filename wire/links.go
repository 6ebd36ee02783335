package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Links are the links of one session at the joiner. It hands each data connection to the link it was opened for.
type Links struct {
	config  LinkConfig // of data links
	control *Link

	mu      sync.Mutex
	links   map[uint16]*Link
	allowed int
	waiting []*Conn // whose link is not known yet, the oldest first
}

// NewLinks makes a session's control link of its control connection. Data links do not give up by themselves: the donor decides when one is
// opened again, and may have no need to for a long time; the control link tells whether it still lives. Close all of them when it ends.
func NewLinks(control *Conn, c LinkConfig) *Links {
	s := &Links{config: c, control: newLink(0, c, nil), links: map[uint16]*Link{}}
	s.control.startOn(control)
	s.config.Limits = Limits{}
	if c.Limits.Outage != 0 {
		s.config.Limits.Outage = -1
	}
	return s
}

// Control returns the control link.
func (s *Links) Control() *Link { return s.control }

// Allow says how many data links the donor may have.
func (s *Links) Allow(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed = n
}

// Attach takes over a connection of kind Data. The link is returned when it is a new one. A *LinkError says that the donor breaks the
// rules. A connection that fails before it belongs to a link is closed, and is no error: the donor will come again. Attach blocks
// until what the link has to send again is written, at most until ctx ends or the link is closed.
func (s *Links) Attach(ctx context.Context, conn *Conn) (*Link, error) {
	s.enter(conn)
	stop := context.AfterFunc(ctx, conn.kill)
	a, err := attach{}, conn.SetDeadline(time.Now().Add(attachTimeout))
	if err == nil {
		a, err = conn.recvAttach()
	}
	s.leave(conn)
	defer stop()
	if err != nil {
		conn.kill()
		if rules, ok := err.(*LinkError); ok {
			return nil, rules
		}
		return nil, nil
	}
	l, isNew, err := s.find(a)
	if err != nil {
		conn.kill()
		return nil, err
	}
	if err := l.takeOver(conn, a); err != nil || !isNew {
		return nil, err
	}
	return l, nil
}

// enter takes note of a connection whose link is not known. When there are too many the oldest is given up: over a path that eats
// packets the donor has done so already, and comes again.
func (s *Links) enter(conn *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) >= maxAttaching {
		s.waiting[0].kill()
		s.waiting = slices.Delete(s.waiting, 0, 1)
	}
	s.waiting = append(s.waiting, conn)
}

// leave forgets a connection that enter knows, or has given up.
func (s *Links) leave(conn *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(c *Conn) bool { return c == conn })
}

func (s *Links) find(a attach) (l *Link, isNew bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.link == 0 {
		return s.control, false, nil
	}
	if l := s.links[a.link]; l != nil {
		return l, false, nil
	}
	if int(a.link) > s.allowed {
		return nil, false, &LinkError{a.link, fmt.Sprintf("the donor opened more than the %d data connections it was allowed", s.allowed)}
	}
	l = newLink(a.link, s.config, nil)
	s.links[a.link] = l
	return l, true, nil
}

// takeOver makes conn the connection of the link, in place of any other: the donor has opened it, so it has no use for an older one.
func (l *Link) takeOver(conn *Conn, a attach) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.attempt <= l.attempt || l.err != nil {
		conn.kill() // an older one that took longer, or there is nothing to take over
		return nil
	}
	if now := time.Now(); now.Sub(l.minute) > time.Minute {
		l.minute, l.attaches = now, 0
	}
	if l.attaches++; l.attaches > attachesPerMinute {
		conn.kill()
		err := &LinkError{l.id, fmt.Sprintf("the donor has opened it %d times within a minute", l.attaches)}
		l.fail(err)
		return err
	}
	l.attempt = a.attempt
	why := ErrWornOut
	if conn.peer.Transport != l.peer.Transport {
		why = ErrMoved
	}
	switch old := l.conn; {
	case old != nil && a.planned:
		l.detach(why)
		old.kill()
	case old != nil:
		l.lose(old, errors.New("the donor has given it up"))
	}
	if a.planned {
		l.down.cause = why // not what was seen of it
	}
	// Whoever uses the old connection may have received a frame from it that has to be counted.
	for l.reading || l.writing || l.opening {
		l.turn.Wait()
	}
	if l.attempt != a.attempt || l.err != nil {
		conn.kill()
		return nil
	}
	l.opening, l.writing = true, true
	mine := attach{l.id, a.planned, a.attempt, l.got}
	l.mu.Unlock()
	err := conn.send(frameAttach, 0, appendAttach(nil, mine), nil)
	if err == nil {
		err = conn.Flush()
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	l.mu.Lock()
	l.opening = false
	if err != nil || l.attempt != a.attempt { // a newer one waits for this, and found no connection to give up
		l.writing = false
		l.turn.Broadcast()
		conn.kill()
		return nil
	}
	l.install(conn, a.received)
	if rules, ok := l.err.(*LinkError); ok {
		return rules
	}
	return nil
}

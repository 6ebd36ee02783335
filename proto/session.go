package proto

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"trireme/proto/msg"
	"trireme/wire"
)

const (
	// beatEvery is the time between two heartbeats of each end.
	beatEvery = time.Second
	// graceForCause is how long a broken data connection waits for the reason that
	// the control connection may be carrying, so that "broken pipe" is not what the
	// operator reads (H13).
	graceForCause = 2 * time.Second
	// maxAhead is how many control frames may wait for the main function. A donor has
	// two Catalogs under way and a PassEnd behind them; who sends more is broken, and
	// waiting for room would leave heartbeats and Aborts unread.
	maxAhead = 16
	// helloLimit and modeLimit bound the start of the conversation, modeLimit with the
	// donor's look at all its files.
	helloLimit = 30 * time.Second
	modeLimit  = 10 * time.Minute
	// stallLive and stallLocked are how long nothing at all may be read, sent or
	// applied in a pass: a peer that lives and does nothing must not hold the lock.
	stallLocked = 10 * time.Second
	stallLive   = 120 * time.Second
	// lastWords bounds the farewell: writing an Abort and seeing the peer hang up.
	lastWords = 2 * time.Second
)

// errFinished cancels a session's helpers when its main function has returned
// without an error.
var errFinished = errors.New("proto: finished")

// session owns the connections and goroutines of one end.
type session struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // every goroutine of this end

	outage  time.Duration            // how long a lost connection is tried again; 0: not at all
	deaf    atomic.Bool              // control itself has failed: nobody hears us
	closing atomic.Bool              // no more failures are recorded: the session is over
	beats   func() int64             // what our heartbeats report
	heard   func(int64)              // called with what the peer's report
	queue   func() (msg.Queue, bool) // what goes with our heartbeats; nil: nothing
	queued  func(msg.Queue)          // called with what the peer reports of its queue; nil: nobody cares

	control *wire.Link
	in      chan frame // control frames for the main function; closed by the reader
	sending sync.Mutex // one writer on control at a time
	scratch []byte     // guarded by sending

	mu    sync.Mutex
	links []*wire.Link // control too

	reopened reopened
	away     *absence // set before attach
}

// frame is one control message. The body belongs to the receiver.
type frame struct {
	typ  msg.Type
	body []byte
}

func newSession(ctx context.Context, outage time.Duration) *session {
	s := &session{in: make(chan frame, maxAhead), outage: outage}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	return s
}

// fail ends the session with err unless it has ended before.
func (s *session) fail(err error) {
	if err != nil && !s.closing.Load() {
		s.cancel(err)
	}
}

// run starts a goroutine that close waits for; its error ends the session.
func (s *session) run(f func() error) {
	s.wg.Go(func() {
		if err := f(); err != nil {
			s.fail(err)
		}
	})
}

// cause is the first reason the session ended with, or err while it has not.
func (s *session) cause(err error) error {
	if s.ctx.Err() == nil {
		return err
	}
	c := context.Cause(s.ctx)
	if errors.Is(c, context.Canceled) || errors.Is(c, context.DeadlineExceeded) {
		return Fail(CodeCancelled, c)
	}
	return c
}

// lost makes an error of a data connection wait for a better one.
func (s *session) lost(what string, err error) error {
	if s.ctx.Err() != nil {
		return s.cause(err)
	}
	t := time.NewTimer(graceForCause)
	defer t.Stop()
	select {
	case <-s.ctx.Done():
		return s.cause(err)
	case <-t.C:
		return linkError(what, err)
	}
}

// own adds a link to those that close with the session.
func (s *session) own(l *wire.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links = append(s.links, l)
	if s.ctx.Err() != nil {
		l.Abandon()
	}
}

// each runs f for all links.
func (s *session) each(f func(*wire.Link)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		f(l)
	}
}

// wireBytes counts what all connections of the session moved, both ways.
func (s *session) wireBytes() (n int64) {
	s.each(func(l *wire.Link) { n += l.Written() + l.Read() })
	return n
}

// delivered counts what has reached the peer's system.
func (s *session) delivered() (n int64) {
	s.each(func(l *wire.Link) { n += l.Delivered() })
	return n
}

// retransmitted counts the bytes that the kernel had to send again on all connections of
// the session.
func (s *session) retransmitted() (n int64) {
	s.each(func(l *wire.Link) { n += l.Retransmitted() })
	return n
}

// blockedWriting is the time that all connections of the session have waited for the
// kernel to take bytes.
func (s *session) blockedWriting() (d time.Duration) {
	s.each(func(l *wire.Link) { d += l.BlockedWriting() })
	return d
}

// expire gives the peer lastWords to hang up, whatever it still sends.
func (s *session) expire() { s.control.Expire(lastWords) }

// attach makes l the control link and starts its reader and heartbeat.
func (s *session) attach(l *wire.Link) {
	s.control = l
	s.own(l)
	s.run(s.readControl)
	s.run(s.beat)
	s.run(s.cutData)
}

// cutData closes the data links when the session ends, so that nobody stays
// blocked on one. Control stays open for the last words.
func (s *session) cutData() error {
	<-s.ctx.Done()
	s.each(func(l *wire.Link) {
		if l != s.control {
			l.Abandon()
		}
	})
	return nil
}

// readControl feeds the main function until the connection ends. Heartbeats and
// Aborts are dealt with here.
func (s *session) readControl() error {
	defer close(s.in)
	buf := make([]byte, msg.MaxBody)
	for {
		typ, body, err := s.control.Recv(buf)
		switch {
		case err == nil:
		case s.closing.Load():
			return nil
		default:
			s.deaf.Store(true)
			return linkError("control connection", err)
		}
		t := msg.Type(typ)
		switch {
		case t == msg.TypeHeartbeat:
			h, err := msg.ParseHeartbeat(body)
			if err != nil {
				return err
			}
			if s.heard != nil {
				s.heard(h.Bytes)
			}
		case t == msg.TypeQueue && s.queued != nil:
			q, err := msg.ParseQueue(body)
			if err != nil {
				return err
			}
			s.queued(q)
		case t == msg.TypeAbort:
			a, err := msg.ParseAbort(body)
			if err != nil {
				return err
			}
			return remote(a)
		case t.Skippable():
		default:
			if s.ctx.Err() != nil {
				continue // an Abort that explains the end may follow
			}
			f := frame{t, append([]byte(nil), body...)}
			if t == msg.TypeKeyring {
				clear(body)
			}
			select {
			case s.in <- f:
			default:
				return failf(CodeProtocol, "the other end sent %v without being asked, %d messages wait already", t, maxAhead)
			}
		}
	}
}

// beat keeps the peer's silence timer from running out.
func (s *session) beat() error {
	t := time.NewTicker(beatEvery)
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return nil
		case <-t.C:
			s.away.remark()
			var n int64
			if s.beats != nil {
				n = s.beats()
			}
			if err := s.send(msg.TypeHeartbeat, msg.Heartbeat{Bytes: n}); err != nil {
				return s.lost("control connection", err)
			}
			if s.queue == nil {
				continue
			}
			if q, ok := s.queue(); ok {
				if err := s.send(msg.TypeQueue, q); err != nil {
					return s.lost("control connection", err)
				}
			}
		}
	}
}

// appender is any message.
type appender interface {
	Append([]byte) []byte
	Len() int
}

// send writes one control message at once. It may be called from any goroutine.
func (s *session) send(t msg.Type, m appender) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.scratch = m.Append(s.scratch[:0])
	if t == msg.TypeKeyring {
		defer clear(s.scratch)
	}
	if err := s.control.Send(uint8(t), s.scratch, nil); err != nil {
		return err
	}
	return s.control.Flush()
}

// tell is send for the main function: a connection that fails waits for the cause.
func (s *session) tell(t msg.Type, m appender) error {
	if err := s.send(t, m); err != nil {
		return s.lost(fmt.Sprintf("send %v", t), err)
	}
	return nil
}

// next waits for the next control message, which must be of one of the types.
func (s *session) next(types ...msg.Type) (frame, error) {
	select {
	case f, ok := <-s.in:
		if !ok {
			// The reader has ended; what it ended with is the session's cause.
			<-s.ctx.Done()
			return frame{}, s.cause(nil)
		}
		for _, t := range types {
			if f.typ == t {
				return f, nil
			}
		}
		return frame{}, failf(CodeProtocol, "the other end sent %v where %v was due", f.typ, oneOf(types))
	case <-s.ctx.Done():
		return frame{}, s.cause(nil)
	}
}

// oneOf names messages in a sentence.
func oneOf(types []msg.Type) string {
	var names []string
	for _, t := range types {
		names = append(names, t.String())
	}
	return strings.Join(names, " or ")
}

// within is next with a limit.
func (s *session) within(limit time.Duration, types ...msg.Type) (frame, error) {
	t := time.AfterFunc(limit, func() {
		s.fail(failf(CodeTimeout, "the other end has not sent %v within %v", oneOf(types), limit))
	})
	defer t.Stop()
	return s.next(types...)
}

// close ends the session: the peer hears err when it was ours, connections are
// closed, goroutines awaited. It returns the error the caller should report.
func (s *session) close(err error) error {
	if err != nil {
		err = s.cause(err)
	}
	s.closing.Store(true)
	if err == nil {
		s.cancel(errFinished)
	} else {
		s.cancel(err)
	}
	if s.control != nil {
		s.part(err)
	}
	s.each(func(l *wire.Link) { l.Close() })
	s.wg.Wait()
	return err
}

// part takes leave of the peer: it hears err when it was ours, and we wait until it has
// hung up. Closing at once, with its frames unread, could destroy the message on its way.
func (s *session) part(err error) {
	var e *Error
	if err != nil && s.outage != 0 {
		s.control.SetLimits(wire.Limits{Outage: lastWords}) // no longer for an end that has failed
	}
	s.expire()
	switch {
	case err == nil:
		s.control.End()
	case s.deaf.Load() || errors.As(err, &e) && e.Remote:
		return
	case s.send(msg.TypeAbort, msg.Abort{Code: uint8(CodeOf(err)), Text: err.Error()}) != nil:
		return
	}
	for range s.in { // ends with the reader, when its time is over at the latest
	}
}

// voices gives Note and Trouble what zero values stand for, and keeps their promise of one
// call at a time: those that watch links have things to say too.
func voices(note, trouble func(string, ...any)) (func(string, ...any), func(string, ...any)) {
	if note == nil {
		note = func(string, ...any) {}
	}
	if trouble == nil {
		trouble = note
	}
	var mu sync.Mutex
	one := func(say func(string, ...any)) func(string, ...any) {
		return func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			say(format, args...)
		}
	}
	return one(note), one(trouble)
}

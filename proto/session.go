package proto

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"trireme/proto/msg"
	"trireme/wire"
)

const (
	// beatEvery is the time between two heartbeats of each end.
	beatEvery = time.Second
	// silenceLive is how long an end may stay silent before it counts as dead:
	// long enough for a joiner whose disk stalls every goroutine.
	silenceLive = 60 * time.Second
	// silenceLocked is the same while the donor's server is locked (R-LOCK-7).
	silenceLocked = 5 * time.Second
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

	silence atomic.Int64             // time.Duration: allowed silence on control
	end     atomic.Int64             // wall clock, ns: when control is cut off whatever arrives; 0: not yet
	deaf    atomic.Bool              // control itself has failed: nobody hears us
	closing atomic.Bool              // no more failures are recorded: the session is over
	beats   func() int64             // what our heartbeats report
	heard   func(int64)              // called with what the peer's report
	queue   func() (msg.Queue, bool) // what goes with our heartbeats; nil: nothing
	queued  func(msg.Queue)          // called with what the peer reports of its queue; nil: nobody cares

	control *wire.Conn
	in      chan frame // control frames for the main function; closed by the reader
	sending sync.Mutex // one writer on control at a time
	scratch []byte     // guarded by sending

	mu    sync.Mutex
	conns []*wire.Conn
	past  int64         // wire bytes of connections that were replaced
	again int64         // what those sent again
	spent time.Duration // what those waited in writes
}

// frame is one control message. The body belongs to the receiver.
type frame struct {
	typ  msg.Type
	body []byte
}

func newSession(ctx context.Context) *session {
	s := &session{in: make(chan frame, maxAhead)}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.silence.Store(int64(silenceLive))
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
		return failf(CodeNetwork, "%s: %w", what, hangup(err))
	}
}

// hangup words an end of file as what it means here.
func hangup(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the other end closed the connection")
	}
	return err
}

// own adds a connection to those that close with the session.
func (s *session) own(c *wire.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, c)
	if s.ctx.Err() != nil {
		c.Close()
	}
}

// disown closes a connection that is no longer used; its bytes stay counted.
func (s *session) disown(c *wire.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Close()
	s.past += c.Written() + c.Read()
	s.again += c.Retransmitted()
	s.spent += c.BlockedWriting()
	s.conns = slices.DeleteFunc(s.conns, func(o *wire.Conn) bool { return o == c })
}

// wireBytes counts what all connections of the session moved, both ways.
func (s *session) wireBytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.past
	for _, c := range s.conns {
		n += c.Written() + c.Read()
	}
	return n
}

// retransmitted counts the bytes that all connections of the session had to send again.
func (s *session) retransmitted() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.again
	for _, c := range s.conns {
		n += c.Retransmitted()
	}
	return n
}

// blockedWriting is the time that all connections of the session have waited for the
// kernel to take bytes.
func (s *session) blockedWriting() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.spent
	for _, c := range s.conns {
		d += c.BlockedWriting()
	}
	return d
}

// hush changes how long the peer may stay silent, for the read that is waiting too.
func (s *session) hush(d time.Duration) error {
	s.silence.Store(int64(d))
	return s.control.SetReadDeadline(time.Now().Add(d))
}

// arm sets the deadline of the next read on control. hush and expire may run at the
// same time; what they say wins.
func (s *session) arm() error {
	for {
		end, limit := s.end.Load(), s.silence.Load()
		at := time.Now().Add(time.Duration(limit))
		if end != 0 {
			at = time.Unix(0, end)
		}
		if err := s.control.SetReadDeadline(at); err != nil {
			return err
		}
		if s.end.Load() == end && s.silence.Load() == limit {
			return nil
		}
	}
}

// expire gives the peer lastWords to hang up, whatever it still sends.
func (s *session) expire() {
	at := time.Now().Add(lastWords)
	if s.end.CompareAndSwap(0, at.UnixNano()) {
		_ = s.control.SetReadDeadline(at)
	}
}

// attach makes c the control connection and starts its reader and heartbeat.
func (s *session) attach(c *wire.Conn) {
	s.control = c
	s.own(c)
	s.run(s.readControl)
	s.run(s.beat)
	s.run(s.cutData)
}

// cutData closes the data connections when the session ends, so that nobody stays
// blocked on one. Control stays open for the last words.
func (s *session) cutData() error {
	<-s.ctx.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		if c != s.control {
			c.Close()
		}
	}
	return nil
}

// readControl feeds the main function until the connection ends. Heartbeats and
// Aborts are dealt with here.
func (s *session) readControl() error {
	defer close(s.in)
	buf := make([]byte, msg.MaxBody)
	for {
		if err := s.arm(); err != nil {
			return failf(CodeNetwork, "wait for the other end: %w", err)
		}
		typ, body, err := s.control.Recv(buf)
		switch {
		case err == nil:
		case s.closing.Load():
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return failf(CodeTimeout, "the other end has been silent for %v", time.Duration(s.silence.Load()))
		default:
			s.deaf.Store(true)
			return failf(CodeNetwork, "control connection: %w", hangup(err))
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
			select {
			case s.in <- frame{t, append([]byte(nil), body...)}:
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
	if err := s.control.SetWriteDeadline(time.Now().Add(silenceLive)); err != nil {
		return err
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
		return frame{}, failf(CodeProtocol, "the other end sent %v where %v was due", f.typ, types)
	case <-s.ctx.Done():
		return frame{}, s.cause(nil)
	}
}

// within is next with a limit.
func (s *session) within(limit time.Duration, types ...msg.Type) (frame, error) {
	t := time.AfterFunc(limit, func() {
		s.fail(failf(CodeTimeout, "the other end has not sent %v within %v", types, limit))
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
	var e *Error
	if s.control != nil {
		s.expire()
		if err != nil && !s.deaf.Load() && !(errors.As(err, &e) && e.Remote) {
			s.farewell(err)
		}
	}
	s.mu.Lock()
	for _, c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	return err
}

// farewell tells the peer why, then waits until it has hung up: closing at once,
// with its frames unread, could destroy the message on its way.
func (s *session) farewell(err error) {
	if s.control.SetWriteDeadline(time.Now().Add(lastWords)) != nil {
		return
	}
	s.sending.Lock()
	b := msg.Abort{Code: uint8(CodeOf(err)), Text: err.Error()}.Append(nil)
	sent := s.control.Send(uint8(msg.TypeAbort), b, nil) == nil && s.control.Flush() == nil
	s.sending.Unlock()
	if !sent {
		return
	}
	for range s.in { // ends with the reader, at the deadline at the latest
	}
}

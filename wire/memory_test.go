package wire

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipe is one direction of a connection in memory: a buffer of bounded size that can be cut after a number of bytes.
type pipe struct {
	mu       sync.Mutex
	turn     sync.Cond
	buf      []byte
	limit    int   // of buf
	left     int64 // bytes until it is cut; negative: never
	closed   bool  // by the writer: what is in buf can still be read
	cut      bool  // by anybody: nothing can
	mute     bool  // bytes are taken and vanish
	deadline [2]time.Time
	timer    [2]*time.Timer
}

const (
	reading = 0
	writing = 1
)

func newPipe(limit int, left int64) *pipe {
	p := &pipe{limit: limit, left: left}
	p.turn.L = &p.mu
	return p
}

func (p *pipe) late(side int) bool {
	d := p.deadline[side]
	return !d.IsZero() && !time.Now().Before(d)
}

func (p *pipe) setDeadline(side int, t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline[side] = t
	if p.timer[side] != nil {
		p.timer[side].Stop()
	}
	if !t.IsZero() {
		p.timer[side] = time.AfterFunc(time.Until(t), p.turn.Broadcast)
	}
	p.turn.Broadcast()
}

// end closes the pipe. hard: nothing that is in it arrives any more.
func (p *pipe) end(hard bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.cut = p.cut || hard
	for _, t := range p.timer {
		if t != nil {
			t.Stop()
		}
	}
	p.turn.Broadcast()
}

// memConn is one end. Its peer shares both pipes.
type memConn struct {
	in, out *pipe
	name    string
	// onCut is called when the number of bytes is reached.
	onCut func()
}

// memPair makes two ends. The directions are cut, both together, when as many bytes have gone in one of them.
func memPair(limit int, donorBytes, joinerBytes int64) (donor, joiner *memConn) {
	a, b := newPipe(limit, donorBytes), newPipe(limit, joinerBytes)
	cut := func() { a.end(true); b.end(true) }
	return &memConn{b, a, "donor", cut}, &memConn{a, b, "joiner", cut}
}

func (c *memConn) Read(b []byte) (int, error) {
	p := c.in
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.cut:
			return 0, io.ErrUnexpectedEOF
		case p.late(reading):
			return 0, os.ErrDeadlineExceeded
		case len(p.buf) > 0:
			n := copy(b, p.buf)
			p.buf = p.buf[:copy(p.buf, p.buf[n:])]
			p.turn.Broadcast()
			return n, nil
		case p.closed:
			return 0, io.EOF
		}
		p.turn.Wait()
	}
}

func (c *memConn) Write(b []byte) (int, error) {
	p := c.out
	p.mu.Lock()
	done := 0
	for done < len(b) {
		switch {
		case p.cut || p.closed:
			p.mu.Unlock()
			return done, io.ErrClosedPipe
		case p.late(writing):
			p.mu.Unlock()
			return done, os.ErrDeadlineExceeded
		case p.mute:
			p.mu.Unlock()
			return len(b), nil
		case p.left == 0:
			p.mu.Unlock()
			c.onCut()
			return done, io.ErrClosedPipe
		case len(p.buf) < p.limit:
			n := min(len(b)-done, p.limit-len(p.buf))
			if p.left > 0 {
				n = int(min(int64(n), p.left))
				p.left -= int64(n)
			}
			p.buf = append(p.buf, b[done:done+n]...)
			done += n
			p.turn.Broadcast()
			continue
		}
		p.turn.Wait()
	}
	p.mu.Unlock()
	return done, nil
}

func (c *memConn) Close() error {
	c.out.end(false)
	c.in.end(true)
	return nil
}

func (c *memConn) LocalAddr() net.Addr  { return memAddr(c.name) }
func (c *memConn) RemoteAddr() net.Addr { return memAddr("the other of " + c.name) }

func (c *memConn) SetDeadline(t time.Time) error {
	c.in.setDeadline(reading, t)
	c.out.setDeadline(writing, t)
	return nil
}

func (c *memConn) SetReadDeadline(t time.Time) error  { c.in.setDeadline(reading, t); return nil }
func (c *memConn) SetWriteDeadline(t time.Time) error { c.out.setDeadline(writing, t); return nil }

type memAddr string

func (a memAddr) Network() string { return "memory" }
func (a memAddr) String() string  { return string(a) }

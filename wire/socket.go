package wire

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// socket sits between TLS and TCP, or on top of a QUIC stream. It counts bytes, measures the time spent writing and, once widen was called, gathers
// writes and reads into large system calls. crypto/tls makes one per record otherwise; a record.Conn does its own gathering.
//
// Write and flush may run beside Close; the read side belongs to one goroutine at a time.
type socket struct {
	net.Conn
	direct io.ReadWriter // what reads and writes Conn

	wmu  sync.Mutex // Write, flush and Close's last flush
	wbuf []byte     // nil before widen
	wn   int
	werr error // the first failure; everything after it fails alike

	rbuf       []byte // nil before widen
	rpos, rend int

	written, read atomic.Int64
	again         atomic.Int64 // bytes sent again by TCP, as last seen
	writeTime     atomic.Int64 // nanoseconds
	started       atomic.Bool  // the peer has sent something
	closing       atomic.Bool
}

func newSocket(c net.Conn) *socket {
	s := &socket{Conn: c, direct: c}
	if h := hold(c); h != nil {
		s.direct = h
	}
	return s
}

// widen allocates the buffers. Strangers do not get any. Called between handshake and use, by the only goroutine that knows s.
func (s *socket) widen(size int) {
	s.wbuf = make([]byte, size)
	s.rbuf = make([]byte, size)
}

func (s *socket) Write(p []byte) (int, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.werr != nil {
		return 0, s.werr
	}
	if s.wn+len(p) > len(s.wbuf) {
		if err := s.flushLocked(); err != nil {
			return 0, err
		}
	}
	// What would fill the buffer goes straight from the caller's, which happens in plain mode only.
	if s.wbuf == nil || s.wn == 0 && len(p) >= len(s.wbuf) {
		return s.send(p)
	}
	s.wn += copy(s.wbuf[s.wn:], p)
	return len(p), nil
}

func (s *socket) flush() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	return s.flushLocked()
}

func (s *socket) flushLocked() error {
	if s.werr != nil || s.wn == 0 {
		return s.werr
	}
	_, err := s.send(s.wbuf[:s.wn])
	s.wn = 0
	return err
}

func (s *socket) send(p []byte) (int, error) {
	start := time.Now()
	n, err := s.direct.Write(p)
	s.writeTime.Add(int64(time.Since(start)))
	s.written.Add(int64(n))
	if err != nil {
		s.werr = err
	}
	return n, err
}

func (s *socket) Read(p []byte) (int, error) {
	if s.rpos < s.rend {
		n := copy(p, s.rbuf[s.rpos:s.rend])
		s.rpos += n
		return n, nil
	}
	if len(p) >= len(s.rbuf) { // also before widen
		return s.receive(p)
	}
	n, err := s.receive(s.rbuf)
	if n == 0 {
		return 0, err
	}
	// An error that came with data shows up again with the next read.
	s.rend = n
	s.rpos = copy(p, s.rbuf[:n])
	return s.rpos, nil
}

func (s *socket) receive(p []byte) (int, error) {
	n, err := s.direct.Read(p)
	if n > 0 {
		s.read.Add(int64(n))
		s.started.Store(true)
	}
	return n, err
}

// Close delivers what TLS left in the buffer, its closing alert above all, unless somebody is writing at this moment.
func (s *socket) Close() error {
	if !s.closing.Swap(true) && s.wmu.TryLock() {
		if s.werr == nil && s.wn > 0 {
			// A tls.Conn has just set a deadline in the past.
			if s.Conn.SetWriteDeadline(time.Now().Add(closeTimeout)) == nil {
				_ = s.flushLocked() // the connection is gone in any case; nobody waits for this
			}
		}
		s.wmu.Unlock()
	}
	s.retransmitted()
	return s.Conn.Close()
}

// abandon drops the connection without delivering anything, and without waiting for whoever uses it: below TLS on purpose, whose
// Close could wait for a lock that a handshake holds.
func (s *socket) abandon() {
	if q, ok := s.Conn.(*quicStream); ok {
		q.abandon()
		return
	}
	_ = s.Conn.Close() // dropped; nobody waits for what was in it
}

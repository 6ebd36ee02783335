package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
)

// quicStream is the one stream of a QUIC connection, dressed as a net.Conn. Its Close does for the last bytes what the kernel
// does for TCP: quic-go drops whatever was not acknowledged, or not read, when a connection is closed.
//
// Reads and writes come from one goroutine each; Close, abandon and deadlines from anywhere.
type quicStream struct {
	conn    *quic.Conn
	stream  *quic.Stream // set before anybody but the handshake knows of it
	release func()       // gives back the UDP socket
	proved  atomic.Bool  // the peer is worth waiting for when closing

	reading sync.Mutex
	ended   bool // by reading: the peer has ended its half, so it has called Close

	writing sync.Mutex
	broken  bool // by writing: a write failed, so the stream ends in the middle of something

	closing   atomic.Bool
	deadlines sync.Mutex // while one is set, so that none comes after the last
	once      sync.Once
}

var _ net.Conn = (*quicStream)(nil)

func (q *quicStream) Read(p []byte) (int, error) {
	q.reading.Lock()
	defer q.reading.Unlock()
	if q.closing.Load() {
		return 0, net.ErrClosed
	}
	n, err := q.stream.Read(p)
	if err == io.EOF {
		q.ended = true
		return n, io.EOF
	}
	return n, q.explain(err)
}

func (q *quicStream) Write(p []byte) (int, error) {
	q.writing.Lock()
	defer q.writing.Unlock()
	if q.closing.Load() {
		return 0, net.ErrClosed
	}
	n, err := q.stream.Write(p)
	if err != nil {
		q.broken = true
	}
	return n, q.explain(err)
}

// explain puts the ways in which a QUIC connection ends into the words of a TCP connection.
func (q *quicStream) explain(err error) error {
	var app *quic.ApplicationError
	var reset *quic.StreamError
	var idle *quic.IdleTimeoutError
	switch {
	case err == nil:
		return nil
	case q.closing.Load():
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case errors.As(err, &app) && app.Remote, errors.As(err, &reset) && reset.Remote:
		return fmt.Errorf("the other end gave the connection up: %w", io.ErrUnexpectedEOF)
	case errors.As(err, &app):
		return net.ErrClosed
	case errors.As(err, &idle):
		return fmt.Errorf("no packet has come from the other end for a while: %w", syscall.ETIMEDOUT)
	}
	return &quicError{"QUIC", err}
}

// Close ends the own half, waits until the peer has done the same, which it does when it has read everything and closes, and
// ends the connection. A peer that takes its time keeps what it has received: the connection is then left to it, and ends with
// the socket. Where bytes got stuck the connection is cut, which the peer can tell from an end.
func (q *quicStream) Close() error {
	q.once.Do(func() {
		defer q.release()
		q.deadlines.Lock()
		q.closing.Store(true)
		if q.stream != nil {
			// Wakes up who is reading; nobody reads after that.
			_ = q.stream.SetReadDeadline(time.Unix(1, 0)) // never fails
		}
		q.deadlines.Unlock()
		if q.stream == nil || !q.writing.TryLock() { // nothing was said yet, or a write is stuck
			q.abandon()
			return
		}
		defer q.writing.Unlock()
		q.reading.Lock()
		defer q.reading.Unlock()
		switch {
		case q.broken:
			q.abandon()
		case q.ended:
			// The peer has closed, so it reads no more, and it has this moment been waiting for.
			_ = q.conn.CloseWithError(quicDone, "") // always nil
		default:
			q.linger()
		}
	})
	return nil
}

// linger ends the own half and waits for the peer's, reading away what the peer may still be sending.
func (q *quicStream) linger() {
	if err := q.stream.Close(); err != nil {
		q.abandon()
		return
	}
	got, err := q.drain()
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded): // the peer's end; or it was faster, or is gone
		_ = q.conn.CloseWithError(quicDone, "") // always nil
	case got > 0 || !q.proved.Load():
		q.abandon() // it writes to somebody who is gone and must be told, or is a stranger
	}
}

// drain reads until the peer ends, until it must have everything, or for closeTimeout; the last two are deadline errors. quic-go
// does not say what was acknowledged, but it sends again whatever is not, after a PTO, then after two (RFC 9002 section 6.2.1). When
// it has sent nothing for as long as that, there is nothing it waits for.
func (q *quicStream) drain() (got int64, err error) {
	end := time.Now().Add(closeTimeout)
	sent, since := q.conn.ConnectionStats().PacketsSent, time.Now()
	for {
		st := q.conn.ConnectionStats()
		if st.PacketsSent != sent {
			sent, since = st.PacketsSent, time.Now()
		}
		pto := st.SmoothedRTT + max(4*st.MeanDeviation, time.Millisecond) + quicAckDelay
		quiet := since.Add(3 * pto)
		if now := time.Now(); !now.Before(quiet) || !now.Before(end) {
			return got, os.ErrDeadlineExceeded
		}
		// A step shorter than the rest of it, to see what is sent meanwhile.
		_ = q.stream.SetReadDeadline(time.Now().Add(pto / 2)) // never fails
		n, err := io.Copy(io.Discard, q.stream)
		got += n
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return got, err
		}
	}
}

// abandon ends the connection at once and lets the peer know. Bytes under way are lost.
func (q *quicStream) abandon() { _ = q.conn.CloseWithError(quicCut, "") } // always nil

func (q *quicStream) LocalAddr() net.Addr  { return q.conn.LocalAddr() }
func (q *quicStream) RemoteAddr() net.Addr { return q.conn.RemoteAddr() }

func (q *quicStream) SetDeadline(t time.Time) error {
	return errors.Join(q.SetReadDeadline(t), q.SetWriteDeadline(t))
}

func (q *quicStream) SetReadDeadline(t time.Time) error {
	q.deadlines.Lock()
	defer q.deadlines.Unlock()
	if q.stream == nil || q.closing.Load() {
		return net.ErrClosed
	}
	return q.stream.SetReadDeadline(t)
}

func (q *quicStream) SetWriteDeadline(t time.Time) error {
	q.deadlines.Lock()
	defer q.deadlines.Unlock()
	if q.stream == nil || q.closing.Load() {
		return net.ErrClosed
	}
	return q.stream.SetWriteDeadline(t)
}

package wire

import (
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"trireme/wire/record"
)

// Peer is what is known about the other end of a connection.
type Peer struct {
	Certificates []*x509.Certificate // leaf first; empty when it showed none, and in plain mode
	Remote       string              // its address and port
	Suite        string              // cipher suite, "plain" without TLS
	Transport    Transport           // TCP or QUIC
	Version      uint16              // protocol version both agreed on
	Warnings     []string            // what the policy let pass with a warning
}

// Conn is one authenticated connection that carries frames: a type and some bytes. One goroutine may send while another
// receives; Close, deadlines and counters may be used by anybody at any time. After the first error of Send or Flush, or of
// Recv, that direction is useless.
type Conn struct {
	socket *socket
	stream net.Conn     // the record.Conn, or the socket itself in plain mode and with QUIC
	sealed *record.Conn // the same, when it does the gathering; else nil

	records bool // TLS over TCP, whose records count: QUIC looks after its keys itself
	kind    Kind
	peer    Peer
	session [32]byte

	// Writing. out gathers one record's worth of small pieces, so that a frame header does not become a record of its own.
	out         []byte
	outN        int
	sentRecords atomic.Int64
	keyRecords  int64 // that many in one direction, and the connection is Spent

	ack    [ackSize]byte     // writing; the same
	header [FrameHeader]byte // reading; a field, because a local would be allocated for each frame
}

func newConn(s *socket, stream net.Conn, peer Peer) *Conn {
	records := peer.Suite != plainWord && peer.Transport != QUIC
	size := plainCoalesceSize
	if records {
		size = coalesceSize
	}
	c := &Conn{socket: s, stream: stream, records: records, peer: peer, out: make([]byte, recordSize), keyRecords: spentRecords}
	if r, ok := stream.(*record.Conn); ok && r.Own() {
		r.Widen(coalesced)
		c.sealed = r
	} else {
		s.widen(size)
	}
	return c
}

// FrameError says that a frame breaks a rule: too long, for the protocol or for the buffer, or with reserved bits set.
type FrameError struct {
	Type   uint8
	Length uint32 // head and body as announced
	Limit  int    // what would have been allowed; 0 when the length was fine
}

func (e *FrameError) Error() string {
	if e.Limit == 0 {
		return fmt.Sprintf("frame of type %d has reserved bits set", e.Type)
	}
	return fmt.Sprintf("frame of type %d has %d bytes, at most %d are allowed here", e.Type, e.Length, e.Limit)
}

// errDead is returned instead of using a TLS key beyond its limit.
var errDead = errors.New("wire: the connection has carried as much as its TLS key allows and must be replaced")

// Send puts one frame with the given head and body, either of which may be empty, into the stream:
//
//	0 1  type
//	1 1  flags, zero; Links use one
//	2 2  reserved, zero
//	4 4  length of head and body together, big endian, at most MaxFrame
//	8    head, body
//
// It may keep the frame in a buffer until Flush, and may block when buffers are full. Head and body are not retained. Whole TLS
// records are encrypted straight from body.
func (c *Conn) Send(typ uint8, head, body []byte) error { return c.send(typ, 0, head, body) }

func (c *Conn) send(typ, flags uint8, head, body []byte) error {
	return c.frame(typ, flags, head, body, false)
}

// frame is send. own says that nobody else looks at body meanwhile, whose bytes may then be changed and put back.
func (c *Conn) frame(typ, flags uint8, head, body []byte, own bool) error {
	n := len(head) + len(body)
	if n > MaxFrame {
		panic(fmt.Sprintf("wire: internal error: frame of type %d with %d bytes, at most %d are allowed", typ, n, MaxFrame))
	}
	if len(c.out)-c.outN < FrameHeader {
		if err := c.drain(); err != nil {
			return err
		}
	}
	b := c.out[c.outN : c.outN+FrameHeader]
	b[0], b[1], b[2], b[3] = typ, flags, 0, 0
	binary.BigEndian.PutUint32(b[4:], uint32(n))
	c.outN += FrameHeader
	if err := c.put(head, false); err != nil {
		return err
	}
	return c.put(body, own)
}

// put copies into the gathering buffer what does not fill a record, and writes the rest in place.
func (c *Conn) put(p []byte, own bool) error {
	for len(p) > 0 {
		if c.outN == 0 && len(p) >= recordSize {
			whole := len(p) - len(p)%recordSize
			if err := c.write(p[:whole], own); err != nil {
				return err
			}
			p = p[whole:]
			continue
		}
		n := copy(c.out[c.outN:], p)
		c.outN += n
		p = p[n:]
		if c.outN == len(c.out) {
			if err := c.drain(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Conn) drain() error {
	if c.outN == 0 {
		return nil
	}
	n := c.outN
	c.outN = 0
	return c.write(c.out[:n], false)
}

func (c *Conn) write(p []byte, own bool) error {
	if c.records {
		records := int64((len(p) + recordSize - 1) / recordSize)
		if c.sentRecords.Add(records) > deadRecords {
			return fmt.Errorf("send to %s: %w", c.peer.Remote, errDead)
		}
	}
	var err error
	if own && c.sealed != nil {
		_, err = c.sealed.WriteOwned(p)
	} else {
		_, err = c.stream.Write(p)
	}
	if err != nil {
		return fmt.Errorf("send to %s: %w", c.peer.Remote, err)
	}
	return nil
}

// Flush hands everything sent so far to the kernel, or to quic-go.
func (c *Conn) Flush() error {
	if err := c.drain(); err != nil {
		return err
	}
	var err error
	if c.sealed != nil {
		err = c.sealed.Flush()
	} else {
		err = c.socket.flush()
	}
	if err != nil {
		return fmt.Errorf("send to %s: %w", c.peer.Remote, err)
	}
	return nil
}

// Recv reads one frame into buf and returns its type and its content, which lies in buf[:cap(buf)]. It blocks until the frame is
// complete. io.EOF, unwrapped, means that the peer closed the connection properly between two frames; an end anywhere else
// is io.ErrUnexpectedEOF. A frame that does not fit is a *FrameError, and nothing of it has been read.
func (c *Conn) Recv(buf []byte) (typ uint8, body []byte, err error) {
	h, err := c.recvHeader(0)
	if err != nil {
		return 0, nil, err
	}
	body, err = c.recvBody(h, buf)
	return h.typ, body, err
}

// frameHeader is the beginning of a frame whose content has not been read.
type frameHeader struct {
	typ, flags uint8
	length     uint32
}

// recvHeader reads a header, in which only the given flags may be set. io.EOF as with Recv.
func (c *Conn) recvHeader(flags uint8) (frameHeader, error) {
	h := c.header[:]
	if _, err := io.ReadFull(c.stream, h); err != nil {
		if err == io.EOF { // with TLS only after the closing alert
			return frameHeader{}, io.EOF
		}
		return frameHeader{}, fmt.Errorf("receive from %s: %w", c.peer.Remote, err)
	}
	typ := h[0]
	length := binary.BigEndian.Uint32(h[4:])
	if h[1]&^flags != 0 || h[2] != 0 || h[3] != 0 {
		return frameHeader{}, fmt.Errorf("receive from %s: %w", c.peer.Remote, &FrameError{Type: typ, Length: length})
	}
	return frameHeader{typ, h[1], length}, nil
}

// recvBody reads the content of the frame whose header was read last.
func (c *Conn) recvBody(h frameHeader, buf []byte) ([]byte, error) {
	if limit := min(cap(buf), MaxFrame); h.length > uint32(limit) {
		// Limit 0 is taken for reserved bits, and an empty buffer is no useful limit to print anyway.
		return nil, fmt.Errorf("receive from %s: %w", c.peer.Remote, &FrameError{Type: h.typ, Length: h.length, Limit: max(limit, 1)})
	}
	body := buf[:h.length]
	if _, err := io.ReadFull(c.stream, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("receive from %s: frame of type %d with %d bytes: %w", c.peer.Remote, h.typ, h.length, err)
	}
	return body, nil
}

// SetDeadline bounds all pending and future calls; zero removes the bound. A write that timed out leaves the connection
// useless. It may be used from another goroutine to wake up a blocked one.
func (c *Conn) SetDeadline(t time.Time) error { return c.stream.SetDeadline(t) }

// SetReadDeadline is SetDeadline for Recv alone.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.stream.SetReadDeadline(t) }

// SetWriteDeadline is SetDeadline for Send and Flush alone.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.stream.SetWriteDeadline(t) }

// Close ends the connection and wakes up blocked calls. Frames that were not flushed are lost. It waits at most some seconds, to
// deliver the TLS closing alert, or over QUIC what the other end has not acknowledged.
func (c *Conn) Close() error {
	if err := c.stream.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close connection to %s: %w", c.peer.Remote, err)
	}
	return nil
}

// Kind returns what the connection is for.
func (c *Conn) Kind() Kind { return c.kind }

// Peer returns what is known about the other end. The slices in it must not be changed.
func (c *Conn) Peer() Peer { return c.peer }

// LocalAddr returns this end's address.
func (c *Conn) LocalAddr() net.Addr { return c.stream.LocalAddr() }

// Session identifies a control connection to its data connections: the donor sets Config.Session to it before it dials Data. It is
// a secret and must not be logged. On a data connection it is zero.
func (c *Conn) Session() [32]byte { return c.session }

// Written returns the bytes handed to the kernel so far, TLS included; over QUIC those of the stream, as many as the peer reads.
func (c *Conn) Written() int64 { return c.socket.written.Load() }

// Read returns the bytes taken from the kernel so far, TLS included; over QUIC those of the stream.
func (c *Conn) Read() int64 { return c.socket.read.Load() }

// BlockedWriting returns the time spent in write system calls, which is where a slow link or a slow peer shows.
func (c *Conn) BlockedWriting() time.Duration { return time.Duration(c.socket.writeTime.Load()) }

// Spent says that the connection should be replaced by a fresh one soon, because a TLS key is near its limit of 2^24.5 records.
// It turns true after Config.KeyBytes, by default about 256 GB, in one direction; Send fails for good at about 389 GB. Never over
// QUIC, which updates its keys.
func (c *Conn) Spent() bool {
	if !c.records {
		return false
	}
	// The peer's records are taken to be full; it counts its own in the same way as we do ours.
	return c.sentRecords.Load() > c.keyRecords || c.socket.read.Load() > c.keyRecords*(recordSize+recordOverhead)
}

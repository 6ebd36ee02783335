package record

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync/atomic"
)

// Conn is a TLS connection. It is used like a *tls.Conn, except that HandshakeContext must have returned before anything else is
// called, and that Widen and Flush make large system calls of many small records.
//
// Read may write to all of its slice. Write has copied what it was given when it returns. After an error, other than that of a
// deadline of Read, that direction is useless.
type Conn struct {
	net.Conn // what lies below: addresses and deadlines

	intake  *intake
	secrets *secrets // nil after the handshake
	client  bool
	tls     *tls.Conn // nil when the records are ours
	state   tls.ConnectionState
	out     sealer
	in      opener
	closed  atomic.Bool
}

var _ net.Conn = (*Conn)(nil)

// Client is tls.Client. KeyLogWriter of c must be nil; it is this package's.
func Client(nc net.Conn, c *tls.Config) *Conn { return newConn(nc, c, true) }

// Server is tls.Server. KeyLogWriter and GetConfigForClient of c must be nil, and session tickets disabled.
func Server(nc net.Conn, c *tls.Config) *Conn { return newConn(nc, c, false) }

func newConn(nc net.Conn, config *tls.Config, client bool) *Conn {
	if config.KeyLogWriter != nil || !client && (config.GetConfigForClient != nil || !config.SessionTicketsDisabled) {
		panic("record: internal error: a configuration that gets in the way of records")
	}
	c := &Conn{Conn: nc, client: client, intake: &intake{Conn: nc}, secrets: &secrets{}}
	own := config.Clone()
	own.KeyLogWriter = c.secrets
	if client {
		c.tls = tls.Client(c.intake, own)
	} else {
		c.tls = tls.Server(c.intake, own)
	}
	return c
}

// HandshakeContext is that of tls.Conn, errors included.
func (c *Conn) HandshakeContext(ctx context.Context) error {
	defer c.secrets.clear()
	if err := c.tls.HandshakeContext(ctx); err != nil {
		return err
	}
	c.state = c.tls.ConnectionState()
	s, ok := suiteOf(c.state)
	if !ok {
		c.intake.free = true
		return nil
	}
	mine, theirs := c.secrets.client, c.secrets.server
	if !c.client {
		mine, theirs = theirs, mine
	}
	// Both directions stand at their first record: the server sends no tickets, and crypto/tls was given no byte beyond the
	// last record of the handshake.
	out, err := s.half(mine)
	if err != nil {
		return fmt.Errorf("make keys of records: %w", err)
	}
	in, err := s.half(theirs)
	if err != nil {
		return fmt.Errorf("make keys of records: %w", err)
	}
	c.take(out, in)
	c.tls = nil // and what it knows of keys
	return nil
}

// take makes the records ours.
func (c *Conn) take(out, in half) {
	c.out.half, c.out.to = out, c.Conn
	c.in.half, c.in.from, c.in.client = in, c.Conn, c.client
	c.in.alert = func(alert byte, why error) { c.out.last(levelFatal, alert, why) }
}

// ConnectionState is that of tls.Conn at the end of the handshake.
func (c *Conn) ConnectionState() tls.ConnectionState { return c.state }

// Own says that the records are protected by this package. It is false where crypto/tls goes on.
func (c *Conn) Own() bool { return c.tls == nil }

// Widen gives the connection buffers for so many full records a system call, after which Flush has to be called. Without it each Write
// is one. Nobody else may use the connection meanwhile. It does nothing where Own is false.
func (c *Conn) Widen(records int) {
	if !c.Own() {
		return
	}
	size := max(records, 1) * (MaxContent + Overhead)
	c.out.buf, c.out.wide = make([]byte, size), true
	// What was opened in place stays where it is.
	b := make([]byte, max(size, headerSize+maxLength))
	c.in.end = copy(b, c.in.buf[c.in.at:c.in.end])
	c.in.buf, c.in.at = b, 0
}

// Read returns content as soon as there is some.
func (c *Conn) Read(p []byte) (int, error) {
	if c.Own() {
		return c.in.Read(p)
	}
	n, err := c.tls.Read(p)
	// crypto/tls says io.EOF both for a closing alert and for a stream that just stops. Only after the first has the end not
	// come yet, or not been asked for.
	if err == io.EOF && c.intake.ended {
		err = errCut
	}
	return n, err
}

// Write seals p. It may keep records until Flush, once Widen was called.
func (c *Conn) Write(p []byte) (int, error) { return c.write(p, false) }

// WriteOwned is Write for a slice that nobody else looks at meanwhile. It spares a copy: bytes of p are changed, and put back before it
// returns.
func (c *Conn) WriteOwned(p []byte) (int, error) { return c.write(p, true) }

func (c *Conn) write(p []byte, own bool) (int, error) {
	if c.Own() {
		return c.out.write(p, own)
	}
	return c.tls.Write(p)
}

// Flush hands everything sealed so far to the connection below.
func (c *Conn) Flush() error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.flush()
	return c.out.err
}

// Close sends what was sealed and the closing alert, unless somebody is writing at this moment, and closes the connection below. It
// waits a second at most, or five where Own is false.
func (c *Conn) Close() error {
	if !c.Own() {
		return c.tls.Close()
	}
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	c.out.last(levelWarning, alertCloseNotify, net.ErrClosed)
	return c.Conn.Close()
}

package wire

import (
	"crypto/x509"
	"net"
	"time"
)

// MaxFrame is the largest head plus body of one frame.
const MaxFrame = 1<<20 + 128<<10

// Peer is what is known about the other end of a connection.
type Peer struct {
	Certificates []*x509.Certificate
	Remote       string
	Suite        string
	Version      uint16
	Warnings     []string
}

// Conn is one authenticated connection that carries frames.
type Conn struct{}

func (c *Conn) Send(typ uint8, head, body []byte) error { panic("wire: not built yet") }
func (c *Conn) Flush() error                            { panic("wire: not built yet") }
func (c *Conn) Recv(buf []byte) (typ uint8, body []byte, err error) {
	panic("wire: not built yet")
}
func (c *Conn) SetDeadline(t time.Time) error      { panic("wire: not built yet") }
func (c *Conn) SetReadDeadline(t time.Time) error  { panic("wire: not built yet") }
func (c *Conn) SetWriteDeadline(t time.Time) error { panic("wire: not built yet") }
func (c *Conn) Close() error                       { panic("wire: not built yet") }
func (c *Conn) Kind() Kind                         { panic("wire: not built yet") }
func (c *Conn) Peer() Peer                         { panic("wire: not built yet") }
func (c *Conn) LocalAddr() net.Addr                { panic("wire: not built yet") }

// Session identifies a control connection to its data connections: set Config.Session to it before dialling Data.
func (c *Conn) Session() [32]byte { panic("wire: not built yet") }

// Written and Read are bytes on the wire, TLS included. Safe for concurrent use.
func (c *Conn) Written() int64 { panic("wire: not built yet") }
func (c *Conn) Read() int64    { panic("wire: not built yet") }

// BlockedWriting is the time spent inside writes to the socket. Safe for concurrent use.
func (c *Conn) BlockedWriting() time.Duration { panic("wire: not built yet") }

// Spent says that the connection should be replaced by a fresh one soon, because its TLS keys are near their limit.
func (c *Conn) Spent() bool { panic("wire: not built yet") }

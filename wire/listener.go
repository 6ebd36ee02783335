package wire

import (
	"context"
	"net"
)

// Listener accepts the donor's connections.
type Listener struct{}

func Listen(ctx context.Context, addr string, c Config) (*Listener, error) {
	panic("wire: not built yet")
}
func (l *Listener) Accept(ctx context.Context) (*Conn, error) { panic("wire: not built yet") }
func (l *Listener) Close() error                              { panic("wire: not built yet") }
func (l *Listener) Addr() net.Addr                            { panic("wire: not built yet") }

// Ticket returns the ticket of this listener for a donor that reaches it as host.
func (l *Listener) Ticket(host string) Ticket { panic("wire: not built yet") }

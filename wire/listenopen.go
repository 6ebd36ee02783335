package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// portTries is how often a joiner that takes any port looks for one that is free for TCP and UDP alike.
const portTries = 20

// open opens the sockets of a joiner: TCP, and UDP on the same port where QUIC is wanted. udp is nil where it is not, and where
// it cannot be had but TCP will do.
func (c Config) open(ctx context.Context, addr string, lc net.ListenConfig) (ln net.Listener, udp *net.UDPConn, err error) {
	for try := 1; ; try++ {
		if ln, err = lc.Listen(ctx, c.Socket.network(), addr); err != nil {
			return nil, nil, listenError("tcp", addr, err)
		}
		if !c.udp() {
			return ln, nil, nil
		}
		where := ln.Addr().String()
		host, asked, _ := net.SplitHostPort(addr)
		if _, port, err := net.SplitHostPort(where); err == nil {
			where = net.JoinHostPort(host, port) // host as it was given: it decides the families
		}
		udp, err = c.Socket.udpListen(ctx, where)
		switch {
		case err == nil:
			return ln, udp, nil
		case asked == "0" && errors.Is(err, syscall.EADDRINUSE) && try < portTries:
		case c.Transport == Auto:
			c.note(fmt.Sprintf("transfers use TCP alone: %v", listenError("udp", where, err)))
			return ln, nil, nil
		default:
			_ = ln.Close() // just opened
			return nil, nil, listenError("udp", where, err)
		}
		_ = ln.Close() // just opened; another port is tried
	}
}

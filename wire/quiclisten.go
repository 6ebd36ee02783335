package wire

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"

	"github.com/quic-go/quic-go"
)

// quicSide is the UDP half of a Listener.
type quicSide struct {
	ep   *endpoint
	ln   *quic.Listener
	gate *gate
}

// arrival is a handshake that is under way. It hangs on the connection's context, under arrivalKey.
type arrival struct {
	leave func() // the gate
	done  atomic.Bool
}

type arrivalKey struct{}

// listenQUIC takes over the socket. Nothing is accepted before runQUIC.
func (l *Listener) listenQUIC(udp *net.UDPConn) error {
	side := &quicSide{ep: newEndpoint(udp), gate: newGate(l.config.strangers())}
	tr := side.ep.transport
	tr.VerifySourceAddress = func(net.Addr) bool { return side.gate.doubtful() }
	tr.ConnContext = func(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
		return l.arrive(ctx, side.gate, info.RemoteAddr)
	}
	var err error
	// Twice the idle time is all that quic-go gives a handshake.
	if side.ln, err = tr.Listen(l.config.joinerTLS(), l.config.quicConfig(l.config.timeout()/2, 1)); err != nil {
		side.ep.release()
		return err
	}
	l.quic = side
	l.config.note(shortfall(udp))
	return nil
}

// arrive decides whether somebody may begin a handshake. It runs in quic-go's goroutine for all packets and must not block.
func (l *Listener) arrive(ctx context.Context, g *gate, remote net.Addr) (context.Context, error) {
	from := addrOf(remote)
	if !l.config.Socket.allows(from) {
		err := &StrangerError{remote.String(), CauseAddress, errors.New("its address is not among the allowed ones (range)")}
		l.reports.add(err, from)
		return nil, err
	}
	leave, err := g.enter(from)
	if err != nil {
		l.reports.add(&StrangerError{remote.String(), CauseCrowd, err}, from)
		return nil, err
	}
	a := &arrival{leave: leave}
	// The context ends with the connection, also when its handshake fails.
	context.AfterFunc(ctx, func() {
		leave()
		if !a.done.Load() && l.ctx.Err() == nil {
			err := context.Cause(ctx)
			l.reports.add(&StrangerError{remote.String(), quicCause(err), &quicError{"QUIC handshake", err}}, from)
		}
	})
	return context.WithValue(ctx, arrivalKey{}, a), nil
}

// quicCause sorts the ways in which a QUIC handshake fails.
func quicCause(err error) Cause {
	var transport *quic.TransportError
	var idle *quic.IdleTimeoutError
	var handshake *quic.HandshakeTimeoutError
	switch {
	case errors.As(err, &idle), errors.As(err, &handshake):
		return CauseTimeout
	case errors.As(err, &transport) && transport.ErrorCode.IsCryptoError():
		return CauseTLS
	}
	return ioCause(err, CauseProtocol)
}

// runQUIC accepts connections that have finished their handshake, until the listener is closed.
func (l *Listener) runQUIC() {
	for {
		conn, err := l.quic.ln.Accept(l.ctx)
		if err != nil {
			return // the listener or its socket is closed
		}
		if a, ok := conn.Context().Value(arrivalKey{}).(*arrival); ok {
			a.done.Store(true)
			a.leave()
		}
		l.quic.ep.hold()
		q := &quicStream{conn: conn, release: l.quic.ep.release}
		s := newSocket(q)
		m := l.crowd.admit(s, addrOf(conn.RemoteAddr()))
		m.encrypted.Store(true)
		l.wg.Go(func() {
			l.serve(s, m, func(ctx context.Context) (net.Conn, *Conn, error) { return l.shakeQUIC(ctx, q, s, m) })
		})
	}
}

// shakeQUIC is shake for QUIC. What strangers are told is delivered while they still count as such.
func (l *Listener) shakeQUIC(ctx context.Context, q *quicStream, s *socket, m *member) (net.Conn, *Conn, error) {
	stream, err := q.conn.AcceptStream(ctx)
	if err != nil {
		return s, nil, &StrangerError{s.RemoteAddr().String(), ioCause(err, CauseClosed), &quicError{"wait for the stream of a QUIC connection", err}}
	}
	q.stream = stream
	deadline, _ := ctx.Deadline()
	if err := s.SetDeadline(deadline); err != nil {
		return s, nil, &StrangerError{s.RemoteAddr().String(), CauseSystem, err}
	}
	ch, err := quicChannel(q, s)
	if err != nil {
		return s, nil, &StrangerError{s.RemoteAddr().String(), CauseProtocol, err}
	}
	ch.proved = func() error {
		if l.crowd.leave(m) {
			return l.pushedOut(s)
		}
		q.proved.Store(true)
		return nil
	}
	conn, err := joinerHandshake(ch, l.config, &l.seat)
	if err != nil && !q.proved.Load() {
		_ = s.Close() // a stranger; what it was told is on its way
	}
	return s, conn, err
}

// closeQUIC refuses who is in a handshake, and lets go of the socket. Accepted connections keep it.
func (l *Listener) closeQUIC() {
	if l.quic != nil {
		_ = l.quic.ln.Close() // always nil
	}
}

// addrOf returns an address without port, zone and mapping, which is what strangers are told apart by.
func addrOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

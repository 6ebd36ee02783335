package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"trireme/wire/identity"
	"trireme/wire/record"
)

// Listener is the joiner's end: it accepts connections that prove to come from the donor, and keeps everybody else away.
// All methods are safe for concurrent use.
//
//	accept loop -> one goroutine per connection (TLS, preface) -> Accept
//
// QUIC has a loop of its own, which gets connections whose TLS is done. The first stage is sequential, the second parallel and bounded by Config.MaxStrangers, and the order of arrival is not kept.
type Listener struct {
	ln     net.Listener // TCP; there is always one
	quic   *quicSide    // nil without QUIC
	config Config
	tls    *tls.Config // nil in plain mode

	ctx     context.Context
	cancel  context.CancelCauseFunc
	wg      sync.WaitGroup
	unhook  func() bool
	results chan result // handed over directly, so that Close knows what nobody took

	crowd   *crowd
	reports *reports
	seat    seat
	once    sync.Once // the listener's own hold on the UDP socket
}

type result struct {
	conn *Conn
	err  error
}

// Listen opens addr, HOST:PORT with an empty host for all addresses and port 0 for any, and starts to accept in the background.
// The listener stops with ctx, but Close has to be called in any case. c.Nonce must be set, and c.Material unless c.Plain.
func Listen(ctx context.Context, addr string, c Config) (*Listener, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	if c.Nonce == ([16]byte{}) {
		return nil, fmt.Errorf("listen on %s: the nonce is all zero, draw one with NewNonce", addr)
	}
	if !c.Plain && (c.Material == nil || c.Material.Leaf == nil) {
		return nil, fmt.Errorf("listen on %s: encryption needs a certificate, and there is none", addr)
	}
	lc := net.ListenConfig{KeepAliveConfig: c.Socket.keepAlive(), Control: func(network, address string, raw rawConn) error {
		return c.Socket.control(ctx, network, address, raw)
	}}
	ln, udp, err := c.open(ctx, addr, lc)
	if err != nil {
		return nil, err
	}
	l := &Listener{
		ln: ln, config: c, results: make(chan result),
		crowd: newCrowd(c.strangers()), reports: newReports(c.OnStranger),
	}
	l.seat.init(c)
	if !c.Plain {
		l.tls = c.joinerTLS()
	}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	if udp != nil {
		if err := l.listenQUIC(udp); err != nil {
			_ = ln.Close() // just opened
			l.cancel(err)
			return nil, fmt.Errorf("listen for QUIC on %s: %w", udp.LocalAddr(), err)
		}
		l.wg.Go(l.runQUIC)
	}
	// The end of ctx must end what is blocked in the kernel too.
	l.unhook = context.AfterFunc(ctx, func() {
		_ = ln.Close() // Close reports its error itself
		l.crowd.closeAll()
		l.closeQUIC()
	})
	l.wg.Go(l.run)
	return l, nil
}

// Addr returns the address that is listened on, with the real port.
func (l *Listener) Addr() net.Addr { return l.ln.Addr() }

// Ticket returns what a donor needs that reaches this listener under the name or address host. A zone, which cannot travel, is
// left out.
func (l *Listener) Ticket(host string) Ticket {
	host, _, _ = strings.Cut(strings.Trim(host, "[]"), "%")
	t := Ticket{Host: host, Version: int(l.config.MaxVersion), Plain: l.config.Plain, Nonce: l.config.Nonce}
	if l.quic != nil {
		t.Transport = l.config.Transport
	}
	if a, ok := l.ln.Addr().(*net.TCPAddr); ok {
		t.Port = a.Port
	}
	if !t.Plain {
		t.Pin = identity.Pin(l.config.Material.Leaf)
	}
	return t
}

// Accept waits for the next connection of the donor. It fails with a *RefusedError when the donor came and cannot be used, or
// cannot use us (the listener goes on, but the set-up has to change first), with the cause of ctx, or, when the listener was
// closed, with an error that wraps net.ErrClosed. Strangers are never seen here.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	select {
	case r := <-l.results:
		return r.conn, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("accept on %s: %w", l.Addr(), context.Cause(ctx))
	case <-l.ctx.Done():
		return nil, fmt.Errorf("accept on %s: %w", l.Addr(), context.Cause(l.ctx))
	}
}

// Close stops listening, drops every connection that Accept has not returned, and waits for all goroutines. Accepted
// connections stay open.
func (l *Listener) Close() error {
	l.unhook()
	l.cancel(net.ErrClosed)
	err := l.ln.Close()
	l.crowd.closeAll()
	l.closeQUIC()
	l.wg.Wait()
	if l.quic != nil {
		l.once.Do(l.quic.ep.release)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close listener %s: %w", l.Addr(), err)
	}
	return nil
}

// run accepts until the listener is closed. Errors of single connections, and a system short of descriptors, are survived.
func (l *Listener) run() {
	for l.ctx.Err() == nil {
		nc, err := l.ln.Accept()
		if err != nil {
			if l.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			l.reports.add(&StrangerError{l.Addr().String(), CauseSystem, fmt.Errorf("accept: %w", err)}, remoteless)
			select {
			case <-time.After(acceptPause):
			case <-l.ctx.Done():
			}
			continue
		}
		l.welcome(nc)
	}
}

func (l *Listener) welcome(nc net.Conn) {
	from := addrOf(nc.RemoteAddr())
	if !l.config.Socket.allows(from) {
		_ = nc.Close() // a stranger; nothing was sent
		l.reports.add(&StrangerError{nc.RemoteAddr().String(), CauseAddress, errors.New("its address is not among the allowed ones (range)")}, from)
		return
	}
	l.config.Socket.tune(nc)
	s := newSocket(nc)
	m := l.crowd.admit(s, from)
	l.wg.Go(func() {
		l.serve(s, m, func(ctx context.Context) (net.Conn, *Conn, error) { return l.shake(ctx, s, m) })
	})
}

// serve takes one connection through its handshake and hands over the result.
func (l *Listener) serve(s *socket, m *member, shake func(context.Context) (net.Conn, *Conn, error)) {
	ctx, cancel := context.WithTimeout(l.ctx, l.config.timeout())
	defer cancel()
	stream, conn, err := shake(ctx)
	if l.crowd.leave(m) { // whatever the handshake made of the sudden end
		err = l.pushedOut(s)
	}
	var stranger *StrangerError
	switch {
	case err == nil:
	case l.ctx.Err() != nil:
		_ = stream.Close() // nobody wants it any more
		return
	case errors.As(err, &stranger):
		_ = stream.Close() // a stranger
		l.reports.add(stranger, m.from)
		return
	default:
		_ = stream.Close() // refused, and both ends know why
	}
	select {
	case l.results <- result{conn, err}:
	case <-l.ctx.Done():
		if conn != nil {
			_ = conn.Close() // Accept will not come for it
		}
	}
}

func (l *Listener) pushedOut(s *socket) error {
	return &StrangerError{s.RemoteAddr().String(), CauseCrowd, fmt.Errorf("pushed out, %d connections are waiting to prove themselves", l.config.strangers())}
}

// shake returns the stream to close in any case, and the connection or the reason against it.
func (l *Listener) shake(ctx context.Context, s *socket, m *member) (net.Conn, *Conn, error) {
	deadline, _ := ctx.Deadline()
	if err := s.SetDeadline(deadline); err != nil {
		return s, nil, &StrangerError{s.RemoteAddr().String(), CauseSystem, err}
	}
	// A peer that has proved itself cannot be pushed out any more.
	proved := func() error {
		if l.crowd.leave(m) {
			return l.pushedOut(s)
		}
		return nil
	}
	if l.tls == nil {
		ch := plainChannel(s)
		ch.proved = proved
		conn, err := joinerHandshake(ch, l.config, &l.seat)
		return s, conn, err
	}
	t := record.Server(s, l.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		return t, nil, tlsError(s.RemoteAddr().String(), err)
	}
	m.encrypted.Store(true)
	ch, err := tlsChannel(s, t)
	if err != nil {
		return t, nil, &StrangerError{s.RemoteAddr().String(), CauseProtocol, err}
	}
	ch.proved = proved
	conn, err := joinerHandshake(ch, l.config, &l.seat)
	return t, conn, err
}

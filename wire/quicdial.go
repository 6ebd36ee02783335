package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/quic-go/quic-go"

	"trireme/wire/identity"
)

// silentError says that nothing at all came back over UDP. Firewalls that drop it are common where TCP passes, but there are other
// reasons: a program that has ended says nothing over UDP either, and its kernel's word for it does not get as far as here.
type silentError struct {
	to      string
	stood   bool  // a connection over QUIC has stood in this session: UDP does get through
	refused error // TCP to the same port is refused, where a joiner listens in any case; nil: that is not known
	err     error
}

func (e *silentError) Error() string {
	text := fmt.Sprintf("nothing came back from UDP %s within %v", e.to, quicSilence)
	switch {
	case e.stood:
		return text + ", where connections have stood before: the joiner's program has ended, or the path is cut; its own log tells"
	case e.refused != nil:
		return text + ", and TCP is refused there, on which the joiner listens as well: its program has ended, or a firewall stops both; see whether it still runs"
	}
	return text + "; a firewall on the way may let TCP pass and not UDP: open that UDP port from the donor to the joiner, or set transport=auto or transport=tls on the joiner"
}

func (e *silentError) Unwrap() []error {
	if e.refused == nil {
		return []error{e.err}
	}
	return []error{e.err, e.refused}
}

// secureQUIC opens a QUIC connection on a socket of its own, compares the pin and opens the one stream.
func secureQUIC(ctx context.Context, to netip.AddrPort, t Ticket, c Config) (*channel, error) {
	udp, err := c.Socket.udpFor(ctx, to.Addr())
	if err != nil {
		return nil, fmt.Errorf("open a UDP socket: %w", err)
	}
	ep := newEndpoint(udp)
	conn, err := ep.transport.Dial(ctx, net.UDPAddrFromAddrPort(to), c.donorTLS(), c.quicConfig(quicSilence, -1))
	if err != nil {
		ep.release()
		return nil, dialQUICError(ctx, to.String(), c.stood != nil && c.stood.Load(), err)
	}
	c.Choice.once(shortfall(udp), c)
	q := &quicStream{conn: conn, release: ep.release}
	fail := func(err error) (*channel, error) {
		_ = q.Close() // always nil
		return nil, err
	}
	ch, err := quicChannel(q, newSocket(q))
	if err != nil {
		return fail(&StrangerError{to.String(), CauseProtocol, err})
	}
	if err := checkPin(ch, t, identity.Pin); err != nil {
		return fail(err)
	}
	if q.stream, err = conn.OpenStreamSync(ctx); err != nil {
		return fail(&StrangerError{to.String(), CauseProtocol, &quicError{"open a stream", err}})
	}
	q.proved.Store(true) // the pin is right: whatever is said last is worth being heard
	return ch, nil
}

// donorTLS is a donor's TLS. The certificate is compared with the pin after the handshake and judged by the policy after the
// nonce was proved. There is no resumption that could skip either.
func (c Config) donorTLS() *tls.Config {
	config := c.tlsConfig()
	config.InsecureSkipVerify = true
	config.ServerName = c.Socket.ServerName
	if c.Material != nil && c.Material.Leaf != nil {
		// Shown whatever the server lists as acceptable: it lists nothing.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.Material.Certificate, nil }
	}
	return config
}

// joinerTLS is a joiner's TLS. A certificate is asked for but not required here: a donor without one is told so in the preface,
// not by a TLS alert.
func (c Config) joinerTLS() *tls.Config {
	config := c.tlsConfig()
	config.Certificates = []tls.Certificate{c.Material.Certificate}
	config.ClientAuth = tls.RequestClientCert
	return config
}

// quicChannel reads out a QUIC connection after its handshake.
func quicChannel(q *quicStream, s *socket) (*channel, error) {
	state := q.conn.ConnectionState().TLS
	exporter, err := state.ExportKeyingMaterial(exporterLabel, nil, exporterSize)
	if err != nil {
		return nil, fmt.Errorf("derive key material from TLS: %w", err)
	}
	return &channel{
		socket: s, stream: s, remote: q.RemoteAddr().String(), peer: state.PeerCertificates, transport: QUIC,
		suite: tls.CipherSuiteName(state.CipherSuite), exporter: exporter,
	}, nil
}

// quicError is an error of quic-go's, which may hold what the peer had to say: anything.
type quicError struct {
	doing string
	err   error
}

func (e *quicError) Error() string { return e.doing + ": " + cleanReason(e.err.Error()) }

func (e *quicError) Unwrap() error { return e.err }

// dialQUICError sorts the ways in which no QUIC connection comes about. stood is silentError's.
func dialQUICError(ctx context.Context, to string, stood bool, err error) error {
	var idle *quic.IdleTimeoutError
	var transport *quic.TransportError
	switch {
	case ctx.Err() != nil:
		return &StrangerError{to, CauseTimeout, fmt.Errorf("QUIC handshake: %w", context.Cause(ctx))}
	case errors.As(err, &idle):
		return &silentError{to: to, stood: stood, err: err}
	case errors.As(err, &transport) && transport.ErrorCode == quic.ConnectionRefused:
		return &StrangerError{to, CauseClosed, errors.New("QUIC handshake: the joiner is busy with others, or is closing")}
	}
	if cause := quicCause(err); cause == CauseTimeout || cause == CauseTLS {
		return &StrangerError{to, cause, &quicError{"QUIC handshake", err}}
	}
	return &quicError{"QUIC handshake", err}
}

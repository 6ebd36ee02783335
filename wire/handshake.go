package wire

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"trireme/wire/identity"
	"trireme/wire/record"
)

// objection is why one end does not want to go on, in the form in which the other end is told.
type objection struct {
	code Code
	text string
	err  error
}

// channel is a connection during its handshake: the byte stream and what TLS said about it.
type channel struct {
	socket   *socket
	stream   net.Conn
	remote   string
	peer     []*x509.Certificate
	suite    string
	exporter []byte
	// transport is what lies below, TCP or QUIC.
	transport Transport

	// proved, if set, is called once when the peer has proved itself. An error means that the connection was given up
	// already.
	proved func() error
}

// plainChannel is the channel of a connection without TLS.
func plainChannel(s *socket) *channel {
	return &channel{socket: s, stream: s, remote: s.RemoteAddr().String(), suite: plainWord, transport: TCP}
}

// tlsChannel reads out a TLS connection after its handshake.
func tlsChannel(s *socket, t *record.Conn) (*channel, error) {
	state := t.ConnectionState()
	// A server that has protocols still takes clients that name none, and the other way round.
	if state.NegotiatedProtocol != alpn {
		return nil, fmt.Errorf("the peer speaks TLS but did not ask for the protocol %q", alpn)
	}
	exporter, err := state.ExportKeyingMaterial(exporterLabel, nil, exporterSize)
	if err != nil {
		return nil, fmt.Errorf("derive key material from TLS: %w", err)
	}
	return &channel{
		socket: s, stream: t, remote: s.RemoteAddr().String(), peer: state.PeerCertificates,
		suite: tls.CipherSuiteName(state.CipherSuite), exporter: exporter, transport: TCP,
	}, nil
}

// conn turns the channel into a connection for use.
func (ch *channel) conn(kind Kind, version uint16, warnings []string, session [32]byte, c Config) (*Conn, error) {
	if err := ch.stream.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("prepare connection to %s: %w", ch.remote, err)
	}
	conn := newConn(ch.socket, ch.stream, Peer{
		Certificates: ch.peer, Remote: ch.remote, Suite: ch.suite, Transport: ch.transport, Version: version, Warnings: warnings,
	})
	conn.kind, conn.session, conn.keyRecords = kind, session, c.keyRecords()
	return conn, nil
}

// judge applies the policy to what the peer showed.
func (ch *channel) judge(p identity.Policy, usage x509.ExtKeyUsage) (warnings []string, o *objection) {
	if ch.suite == plainWord {
		return nil, nil
	}
	p.Usage = usage
	warnings, err := p.Check(ch.peer)
	if err != nil {
		return nil, &objection{CodePolicy, cleanReason(err.Error()), err}
	}
	return warnings, nil
}

// ours is the peer's reason for a refusal. The peer knows our certificate but not our files, and whoever reads this end's log
// looks for a file.
func (c Config) ours(v verdict) string {
	reason := cleanReason(v.reason)
	if v.code == CodePolicy && c.Material != nil && c.Material.LeafFrom != "" {
		reason += "; what this node showed is " + c.Material.LeafFrom
	}
	return reason
}

// agree finds the highest version that both speak.
func agree(donor, joiner hello) (version uint16, o *objection) {
	version = min(donor.max, joiner.max)
	if version >= max(donor.min, joiner.min) {
		return version, nil
	}
	err := fmt.Errorf("no common protocol version: the donor speaks %d to %d, the joiner %d to %d; install the same release on both", donor.min, donor.max, joiner.min, joiner.max)
	return 0, &objection{CodeVersion, cleanReason(err.Error()), err}
}

func newHello(magic string, word uint8, c Config) hello {
	h := hello{magic: magic, min: c.MinVersion, max: c.MaxVersion, word: word}
	rand.Read(h.random[:]) // never fails, by its documentation
	return h
}

// readHello reads the peer's 48 bytes. raw is what the proofs cover.
func (ch *channel) readHello(magic string) (h hello, raw []byte, err error) {
	raw = make([]byte, helloSize)
	// The magic is judged before waiting for the rest, so that whoever speaks something shorter is recognised at once.
	if _, err := io.ReadFull(ch.stream, raw[:len(magic)]); err != nil {
		return hello{}, nil, ch.ioError("receive preface", err)
	}
	if string(raw[:len(magic)]) != magic {
		return hello{}, nil, ch.alien(raw[:len(magic)])
	}
	if _, err := io.ReadFull(ch.stream, raw[len(magic):]); err != nil {
		return hello{}, nil, ch.ioError("receive preface", err)
	}
	if h, err = parseHello(raw, magic); err != nil {
		return hello{}, nil, &StrangerError{ch.remote, CauseProtocol, err}
	}
	return h, raw, nil
}

// alien names the protocol that somebody speaks who does not speak ours.
func (ch *channel) alien(first []byte) error {
	if first[0] == 0x16 && first[1] == 3 { // a TLS handshake record
		return &StrangerError{ch.remote, CauseWantsTLS, errors.New("the peer speaks TLS, but encryption is turned off on this node (ssl-mode=DISABLED or encrypt=0)")}
	}
	cause := CauseNotTLS
	if ch.suite != plainWord {
		cause = CauseProtocol
	}
	return &StrangerError{ch.remote, cause, fmt.Errorf("the peer does not speak this protocol, it began with %q%s", first, guess(string(first)))}
}

// guess recognises who usually turns up on this port.
func guess(first string) string {
	switch {
	case strings.HasPrefix(first, "@RSYNCD"), strings.HasPrefix(first, "@RSYN"):
		return ", which is rsync"
	case strings.HasPrefix(first, "SSH-"):
		return ", which is SSH"
	case strings.HasPrefix(first, "GET "), strings.HasPrefix(first, "POST "), strings.HasPrefix(first, "HEAD "):
		return ", which is HTTP"
	}
	return ""
}

func (ch *channel) readVerdict() (v verdict, raw []byte, err error) {
	raw = make([]byte, verdictSize, verdictSize+maxReason)
	if _, err := io.ReadFull(ch.stream, raw); err != nil {
		return verdict{}, nil, ch.ioError("receive proof", err)
	}
	v, n, err := parseVerdictHead(raw)
	if err != nil {
		return verdict{}, nil, &StrangerError{ch.remote, CauseProtocol, err}
	}
	raw = raw[:verdictSize+n]
	if _, err := io.ReadFull(ch.stream, raw[verdictSize:]); err != nil {
		return verdict{}, nil, ch.ioError("receive proof", err)
	}
	v.reason = string(raw[verdictSize:])
	return v, raw, nil
}

func (ch *channel) send(what string, b []byte) error {
	if _, err := ch.stream.Write(b); err != nil {
		return ch.ioError("send "+what, err)
	}
	return nil
}

// ioError sorts the ways in which a connection ends before anything was proved.
func (ch *channel) ioError(doing string, err error) error {
	return &StrangerError{ch.remote, ioCause(err, CauseClosed), fmt.Errorf("%s: %w", doing, err)}
}

func ioCause(err error, otherwise Cause) Cause {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return CauseTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return CauseClosed
	}
	return otherwise
}

// tlsError explains a failed TLS handshake by what the other end sent instead of TLS.
func tlsError(remote string, err error) error {
	var record tls.RecordHeaderError
	if errors.As(err, &record) {
		first := string(record.RecordHeader[:])
		if strings.HasPrefix(donorMagic, first) {
			return &StrangerError{remote, CausePlain, errors.New("the peer speaks without TLS, but this node is set to encrypt; it may have ssl-mode=DISABLED or encrypt=0")}
		}
		return &StrangerError{remote, CauseNotTLS, fmt.Errorf("the peer does not speak TLS, it began with %q%s", first, guess(first))}
	}
	cause := ioCause(err, CauseTLS)
	if cause == CauseTimeout {
		return &StrangerError{remote, cause, fmt.Errorf("the peer did not bring the TLS handshake to its end in time: %w", err)}
	}
	return &StrangerError{remote, cause, fmt.Errorf("TLS handshake: %w", err)}
}

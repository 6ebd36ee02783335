package record

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"trireme/wire/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what must not take long. It is generous, because nothing is asserted about time.
const patience = 20 * time.Second

// ends are two ends of a TLS connection, ours or crypto/tls's.
type ends struct{ client, server net.Conn }

// shaker is what both kinds have.
type shaker interface {
	net.Conn
	HandshakeContext(context.Context) error
}

// sockets makes two ends of a TCP connection that do not outlive the test.
func sockets(t testing.TB) ends {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	for _, c := range []net.Conn{client, server} {
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
	}
	return ends{client, server}
}

func configs(t testing.TB) (client, server *tls.Config) {
	t.Helper()
	m, err := identity.Ephemeral(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	client = &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, Certificates: []tls.Certificate{m.Certificate}}
	server = &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{m.Certificate},
		SessionTicketsDisabled: true, ClientAuth: tls.RequireAnyClientCert,
	}
	return client, server
}

// shake makes TLS over both, whose ends are ours where own says so.
func shake(t testing.TB, below ends, ownClient, ownServer bool) ends {
	t.Helper()
	cc, sc := configs(t)
	var client, server shaker = tls.Client(below.client, cc), tls.Server(below.server, sc)
	if ownClient {
		client = Client(below.client, cc)
	}
	if ownServer {
		server = Server(below.server, sc)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var wg sync.WaitGroup
	var clientErr, serverErr error
	wg.Go(func() { clientErr = client.HandshakeContext(ctx) })
	wg.Go(func() { serverErr = server.HandshakeContext(ctx) })
	wg.Wait()
	if err := errors.Join(clientErr, serverErr); err != nil {
		t.Fatal(err)
	}
	return ends{client, server}
}

// pattern is content of which each byte depends on its place.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// script is a connection whose other end has sent in already, and which keeps what is written.
type script struct {
	net.Conn
	in    []byte
	most  int // bytes a Read returns at most; 0: any
	after error
	out   []byte
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		if s.after != nil {
			return 0, s.after
		}
		return 0, io.EOF
	}
	if s.most > 0 {
		p = p[:min(len(p), s.most)]
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.out = append(s.out, p...)
	return len(p), nil
}

func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) Close() error                     { return nil }

// rig is an end that is past its handshake, with the script below it and the other end's keys.
func rig(t testing.TB, in []byte) (*Conn, *script) {
	t.Helper()
	below := &script{in: in}
	c := &Conn{Conn: below}
	c.take(testHalf(t, 2), testHalf(t, 1))
	return c, below
}

// testHalf makes keys from a number.
func testHalf(t testing.TB, n byte) half {
	t.Helper()
	s := suites[tls.TLS_AES_256_GCM_SHA384]
	h, err := s.half(bytes.Repeat([]byte{n}, s.hash().Size()))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// sealed makes one record as the other end would, of an inner type, content and padding, with the header given where it is not the
// usual.
func sealed(t testing.TB, h *half, typ byte, content []byte, padding int, header ...byte) []byte {
	t.Helper()
	inner := append(append(append([]byte{}, content...), typ), make([]byte, padding)...)
	n := len(inner) + tagSize
	if header == nil {
		header = []byte{typeData, 3, 3, byte(n >> 8), byte(n)}
	}
	nonce, err := h.next()
	if err != nil {
		t.Fatal(err)
	}
	return h.aead.Seal(header, nonce, inner, header)
}

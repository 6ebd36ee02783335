package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"trireme/wire/identity"
	"trireme/wire/identity/ca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what must not take long. It is generous, because nothing is asserted about time.
const patience = 20 * time.Second

func ephemeral(t testing.TB) *identity.Material {
	t.Helper()
	m, err := identity.Ephemeral(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// config is a working configuration of either end with an ephemeral identity.
func config(t testing.TB) Config {
	t.Helper()
	return Config{Material: ephemeral(t), MinVersion: 1, MaxVersion: 1, HandshakeTimeout: patience, Nonce: NewNonce()}
}

func plainConfig(t testing.TB) Config {
	t.Helper()
	return Config{Plain: true, MinVersion: 1, MaxVersion: 1, HandshakeTimeout: patience, Nonce: NewNonce()}
}

func authority(t testing.TB, cn string) *ca.Authority {
	t.Helper()
	a, err := ca.NewCA(cn, ca.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// node makes what a node with certificate files would have loaded.
func node(t testing.TB, a *ca.Authority, cn string, names ...string) *identity.Material {
	t.Helper()
	certPEM, keyPEM, err := a.Issue(cn, names, ca.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(certPEM)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return &identity.Material{Certificate: pair, Leaf: leaf, Anchors: []*x509.Certificate{a.Certificate}, AnchorsFrom: "tca=ca.pem"}
}

func chainPolicy(level identity.Level, a *ca.Authority, names ...string) identity.Policy {
	return identity.Policy{Level: level, Anchors: []*x509.Certificate{a.Certificate}, AnchorsFrom: "tca=ca.pem", Names: names, NamesFrom: "the address"}
}

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	return ctx
}

// each runs a test of the suite once over each transport and family of addresses; listen takes both from the test's name. Donors
// follow the ticket.
func each(t *testing.T, test func(t *testing.T)) {
	for _, transport := range []Transport{TCP, QUIC} {
		t.Run("transport="+transport.String(), test)
		t.Run("transport="+transport.String()+",family=6", test)
	}
}

// host is the address of this machine that the test's name asks for.
func host(t testing.TB) string {
	if strings.Contains(t.Name(), "family=6") {
		return "::1"
	}
	return "127.0.0.1"
}

func listen(t testing.TB, c Config) *Listener {
	t.Helper()
	if c.Transport == 0 && !c.Plain && strings.Contains(t.Name(), "transport=QUIC") {
		c.Transport = QUIC
	}
	l, err := Listen(testContext(t), net.JoinHostPort(host(t), "0"), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// outcome is what the two ends got.
type outcome struct {
	donor, joiner       *Conn
	donorErr, joinerErr error
}

// meet dials and accepts at the same time. When the dial fails without the joiner noticing, joinerErr is what Accept says when
// it is given up.
func meet(t testing.TB, l *Listener, ticket Ticket, kind Kind, c Config) outcome {
	t.Helper()
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	var o outcome
	var wg sync.WaitGroup
	wg.Go(func() { o.joiner, o.joinerErr = l.Accept(ctx) })
	o.donor, o.donorErr = Dial(ctx, ticket, kind, c)
	if o.donorErr != nil {
		// A refusal reaches Accept at about the same time as Dial. Whoever expects one waits for it below.
		timer := time.AfterFunc(patience, cancel)
		defer timer.Stop()
	}
	wg.Wait()
	t.Cleanup(func() {
		// Both at once: with QUIC each waits a moment for the other.
		var wg sync.WaitGroup
		for _, conn := range []*Conn{o.donor, o.joiner} {
			if conn != nil {
				wg.Go(func() { _ = conn.Close() })
			}
		}
		wg.Wait()
	})
	return o
}

// join is meet for cases that must work.
func join(t testing.TB, l *Listener, kind Kind, c Config) (donor, joiner *Conn) {
	t.Helper()
	o := meet(t, l, l.Ticket(host(t)), kind, c)
	if o.donorErr != nil || o.joinerErr != nil {
		t.Fatalf("donor: %v; joiner: %v", o.donorErr, o.joinerErr)
	}
	return o.donor, o.joiner
}

// strangers collects what a listener reports.
type strangers struct {
	mu   sync.Mutex
	errs []error
}

func (s *strangers) add(_ string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

// causeOf returns the cause of a StrangerError, 0 for anything else.
func causeOf(err error) Cause {
	var s *StrangerError
	if errors.As(err, &s) {
		return s.Cause
	}
	return 0
}

// refusal returns the RefusedError in err or fails.
func refusal(t testing.TB, end string, err error) *RefusedError {
	t.Helper()
	var r *RefusedError
	if !errors.As(err, &r) {
		t.Fatalf("%s got %v, want a refusal", end, err)
	}
	return r
}

func (s *strangers) list() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]error(nil), s.errs...)
}

// has waits for a stranger of the given cause.
func (s *strangers) has(t testing.TB, want Cause) {
	t.Helper()
	eventually(t, func() bool {
		for _, err := range s.list() {
			if causeOf(err) == want {
				return true
			}
		}
		return false
	}, func() any { return s.list() })
}

// eventually polls with a deadline.
func eventually(t testing.TB, ok func() bool, state func() any) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not happen; state: %v", state())
		}
	}
}

func rawDial(t testing.TB, l *Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"trireme/wire/identity"
)

// quicJoiner is a joiner that takes QUIC, with what it reports.
func quicJoiner(t testing.TB, transport Transport, change func(*Config)) (*Listener, *strangers) {
	t.Helper()
	seen := new(strangers)
	c := config(t)
	c.Transport, c.OnStranger = transport, seen.add
	if change != nil {
		change(&c)
	}
	return listen(t, c), seen
}

var donorConfig = Config{MinVersion: 1, MaxVersion: 1, HandshakeTimeout: patience}

// stranger opens a QUIC connection that is not a donor's.
func stranger(t testing.TB, l *Listener, alpn string) (*quic.Conn, error) {
	t.Helper()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ep := newEndpoint(udp)
	t.Cleanup(ep.release)
	conn, err := ep.transport.Dial(testContext(t), l.quic.ep.udp.LocalAddr(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}},
		&quic.Config{EnableDatagrams: true, HandshakeIdleTimeout: patience})
	if err == nil {
		t.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	}
	return conn, err
}

// Whatever strangers do over UDP, the listener names it where it has a name, goes on, and lets the donor in.
func TestQUICStrangers(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, l *Listener)
		want Cause // 0: nothing is reported
		text string
	}{
		{"noise", func(t *testing.T, l *Listener) {
			c, err := net.Dial("udp", l.quic.ep.udp.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for n := range 1400 {
				_, _ = c.Write(bytes.Repeat([]byte{byte(n) | 0xc0, byte(n * 7)}, n/2))
			}
		}, 0, ""},
		{"another protocol", func(t *testing.T, l *Listener) {
			if _, err := stranger(t, l, "h3"); err == nil {
				t.Error("connected")
			}
		}, CauseTLS, "QUIC handshake"},
		{"no stream", func(t *testing.T, l *Listener) {
			conn, err := stranger(t, l, alpn)
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, func() bool {
				l.crowd.mu.Lock()
				defer l.crowd.mu.Unlock()
				return len(l.crowd.members) == 1
			}, func() any { return "not accepted" })
			_ = conn.CloseWithError(7, "bye\n\x1b[31m")
		}, CauseClosed, "stream"},
		{"streams and datagrams that nobody asked for", func(t *testing.T, l *Listener) {
			conn, err := stranger(t, l, alpn)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.OpenUniStream(); err == nil {
				t.Error("a stream in one direction was allowed")
			}
			if err := conn.SendDatagram([]byte("x")); err == nil {
				t.Error("a datagram was allowed")
			}
			first, err := conn.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.OpenStream(); err == nil {
				t.Error("a second stream was allowed")
			}
			_, _ = first.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			_ = first.Close()
			_, _ = io.ReadAll(first)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := conn.OpenStreamSync(ctx); err == nil {
				t.Error("another stream was allowed after the first had ended")
			}
		}, CauseProtocol, "HTTP"},
		{"no proof", func(t *testing.T, l *Listener) {
			conn, err := stranger(t, l, alpn)
			if err != nil {
				t.Fatal(err)
			}
			s, err := conn.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			hello := appendHello(nil, newHello(donorMagic, uint8(Control), donorConfig))
			_, _ = s.Write(append(hello, make([]byte, verdictSize)...))
			answer, err := io.ReadAll(s)
			if len(answer) != helloSize+verdictSize || err != nil {
				t.Errorf("%d bytes of answer, %v: the refusal was lost", len(answer), err)
			}
		}, CauseNonce, "nonce"},
		{"nothing more", func(t *testing.T, l *Listener) {
			if _, err := stranger(t, l, alpn); err != nil {
				t.Fatal(err)
			}
		}, CauseTimeout, "stream"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			l, seen := quicJoiner(t, QUIC, func(c *Config) {
				if tc.want == CauseTimeout {
					c.HandshakeTimeout = 300 * time.Millisecond
				}
			})
			tc.do(t, l)
			if tc.want != 0 {
				seen.has(t, tc.want)
				if got := seen.list()[0].Error(); !strings.Contains(got, tc.text) || strings.ContainsAny(got, "\n\x1b") {
					t.Errorf("reported as %q, want %q", got, tc.text)
				}
			}
			if tc.want != CauseTimeout {
				d, j := join(t, l, Control, donorConfig)
				chat(t, d, j)
			}
		})
	}
}

// While strangers finish their handshakes by the hundred and hold on, the donor gets in, and addresses have to be confirmed.
func TestQUICFlood(t *testing.T) {
	l, seen := quicJoiner(t, QUIC, func(c *Config) { c.MaxStrangers = 8 })
	ctx, cancel := context.WithCancel(testContext(t))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Error(err)
				return
			}
			ep := newEndpoint(udp)
			defer ep.release()
			for ctx.Err() == nil {
				_, _ = ep.transport.Dial(ctx, l.quic.ep.udp.LocalAddr(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}}, nil)
			}
		})
	}
	seen.has(t, CauseCrowd)
	d, j := join(t, l, Control, donorConfig)
	l.crowd.mu.Lock()
	if n := len(l.crowd.members); n > 8 {
		t.Errorf("%d strangers are held at once, 8 are allowed", n)
	}
	l.crowd.mu.Unlock()
	dc := donorConfig
	dc.Session = d.Session()
	for range 3 {
		d, j := join(t, l, Data, dc)
		chat(t, d, j)
	}
	chat(t, d, j)
	cancel()
	wg.Wait()
}

func TestGate(t *testing.T) {
	g := newGate(8)
	flood, ours := netip.MustParseAddr("10.9.9.9"), netip.MustParseAddr("10.0.0.1")
	var leave []func()
	enter := func(a netip.Addr, want bool) {
		t.Helper()
		f, err := g.enter(a)
		if (err == nil) != want {
			t.Fatalf("with %d under way, %d of them from %v: %v", g.all, g.from[a], a, err)
		}
		if f != nil {
			leave = append(leave, f)
		}
	}
	for n := range 8 {
		if got := g.doubtful(); got != (n >= 4) {
			t.Errorf("with %d under way: doubtful %v", n, got)
		}
		enter(flood, true)
	}
	enter(flood, false)
	enter(ours, true)
	enter(ours, false)
	a := netip.MustParseAddr("10.1.0.0")
	for g.all < 32 {
		a = a.Next()
		enter(a, true)
	}
	enter(a.Next(), false)
	for _, f := range leave {
		f()
		f() // twice is once
	}
	if g.all != 0 || len(g.from) != 0 {
		t.Errorf("%d are left of %v", g.all, g.from)
	}
}

// udpForward passes datagrams on, from a port where nobody answers by TCP, until the test ends. look sees those from the joiner.
func udpForward(t testing.TB, to net.Addr, look func([]byte)) (port int) {
	t.Helper()
	front, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	backs := map[string]net.Conn{}
	wg.Go(func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := front.ReadFrom(buf)
			if err != nil {
				return
			}
			mu.Lock()
			back := backs[from.String()]
			if back == nil {
				if back, err = net.Dial("udp", to.String()); err != nil {
					mu.Unlock()
					continue
				}
				backs[from.String()] = back
				wg.Go(func() {
					buf := make([]byte, 65536)
					for {
						n, err := back.Read(buf)
						if errors.Is(err, net.ErrClosed) {
							return
						}
						if err != nil {
							continue // the joiner's port is closed
						}
						look(buf[:n])
						_, _ = front.WriteTo(buf[:n], from)
					}
				})
			}
			mu.Unlock()
			_, _ = back.Write(buf[:n])
		}
	})
	t.Cleanup(func() {
		_ = front.Close()
		mu.Lock()
		for _, c := range backs {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return front.LocalAddr().(*net.UDPAddr).Port
}

// When many handshakes are under way, a donor is asked to confirm its address first, and does.
func TestQUICAddressesAreConfirmed(t *testing.T) {
	for _, doubt := range []bool{false, true} {
		l, _ := quicJoiner(t, QUIC, nil)
		retries := make(chan struct{}, 100)
		ticket := l.Ticket(host(t))
		ticket.Port = udpForward(t, l.quic.ep.udp.LocalAddr(), func(p []byte) {
			if len(p) > 0 && p[0]&0xf0 == 0xf0 { // a long header of type Retry (RFC 9000 section 17.2.5)
				retries <- struct{}{}
			}
		})
		if doubt {
			for i := range defaultMaxStrangers / 2 {
				if _, err := l.quic.gate.enter(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})); err != nil {
					t.Fatal(err)
				}
			}
		}
		o := meet(t, l, ticket, Control, donorConfig)
		if o.donorErr != nil || o.joinerErr != nil {
			t.Fatal(o.donorErr, o.joinerErr)
		}
		if got := len(retries) > 0; got != doubt {
			t.Errorf("doubtful %v: %d Retry packets", doubt, len(retries))
		}
	}
}

// A relay that speaks QUIC with both ends fails as one that speaks TLS does: at the pin, or at the proof, which covers the session.
func TestQUICRelay(t *testing.T) {
	l, seen := quicJoiner(t, QUIC, nil)
	m := ephemeral(t)
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ep := newEndpoint(front)
	ln, err := ep.transport.Listen(&tls.Config{Certificates: []tls.Certificate{m.Certificate}, NextProtos: []string{alpn}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(testContext(t))
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); _ = ln.Close(); ep.release(); wg.Wait() })
	wg.Go(func() {
		for {
			in, err := ln.Accept(ctx)
			if err != nil {
				return
			}
			a, err := in.AcceptStream(ctx)
			if err != nil {
				continue
			}
			out, err := stranger(t, l, alpn)
			if err != nil {
				return
			}
			b, err := out.OpenStream()
			if err != nil {
				return
			}
			wg.Go(func() { _, _ = io.Copy(a, b) })
			wg.Go(func() { _, _ = io.Copy(b, a) })
		}
	})
	ticket := l.Ticket(host(t))
	ticket.Port = front.LocalAddr().(*net.UDPAddr).Port
	if _, err := Dial(ctx, ticket, Control, donorConfig); causeOf(err) != CausePin {
		t.Errorf("with the joiner's pin: got %v", err)
	}
	ticket.Pin = identity.Pin(m.Leaf)
	if _, err := Dial(ctx, ticket, Control, donorConfig); causeOf(err) != CauseNonce {
		t.Errorf("with the relay's pin: got %v", err)
	}
	seen.has(t, CauseNonce)
}

// A link goes on over another connection of the same transport when one is cut, and its frames arrive once and in order.
func TestLinkOverTransports(t *testing.T) { each(t, testLinkOverTransports) }

func testLinkOverTransports(t *testing.T) {
	l := listen(t, config(t))
	ctx := testContext(t)
	fresh := make(chan *Link, 1)
	controls := make(chan *Link, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		c, err := l.Accept(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		links := NewLinks(c, steady(LinkConfig{}))
		links.Allow(1)
		controls <- links.Control()
		for {
			c, err := l.Accept(ctx)
			if err != nil {
				return // the listener is closed
			}
			if link, err := links.Attach(ctx, c); err != nil {
				t.Error(err)
			} else if link != nil {
				fresh <- link
			}
		}
	})
	control, err := DialLink(ctx, l.Ticket(host(t)), donorConfig, steady(LinkConfig{}))
	if err != nil {
		t.Fatal(err)
	}
	data := control.Branch(1, Limits{Outage: time.Minute})
	if err := data.Open(); err != nil {
		t.Fatal(err)
	}
	joiner := <-fresh
	const frames, cuts = 60, 4
	wg.Go(func() {
		for n := range frames {
			if err := errors.Join(data.Send(uint8(n), nil, make([]byte, 100<<10)), data.Flush()); err != nil {
				t.Error(err)
				return
			}
			if n%(frames/cuts) == frames/cuts/2 {
				data.mu.Lock()
				if data.conn != nil {
					data.conn.kill()
				}
				data.mu.Unlock()
			}
		}
		// Only the donor opens connections, and only while it wants something of the link.
		if typ, _, err := data.Recv(make([]byte, 100)); err != nil || typ != frames {
			t.Errorf("the answer: type %d, %v", typ, err)
		}
	})
	buf := make([]byte, MaxFrame)
	for n := range frames {
		typ, body, err := joiner.Recv(buf)
		if err != nil || typ != uint8(n) || len(body) != 100<<10 {
			t.Fatalf("frame %d: type %d, %d bytes, %v", n, typ, len(body), err)
		}
	}
	if err := errors.Join(joiner.Send(frames, nil, nil), joiner.Flush()); err != nil {
		t.Error(err)
	}
	if s := data.Stats(); s.Reopened == 0 {
		t.Errorf("no connection was opened again: %+v", s)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	var ends sync.WaitGroup // with QUIC each waits a moment for the other
	for _, link := range []*Link{control, data, <-controls, joiner} {
		ends.Go(func() { _ = link.Close() })
	}
	ends.Wait()
}

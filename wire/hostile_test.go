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
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"trireme/wire/identity"
)

// Whatever strangers send, the listener names it, goes on, and lets the donor in.
func TestStrangers(t *testing.T) { each(t, testStrangers) }

func testStrangers(t *testing.T) {
	clientTLS := func(alpn ...string) func(t *testing.T, c net.Conn) {
		return func(t *testing.T, c net.Conn) {
			tc := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: alpn})
			_ = tc.Handshake() // may fail; that is the point
			_, _ = tc.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			_, _ = io.ReadAll(tc)
		}
	}
	text := func(s string) func(t *testing.T, c net.Conn) {
		return func(t *testing.T, c net.Conn) {
			_, _ = c.Write([]byte(s))
			_, _ = io.ReadAll(c)
		}
	}
	hello := string(appendHello(nil, newHello(donorMagic, uint8(Control), Config{MinVersion: 1, MaxVersion: 1})))
	for _, tc := range []struct {
		name  string
		plain bool
		do    func(t *testing.T, c net.Conn)
		want  Cause
		text  string
	}{
		{"port scan", false, func(t *testing.T, c net.Conn) { _ = c.Close() }, CauseClosed, ""},
		{"HTTP", false, text("GET / HTTP/1.0\r\n\r\n"), CauseNotTLS, "HTTP"},
		{"rsync", false, text("@RSYNCD: 31.0\n"), CauseNotTLS, "rsync"},
		{"binary", false, text("\x00\x00\x00\x00\x00\x00\x00\x00"), CauseNotTLS, ""},
		{"plain donor", false, text(hello), CausePlain, "without TLS"},
		{"TLS without protocol", false, clientTLS(), CauseProtocol, "protocol"},
		{"TLS with another protocol", false, clientTLS("h2"), CauseTLS, ""},
		{"TLS, then HTTP", false, clientTLS(alpn), CauseProtocol, "began with"},
		{"plain: port scan", true, func(t *testing.T, c net.Conn) { _ = c.Close() }, CauseClosed, ""},
		{"plain: TLS donor", true, clientTLS(alpn), CauseWantsTLS, "encryption is turned off"},
		{"plain: rsync", true, text("@RSYNCD: 31.0\n"), CauseNotTLS, "rsync"},
		{"plain: half a hello", true, func(t *testing.T, c net.Conn) { _, _ = c.Write([]byte(hello[:20])); _ = c.Close() }, CauseClosed, ""},
		{"plain: unknown kind", true, text(hello[:12] + "\x07" + hello[13:]), CauseProtocol, "kind 7"},
		{"plain: reserved byte", true, text(hello[:13] + "\x01" + hello[14:]), CauseProtocol, "reserved"},
		{"plain: no versions", true, text(hello[:8] + "\x00\x00\x00\x01" + hello[12:]), CauseProtocol, "version range"},
		{"plain: long reason", true, text(hello + strings.Repeat("\x00", 34) + "\xff\xff"), CauseProtocol, "65535"},
		{"plain: no proof", true, text(hello + strings.Repeat("\x00", verdictSize)), CauseNonce, "nonce"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			var seen strangers
			c := config(t)
			if tc.plain {
				c = plainConfig(t)
			}
			c.OnStranger = seen.add
			l := listen(t, c)
			tc.do(t, rawDial(t, l))
			seen.has(t, tc.want)
			if got := seen.list()[0].Error(); !strings.Contains(got, tc.text) || strings.ContainsAny(got, "\n\x00") {
				t.Errorf("reported as %q, want %q", got, tc.text)
			}
			d, j := join(t, l, Control, Config{Plain: tc.plain, MinVersion: 1, MaxVersion: 1})
			chat(t, d, j)
		})
	}
}

// The same stranger is reported once per cause, however often it comes.
func TestStrangersAreReportedOnce(t *testing.T) {
	var seen strangers
	c := config(t)
	c.OnStranger = seen.add
	l := listen(t, c)
	for range 20 {
		conn := rawDial(t, l)
		_, _ = conn.Write([]byte("hello there\n"))
		_, _ = io.ReadAll(conn)
	}
	_ = rawDial(t, l).Close()
	seen.has(t, CauseNotTLS)
	seen.has(t, CauseClosed)
	if n := len(seen.list()); n != 2 {
		t.Errorf("%d reports, want 2: %v", n, seen.list())
	}
}

func TestReportsAreBounded(t *testing.T) {
	n := 0
	r := newReports(func(string, error) { n++ })
	a := netip.MustParseAddr("10.0.0.0")
	for range 2 * maxReported {
		a = a.Next()
		r.add(&StrangerError{Cause: CauseTLS}, a)
	}
	if n != maxReported {
		t.Errorf("%d reports, want %d", n, maxReported)
	}
}

func TestSlowLoris(t *testing.T) {
	var seen strangers
	c := config(t)
	c.OnStranger, c.HandshakeTimeout = seen.add, 50*time.Millisecond
	l := listen(t, c)
	conn := rawDial(t, l)
	_, _ = conn.Write([]byte{0x16, 3, 1})
	if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the listener kept the connection: %v", err)
	}
	seen.has(t, CauseTimeout)
}

// While hundreds of strangers come and hold on, the donor gets in.
func TestFlood(t *testing.T) {
	// A rate, not a wait: some thousand connections a second in all. The race detector makes handshakes ten times slower, and with them
	// everything that comes to push the donor out of its seat before it has proved itself.
	pause := time.Millisecond
	if raceEnabled {
		pause = 8 * time.Millisecond
	}
	for _, plain := range []bool{false, true} {
		var seen strangers
		c := config(t)
		if plain {
			c = plainConfig(t)
		}
		c.OnStranger, c.MaxStrangers = seen.add, 8
		l := listen(t, c)
		ctx, cancel := context.WithCancel(testContext(t))
		var wg sync.WaitGroup
		first := []byte{0x16, 3, 1, 2, 0}
		if plain {
			first = []byte(donorMagic)
		}
		for i := range 4 {
			wg.Go(func() {
				var open []net.Conn
				for ctx.Err() == nil {
					conn, err := net.Dial("tcp", l.Addr().String())
					if err != nil {
						continue
					}
					if i%2 == 0 {
						_, _ = conn.Write(first)
					}
					if open = append(open, conn); len(open) > 50 {
						_ = open[0].Close()
						open = open[1:]
					}
					time.Sleep(pause)
				}
				for _, conn := range open {
					_ = conn.Close()
				}
			})
		}
		seen.has(t, CauseCrowd)
		d, j := join(t, l, Control, Config{Plain: plain, MinVersion: 1, MaxVersion: 1})
		dc := Config{Plain: plain, MinVersion: 1, MaxVersion: 1, Session: d.Session()}
		for range 3 {
			d, j := join(t, l, Data, dc)
			chat(t, d, j)
		}
		chat(t, d, j)
		cancel()
		wg.Wait()
	}
}

func TestCrowdVictim(t *testing.T) {
	ours, flood := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.9.9.9")
	pipe := func() *socket {
		a, b := net.Pipe()
		t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
		return newSocket(a)
	}
	c := newCrowd(4)
	idle := c.admit(pipe(), flood)
	donor := c.admit(pipe(), ours)
	begun := c.admit(pipe(), flood)
	begun.socket.started.Store(true)
	shaken := c.admit(pipe(), flood)
	shaken.encrypted.Store(true)

	c.admit(pipe(), flood) // full: of the silent ones, the older of the address that has more
	if !idle.evicted || donor.evicted || begun.evicted || shaken.evicted {
		t.Fatalf("evicted: idle %v, donor %v, begun %v, shaken %v", idle.evicted, donor.evicted, begun.evicted, shaken.evicted)
	}
	if !c.leave(idle) || c.leave(shaken) {
		t.Error("leave tells the wrong story")
	}
	donor.socket.started.Store(true)
	for range 3 {
		c.admit(pipe(), flood)
	}
	if donor.evicted || begun.evicted || len(c.members) != 4 {
		t.Errorf("evicted: donor %v, begun %v, %d members", donor.evicted, begun.evicted, len(c.members))
	}
	c.closeAll()
	if late := c.admit(pipe(), ours); !late.evicted {
		t.Error("a closed crowd took one in")
	}
}

// However far an address has got with its connections, beyond its share they make room for others.
func TestCrowdShare(t *testing.T) {
	ours, flood := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.9.9.9")
	// come admits connections, and says how many of all that came in so are still there.
	come := func(c *crowd, from netip.Addr, n int, encrypted bool) (left func() int) {
		var all []*member
		for range n {
			m := c.admit(newSocket(silentConn{}), from)
			m.encrypted.Store(encrypted)
			all = append(all, m)
		}
		return func() (n int) {
			for _, m := range all {
				if !m.evicted {
					n++
				}
			}
			return n
		}
	}
	t.Run("one_address_that_finishes_TLS", func(t *testing.T) {
		c := newCrowd(64)
		come(c, flood, 64, true)
		donor := come(c, ours, 25, false) // a control connection and 24 for data, at their very beginning
		come(c, flood, 1000, true)
		come(c, flood, 1000, false)
		if n := donor(); n != 25 {
			t.Errorf("%d of the donor's 25 are left", n)
		}
	})
	t.Run("seven_addresses_that_finish_TLS", func(t *testing.T) {
		c := newCrowd(64)
		donor := come(c, ours, 8, false)
		for range 100 {
			for a, n := flood, 0; n < 7; a, n = a.Next(), n+1 {
				come(c, a, 1, true)
			}
		}
		if n := donor(); n != 8 {
			t.Errorf("%d of the donor's 8 are left", n)
		}
	})
	t.Run("addresses_that_come_once", func(t *testing.T) {
		c := newCrowd(64)
		donor := come(c, ours, 25, true)
		for a, n := flood, 0; n < 1000; a, n = a.Next(), n+1 {
			come(c, a, 1, false)
		}
		if n := donor(); n != 8 {
			t.Errorf("%d of the donor's 25 are left, its share is 8", n)
		}
	})
	t.Run("one_address_for_all", func(t *testing.T) {
		c := newCrowd(64)
		come(c, ours, 64, false)
		donor := come(c, ours, 25, true)
		come(c, ours, 1000, false)
		if n := donor(); n != 25 {
			t.Errorf("%d of the donor's 25 are left", n)
		}
	})
}

// silentConn is a connection that can only be closed.
type silentConn struct{ net.Conn }

func (silentConn) Close() error { return nil }

func TestAllow(t *testing.T) { each(t, testAllow) }

func testAllow(t *testing.T) {
	var seen strangers
	c := config(t)
	c.OnStranger = seen.add
	c.Socket.Allow = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	l := listen(t, c)
	if _, err := Dial(testContext(t), l.Ticket(host(t)), Control, Config{MinVersion: 1, MaxVersion: 1}); err == nil {
		t.Error("connected")
	}
	seen.has(t, CauseAddress)
}

// relay sits between donor and joiner. It speaks TLS with both, with a certificate of its own, and passes on what it reads.
func relay(t *testing.T, target string, m *identity.Material) (addr *net.TCPAddr) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			front, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				a := tls.Server(front, &tls.Config{Certificates: []tls.Certificate{m.Certificate}, NextProtos: []string{alpn}})
				b, err := tls.Dial("tcp", target, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}})
				if err != nil {
					_ = front.Close()
					return
				}
				var both sync.WaitGroup
				both.Go(func() { _, _ = io.Copy(a, b); _ = a.Close() })
				both.Go(func() { _, _ = io.Copy(b, a); _ = b.Close() })
				both.Wait()
			})
		}
	})
	return ln.Addr().(*net.TCPAddr)
}

// A relay with a certificate of its own fails at the pin; one that even has the pin right, because it forged the ticket, fails at
// the proof, which covers the TLS session.
func TestRelay(t *testing.T) {
	var seen strangers
	c := config(t)
	c.OnStranger = seen.add
	l := listen(t, c)
	m := ephemeral(t)
	ticket := l.Ticket(host(t))
	ticket.Port = relay(t, l.Addr().String(), m).Port
	dc := Config{MinVersion: 1, MaxVersion: 1}
	if _, err := Dial(testContext(t), ticket, Control, dc); causeOf(err) != CausePin {
		t.Errorf("with the joiner's pin: got %v", err)
	}
	ticket.Pin = identity.Pin(m.Leaf)
	if _, err := Dial(testContext(t), ticket, Control, dc); causeOf(err) != CauseNonce {
		t.Errorf("with the relay's pin: got %v", err)
	}
	seen.has(t, CauseNonce)
}

// A joiner that does not know the nonce, or plays back the donor's own proof, is not believed.
func TestFalseJoiner(t *testing.T) {
	for name, answer := range map[string]func(said, proof []byte) []byte{
		"echo":  func(_, proof []byte) []byte { return proof },
		"zeros": func(_, _ []byte) []byte { return make([]byte, verdictSize) },
		"long":  func(_, _ []byte) []byte { return append(bytes.Repeat([]byte{0}, 34), 0xff, 0xff) },
		"guess": func(said, proof []byte) []byte {
			tr := transcript{key: make([]byte, 16), said: append(said, proof...)}
			return appendVerdict(nil, verdict{proof: tr.prove(labelJoiner, verdict{})})
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := net.Pipe()
			defer a.Close()
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				defer b.Close()
				said := make([]byte, helloSize)
				if _, err := io.ReadFull(b, said); err != nil {
					return
				}
				mine := appendHello(nil, newHello(joinerMagic, 0, Config{MinVersion: 1, MaxVersion: 1}))
				_, _ = b.Write(mine)
				proof := make([]byte, verdictSize)
				if _, err := io.ReadFull(b, proof); err != nil {
					return
				}
				_, _ = b.Write(answer(append(said, mine...), proof))
			})
			conn, err := donorHandshake(plainChannel(newSocket(a)), Ticket{Nonce: NewNonce(), Plain: true}, Control, Config{Plain: true, MinVersion: 1, MaxVersion: 1}, nil)
			if c := causeOf(err); conn != nil || c != CauseNonce && c != CauseProtocol {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A bit flipped anywhere in the plain preface must not end in a connection.
func TestPrefaceBitFlips(t *testing.T) {
	c := plainConfig(t)
	half := helloSize + verdictSize
	for at := range 2 * half {
		// Virtual time, because a changed length makes one end wait for its deadline.
		synctest.Test(t, func(t *testing.T) {
			donorEnd, joinerEnd := net.Pipe()
			_ = donorEnd.SetDeadline(time.Now().Add(time.Second))
			_ = joinerEnd.SetDeadline(time.Now().Add(time.Second))
			flip := &flipper{Conn: joinerEnd, at: at % half, writes: at >= half}
			var s seat
			s.init(c)
			var wg sync.WaitGroup
			var joinerErr error
			wg.Go(func() {
				_, joinerErr = joinerHandshake(plainChannel(newSocket(flip)), c, &s)
				_ = joinerEnd.Close()
			})
			_, err := donorHandshake(plainChannel(newSocket(donorEnd)), Ticket{Nonce: c.Nonce, Plain: true}, Control, c, nil)
			_ = donorEnd.Close()
			wg.Wait()
			if err == nil {
				t.Errorf("byte %d changed: the donor connected (joiner: %v)", at, joinerErr)
			}
		})
	}
}

// flipper changes one bit of one byte that is read, or written.
type flipper struct {
	net.Conn
	at     int
	writes bool
	seen   int
}

func (f *flipper) flip(p []byte) {
	if i := f.at - f.seen; i >= 0 && i < len(p) {
		p[i] ^= 1
	}
	f.seen += len(p)
}

func (f *flipper) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if !f.writes {
		f.flip(p[:n])
	}
	return n, err
}

func (f *flipper) Write(p []byte) (int, error) {
	q := bytes.Clone(p)
	if f.writes {
		f.flip(q)
	}
	return f.Conn.Write(q)
}

package netlab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func build(t testing.TB, c Config) *Lab {
	t.Helper()
	Need(t)
	l, err := New(c)
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

// patience ends a test whose bytes do not arrive.
const patience = 20 * time.Second

// connect makes a TCP connection from host 0 to host 1.
func connect(t testing.TB, l *Lab, six bool) (from, to net.Conn) {
	t.Helper()
	at := l.Host(1).Addr()
	if six {
		at = l.Host(1).Addr6()
	}
	listener, err := l.Host(1).Listen("tcp", net.JoinHostPort(at.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if from, err = l.Host(0).Dial(t.Context(), "tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { from.Close() })
	if to, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { to.Close() })
	for _, c := range []net.Conn{from, to} {
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
	}
	return from, to
}

// carry sends content through a connection and compares what arrives.
func carry(t testing.TB, from, to net.Conn, content []byte) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		_, err := from.Write(content)
		sent <- err
	}()
	got := make([]byte, len(content))
	if _, err := io.ReadFull(to, got); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content) {
		t.Error("other bytes arrived than were sent")
	}
}

func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

// TestKinds: bytes go through wires and relays of each shape, by both versions of IP, between any two of three hosts.
func TestKinds(t *testing.T) {
	for name, c := range map[string]Config{
		"wire":        {Hosts: 3},
		"wire shaped": {Shape: Shape{Rate: 1e9}},
		"relay":       {Relay: true, Hosts: 3},
		"relay lossy": {Shape: Shape{Rate: 200e6, Delay: time.Millisecond, Loss: 0.005}, Seed: 1},
		"small MTU":   {Relay: true, MTU: 1280, Congestion: "reno"},
	} {
		t.Run(name, func(t *testing.T) {
			l := build(t, c)
			for _, six := range []bool{false, true} {
				from, to := connect(t, l, six)
				carry(t, from, to, content(2<<20))
				carry(t, to, from, content(1<<10))
			}
			if c.Hosts < 3 {
				return
			}
			out, err := output(l.Host(2), "ping", "-c", "1", "-W", "5", l.Host(0).Addr().String())
			if err != nil && !errors.Is(err, exec.ErrNotFound) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

func output(h *Host, name string, words ...string) (string, error) {
	var b bytes.Buffer
	cmd := exec.Command(name, words...)
	cmd.Stdout, cmd.Stderr = &b, &b
	err := h.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	return b.String(), err
}

// TestReshape: a wire takes another rate while it is in use, none at all, and says when it is asked for what it cannot do.
func TestReshape(t *testing.T) {
	l := build(t, Config{})
	from, to := connect(t, l, false)
	for _, rate := range []int64{1e9, 2e9, 0, 0, 1e9} {
		if err := l.Link(1, 0).SetShape(Shape{Rate: rate}); err != nil {
			t.Fatal(err)
		}
		out, err := output(l.Host(0), "tc", "qdisc", "show")
		if err != nil {
			t.Fatal(err)
		}
		if has := strings.Contains(out, "tbf"); has != (rate != 0) {
			t.Errorf("at %d: %s", rate, out)
		}
		carry(t, from, to, content(1<<20))
	}
	if err := l.Link(0, 1).SetShape(Shape{Delay: 1}); err == nil {
		t.Error("a wire took a delay")
	}
	if err := l.Link(0, 1).SetShape(Shape{Loss: 2}); err == nil {
		t.Error("a loss of 2 was taken")
	}
}

// TestCut: nothing passes a cut link, and what waited goes on when it is mended.
func TestCut(t *testing.T) {
	l := build(t, Config{Relay: true})
	from, to := connect(t, l, false)
	carry(t, from, to, content(1000))
	link := l.Link(0, 1)
	link.Cut()
	if _, err := from.Write([]byte("later")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); link.CountFrom(l.Host(0)).Filtered == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the cut link has eaten nothing in %v", patience)
		}
	}
	if err := to.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := to.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes passed a cut link, %v", n, err)
	}
	link.SetFilter(nil)
	if err := to.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(to, got); err != nil || string(got) != "later" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestForget: both ends of an old connection learn that it is over, new ones work, and other protocols too. A SYN is refused.
func TestForget(t *testing.T) {
	for _, six := range []bool{false, true} {
		t.Run(fmt.Sprintf("six=%v", six), func(t *testing.T) {
			l := build(t, Config{Relay: true})
			from, to := connect(t, l, six)
			carry(t, from, to, content(1000))
			l.Link(0, 1).Forget(Reset)
			if _, err := from.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			for _, c := range []net.Conn{from, to} {
				if _, err := c.Read(make([]byte, 10)); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("%v, want a reset", err)
				}
			}
			a, b := connect(t, l, six)
			carry(t, a, b, content(1000))
			l.Link(0, 1).SetFilter(func(p Packet) Verdict {
				if p.Port(7) {
					return Reset
				}
				return Pass
			})
			host := l.Host(1).Addr()
			if six {
				host = l.Host(1).Addr6()
			}
			if _, err := l.Host(0).Dial(t.Context(), "tcp", net.JoinHostPort(host.String(), "7")); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%v, want a refusal", err)
			}
		})
	}
}

// TestUDP: datagrams pass a relay, and a firewall can keep them out while TCP works.
func TestUDP(t *testing.T) {
	l := build(t, Config{Relay: true})
	to, err := l.Host(1).ListenPacket("udp", l.Host(1).Addr().String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	from, err := l.Host(0).Dial(t.Context(), "udp", to.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	send := func() {
		if _, err := from.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	send()
	b := make([]byte, 10)
	if n, _, err := to.ReadFrom(b); err != nil || string(b[:n]) != "hello" {
		t.Errorf("%q, %v", b[:n], err)
	}
	link := l.Link(0, 1)
	link.SetFilter(func(p Packet) Verdict {
		if p.Protocol == UDP {
			return Drop
		}
		return Pass
	})
	send()
	x, y := connect(t, l, false)
	carry(t, x, y, content(1000))
	for end := time.Now().Add(patience); link.CountFrom(l.Host(0)).Filtered == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the cut link has eaten nothing in %v", patience)
		}
	}
}

// TestNothingStays: after Close neither devices nor namespaces of a lab are left.
func TestNothingStays(t *testing.T) {
	Need(t)
	before := namespaces(t)
	l, err := New(Config{Hosts: 3})
	if err != nil {
		t.Fatal(err)
	}
	if during := namespaces(t); during != before+3 {
		t.Errorf("%d namespaces with a lab of three, %d before", during, before)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if after := namespaces(t); after != before {
		t.Errorf("%d namespaces are open after the lab, %d before", after, before)
	}
}

// namespaces counts the network namespaces that this process holds open.
func namespaces(t *testing.T) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, "net:[") {
			n++
		}
	}
	return n
}

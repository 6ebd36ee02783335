package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Everything that was sent before Close arrives, although nobody reads before the sender is long gone.
func TestQUICCloseLeavesWhatWasSent(t *testing.T) {
	for _, closer := range []string{"donor", "joiner"} {
		t.Run("transport=QUIC/"+closer, func(t *testing.T) {
			from, to := connected(t, false)
			if closer == "joiner" {
				from, to = to, from
			}
			body := bytes.Repeat([]byte("0123456789abcdef"), 20<<10)
			if err := errors.Join(from.Send(1, nil, body), from.Flush(), from.Close()); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, MaxFrame)
			if _, got, err := to.Recv(buf); err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if _, _, err := to.Recv(buf); err != io.EOF {
				t.Errorf("got %v, want io.EOF itself", err)
			}
		})
	}
}

// A connection that was given up, or whose last frame is not complete, has no proper end.
func TestQUICTruncationIsNoEnd(t *testing.T) {
	for name, cut := range map[string]func(d *Conn) error{
		"abandoned": func(d *Conn) error { d.socket.abandon(); return nil },
		"killed":    func(d *Conn) error { d.kill(); return nil },
		"after a write that got stuck": func(d *Conn) error {
			q := d.socket.Conn.(*quicStream)
			if err := q.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
				return err
			}
			// So small that quic-go takes it whole or not at all: the stream ends between two frames.
			body := frame(1, 0, 0, 1000, strings.Repeat("x", 1000))
			for {
				if _, err := d.socket.Conn.Write(body); err != nil {
					return d.Close()
				}
			}
		},
		"in a frame": func(d *Conn) error {
			return errors.Join(d.Send(1, nil, make([]byte, 3*recordSize+5)), d.Close()) // its last bytes are not flushed
		},
	} {
		t.Run("transport=QUIC/"+name, func(t *testing.T) {
			d, j := connected(t, false)
			if err := cut(d); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, MaxFrame)
			_, _, err := j.Recv(buf)
			for err == nil {
				_, _, err = j.Recv(buf)
			}
			if err == io.EOF || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestShortfall(t *testing.T) {
	for _, tc := range []struct {
		in, out int
		want    string
	}{
		{quicBuffer, quicBuffer, ""}, {2 * quicBuffer, quicBuffer + 1, ""},
		{425984, quicBuffer, "416 KiB in and 7168 KiB out"}, {quicBuffer, 425984, "net.core.wmem_max to 7340032"},
	} {
		got := shortfallText(tc.in, tc.out)
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%d in, %d out: %q, want %q", tc.in, tc.out, got, tc.want)
		}
	}
}

// The port of UDP is the one of TCP; where it is taken, QUIC ends with who holds it, and auto does without.
func TestUDPPortInUse(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := config(t)
	c.Transport = QUIC
	l, err := Listen(testContext(t), taken.LocalAddr().String(), c)
	if err == nil {
		_ = l.Close()
		t.Fatal("listening")
	}
	if port := taken.LocalAddr().(*net.UDPAddr).Port; !strings.Contains(err.Error(), fmt.Sprintf("UDP 127.0.0.1:%d: port %d is in use by ", port, port)) {
		t.Errorf("got %v", err)
	}
	c.Transport = Auto
	said := ""
	c.Note = func(format string, args ...any) { said += fmt.Sprintf(format, args...) }
	if l, err = Listen(testContext(t), taken.LocalAddr().String(), c); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if !strings.Contains(said, "is in use") || l.Ticket("h").Transport != 0 {
		t.Errorf("note %q, ticket %v", said, l.Ticket("h"))
	}
}

func TestQUICOptions(t *testing.T) {
	if q := config(t).quicConfig(time.Second, 1); q.MaxIncomingStreams != 1 || q.MaxIncomingUniStreams >= 0 || !q.RequireStreamCreditRelease || q.EnableDatagrams || q.Allow0RTT || q.HandshakeIdleTimeout != time.Second {
		t.Errorf("%+v", q)
	}
	c := config(t)
	c.Plain, c.Material, c.Transport = true, nil, QUIC
	if l, err := Listen(testContext(t), "127.0.0.1:0", c); err == nil || !strings.Contains(err.Error(), "always encrypts") {
		t.Errorf("plain QUIC: %v, %v", l, err)
	}
	c.Transport = Auto // plain TCP is what is left of it
	if k := listen(t, c).Ticket("h"); k.Transport != 0 || !k.Plain {
		t.Errorf("ticket %v", k)
	}
	for name, tc := range map[string]struct {
		o           SocketOptions
		alive, idle time.Duration
	}{
		"default":     {SocketOptions{}, quicKeepAlive, quicIdle},
		"keepidle":    {SocketOptions{KeepIdle: time.Minute, KeepInterval: 2 * time.Second, KeepCount: 5}, time.Minute, 70 * time.Second},
		"usertimeout": {SocketOptions{UserTimeout: 9 * time.Second}, quicKeepAlive, 9 * time.Second},
		"keepalive=0": {SocketOptions{NoKeepAlive: true}, 0, quicNoKeepAlive},
	} {
		if q := (Config{Socket: tc.o}).quicConfig(time.Second, 1); q.KeepAlivePeriod != tc.alive || q.MaxIdleTimeout != tc.idle {
			t.Errorf("%s: keepalive %v, idle %v", name, q.KeepAlivePeriod, q.MaxIdleTimeout)
		}
	}
	l, _ := quicJoiner(t, QUIC, func(c *Config) { c.Socket.TOS = 8 })
	dc := donorConfig
	dc.Socket = SocketOptions{Bind: "127.0.0.9", SourcePort: 47000, TOS: 8}
	d, j := join(t, l, Control, dc)
	dc.Session = d.Session()
	d2, _ := join(t, l, Data, dc)
	a, b := d.LocalAddr().(*net.UDPAddr), d2.LocalAddr().(*net.UDPAddr)
	if a.IP.String() != "127.0.0.9" || a.Port < 47000 || b.Port <= a.Port || j.Peer().Remote != a.String() {
		t.Errorf("the donor came from %v and %v, seen as %s", a, b, j.Peer().Remote)
	}
}

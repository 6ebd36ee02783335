package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestListenNamesWhoHoldsThePort(t *testing.T) {
	l := listen(t, config(t))
	_, err := Listen(testContext(t), l.Addr().String(), config(t))
	if err == nil {
		t.Fatal("the port was given out twice")
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, want := range []string{"port " + port + " is in use", "pid " + strconv.Itoa(os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

func TestListenRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		addr   string
		change func(*Config)
		text   string
	}{
		{"no nonce", "127.0.0.1:0", func(c *Config) { c.Nonce = [16]byte{} }, "nonce is all zero"},
		{"no certificate", "127.0.0.1:0", func(c *Config) { c.Material = nil }, "needs a certificate"},
		{"no versions", "127.0.0.1:0", func(c *Config) { c.MinVersion = 0 }, "no range"},
		{"foreign address", "192.0.2.1:0", func(*Config) {}, "does not have the address"},
		{"bad family", "127.0.0.1:0", func(c *Config) { c.Socket.Family = 5 }, "wanted 4 or 6"},
		{"other family", "127.0.0.1:0", func(c *Config) { c.Socket.Family = 6 }, ""},
		{"negative buffer", "127.0.0.1:0", func(c *Config) { c.Socket.SendBuffer = -1 }, "negative"},
		{"no address", "127.0.0.1", func(*Config) {}, "missing port"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			c := config(t)
			tc.change(&c)
			l, err := Listen(testContext(t), tc.addr, c)
			if err == nil {
				_ = l.Close()
				t.Fatal("listening")
			}
			if !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v, want %q", err, tc.text)
			}
		})
	}
}

func TestAcceptEnds(t *testing.T) { each(t, testAcceptEnds) }

func testAcceptEnds(t *testing.T) {
	t.Run("Close", func(t *testing.T) {
		l := listen(t, config(t))
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := l.Accept(testContext(t)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v", err)
			}
		})
		_ = l.Close()
		wg.Wait()
		if err := l.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
	t.Run("context of Accept", func(t *testing.T) {
		l := listen(t, config(t))
		why := errors.New("no time left")
		ctx, cancel := context.WithCancelCause(testContext(t))
		cancel(why)
		if _, err := l.Accept(ctx); !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("context of Listen", func(t *testing.T) {
		why := errors.New("the server is gone")
		ctx, cancel := context.WithCancelCause(testContext(t))
		l, err := Listen(ctx, "127.0.0.1:0", config(t))
		if err != nil {
			t.Fatal(err)
		}
		silent := rawDial(t, l)
		cancel(why)
		if _, err := l.Accept(testContext(t)); !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
		if _, err := silent.Read(make([]byte, 1)); err == nil {
			t.Error("a stranger is still served")
		}
		_ = l.Close()
	})
}

// Close waits for handshakes and drops what Accept has not taken, accepted or not.
func TestCloseDropsWhatNobodyTook(t *testing.T) { each(t, testCloseDropsWhatNobodyTook) }

func testCloseDropsWhatNobodyTook(t *testing.T) {
	l := listen(t, config(t))
	d, err := Dial(testContext(t), l.Ticket(host(t)), Control, Config{MinVersion: 1, MaxVersion: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	rawDial(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Recv(make([]byte, 10)); err == nil {
		t.Error("the connection is open")
	}
}

// Connections that were accepted outlive their listener.
func TestCloseLeavesAcceptedConnections(t *testing.T) { each(t, testCloseLeavesAcceptedConnections) }

func testCloseLeavesAcceptedConnections(t *testing.T) {
	l := listen(t, config(t))
	d, j := join(t, l, Control, Config{MinVersion: 1, MaxVersion: 1})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	chat(t, d, j)
}

// Many donors at once, as with parallel data connections, all get in.
func TestParallelDials(t *testing.T) { each(t, testParallelDials) }

func testParallelDials(t *testing.T) {
	l := listen(t, config(t))
	control, _ := join(t, l, Control, Config{MinVersion: 1, MaxVersion: 1})
	dc := Config{MinVersion: 1, MaxVersion: 1, Session: control.Session()}
	ctx := testContext(t)
	const n = 16
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			d, err := Dial(ctx, l.Ticket(host(t)), Data, dc)
			if err != nil {
				t.Error(err)
				return
			}
			_ = errors.Join(d.Send(1, nil, []byte("x")), d.Flush())
			_, _, _ = d.Recv(make([]byte, 1)) // until the other end closes
			_ = d.Close()
		})
	}
	for range n {
		j, err := l.Accept(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, body, err := j.Recv(make([]byte, 1)); err != nil || string(body) != "x" {
			t.Errorf("got %q, %v", body, err)
		}
		_ = j.Close()
	}
	wg.Wait()
}

func TestSocketOptionsAreApplied(t *testing.T) {
	jc := config(t)
	jc.Socket = SocketOptions{Family: 4, SendBuffer: 1 << 20, ReceiveBuffer: 1 << 20, UserTimeout: time.Minute, TOS: 8, KeepIdle: time.Minute, KeepInterval: time.Second, KeepCount: 3, Delay: true}
	l := listen(t, jc)
	dc := Config{MinVersion: 1, MaxVersion: 1, Socket: jc.Socket}
	dc.Socket.Bind, dc.Socket.ConnectTimeout, dc.Socket.MaxSegment = "127.0.0.9", time.Minute, 1400
	d, j := join(t, l, Control, dc)
	if !strings.HasPrefix(j.Peer().Remote, "127.0.0.9:") || !strings.HasPrefix(d.LocalAddr().String(), "127.0.0.9:") {
		t.Errorf("the donor came from %s", j.Peer().Remote)
	}
	for name, conn := range map[string]*Conn{"donor": d, "joiner": j} {
		for _, o := range wantedOptions {
			if got := socketOption(t, conn, o.level, o.option); !o.ok(got) {
				t.Errorf("%s: %s is %d", name, o.name, got)
			}
		}
	}
	chat(t, d, j)
}

// TestSourcePort: the control connection leaves from the asked port, and data connections, which go to the same address, from
// those after it.
func TestSourcePort(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	if port > 65000 {
		port = 64000
	}
	c := config(t)
	l := listen(t, c)
	c.Socket.Bind, c.Socket.SourcePort = "127.0.0.1", port
	d, _ := join(t, l, Control, c)
	ports := []int{d.LocalAddr().(*net.TCPAddr).Port}
	c.Session = d.Session()
	for range 3 {
		data, _ := join(t, l, Data, c)
		ports = append(ports, data.LocalAddr().(*net.TCPAddr).Port)
	}
	for i, p := range ports {
		if p < port || p >= port+sourcePorts || i > 0 && p <= ports[i-1] {
			t.Errorf("ports %v, want ascending from %d", ports, port)
		}
	}
}

// TestDeviceAndCongestion: options that a system may not grant.
func TestDeviceAndCongestion(t *testing.T) {
	c := config(t)
	l := listen(t, c)
	c.Socket.Device, c.Socket.Congestion, c.Socket.MaxSegment = "lo", "reno", 1000
	o := meet(t, l, l.Ticket(host(t)), Control, c)
	if errors.Is(o.donorErr, os.ErrPermission) {
		t.Skip("binding to a device needs the capability CAP_NET_RAW")
	}
	if o.donorErr != nil || o.joinerErr != nil {
		t.Fatal(o.donorErr, o.joinerErr)
	}
	raw, err := o.donor.socket.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var device, congestion string
	if err := raw.Control(func(fd uintptr) {
		device, _ = unix.GetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
		congestion, _ = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	}); err != nil {
		t.Fatal(err)
	}
	if got := socketOption(t, o.donor, unix.IPPROTO_TCP, unix.TCP_MAXSEG); device != "lo" || congestion != "reno" || got > 1000 || got < 900 {
		t.Errorf("device %q, congestion %q, segment %d", device, congestion, got)
	}
}

// TestAdvertisedDiffers: a name with several addresses leads to the one where the joiner is, and a ticket for another port than the bound one
// works where something forwards it.
func TestAdvertisedDiffers(t *testing.T) {
	c := config(t)
	l := listen(t, c)
	forward, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer forward.Close()
	wg.Go(func() {
		for {
			from, err := forward.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				_ = from.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
				wg.Go(func() {
					_, _ = io.Copy(pair[0], pair[1])
					_ = pair[0].Close()
				})
			}
		}
	})
	ticket := l.Ticket("localhost") // ::1 as well on most hosts, where nobody listens
	ticket.Port = forward.Addr().(*net.TCPAddr).Port
	o := meet(t, l, ticket, Control, c)
	if o.donorErr != nil || o.joinerErr != nil {
		t.Fatal(o.donorErr, o.joinerErr)
	}
	chat(t, o.donor, o.joiner)
	_ = o.donor.Close()
	_ = o.joiner.Close()
}

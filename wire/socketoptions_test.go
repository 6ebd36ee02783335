package wire

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func is(want int) func(int) bool { return func(got int) bool { return got == want } }

var wantedOptions = []struct {
	name          string
	level, option int
	ok            func(int) bool
}{
	// The kernel may clip buffers to its limits, but never to the few KiB below which it would ignore the request.
	{"send buffer", unix.SOL_SOCKET, unix.SO_SNDBUF, func(n int) bool { return n > 100<<10 }},
	{"receive buffer", unix.SOL_SOCKET, unix.SO_RCVBUF, func(n int) bool { return n > 100<<10 }},
	{"user timeout", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, is(60000)},
	{"type of service", unix.IPPROTO_IP, unix.IP_TOS, is(8)},
	{"keepalive", unix.SOL_SOCKET, unix.SO_KEEPALIVE, is(1)},
	{"keepalive idle", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, is(60)},
	{"keepalive interval", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, is(1)},
	{"keepalive count", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, is(3)},
	{"no delay", unix.IPPROTO_TCP, unix.TCP_NODELAY, is(0)},
}

func socketOption(t *testing.T, c *Conn, level, option int) int {
	t.Helper()
	raw, err := c.socket.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var value int
	var failed error
	if err := raw.Control(func(fd uintptr) { value, failed = unix.GetsockoptInt(int(fd), level, option) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return value
}

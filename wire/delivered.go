package wire

import (
	"net"

	"golang.org/x/sys/unix"
)

// Delivered returns the bytes that the peer's system has confirmed, TLS included. What was written runs ahead of it by megabytes, as
// much as the buffers hold, which on a thin path is many seconds. Where the system does not tell, it is what was written.
func (c *Conn) Delivered() int64 {
	t, ok := c.socket.Conn.(*net.TCPConn)
	if !ok {
		return c.Written()
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return c.Written()
	}
	n := int64(-1)
	err = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = int64(info.Bytes_acked)
		}
	})
	if err != nil || n < 0 {
		return c.Written()
	}
	return n
}

// Delivered returns the bytes of all connections of the link that the peer's system has confirmed.
func (l *Link) Delivered() int64 {
	l.mu.Lock()
	n, c := l.before.delivered, l.conn
	l.mu.Unlock()
	if c != nil {
		n += c.Delivered()
	}
	return n
}

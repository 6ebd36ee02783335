package wire

import (
	"net"

	"golang.org/x/sys/unix"
)

// Retransmitted returns the bytes that TCP has sent again so far, because the network lost them or was late to confirm; over QUIC those
// that it takes for lost. It is 0 over anything else. After Close it stays at its last value.
func (c *Conn) Retransmitted() int64 { return c.socket.retransmitted() }

// retransmitted asks the kernel, which forgets when the socket is closed.
func (s *socket) retransmitted() int64 {
	if q, ok := s.Conn.(*quicStream); ok {
		return int64(q.conn.ConnectionStats().BytesLost)
	}
	tcp, ok := s.Conn.(*net.TCPConn)
	if !ok {
		return 0
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return s.again.Load()
	}
	// An error of Control means that the socket is closed; the kernel's own that it is too old to count.
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			s.again.Store(int64(info.Bytes_retrans))
		}
	})
	return s.again.Load()
}

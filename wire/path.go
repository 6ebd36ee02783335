package wire

import (
	"errors"
	"fmt"
	"math"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// path is what a connection knows about it.
type path struct {
	rtt        time.Duration // smoothed
	least      time.Duration // the shortest round trip of all: nothing waited in a queue then
	sent       int64         // segments or packets with data
	lost       int64         // of them, sent again
	congestion string        // the connection's control; empty over QUIC
}

// far says that a lost packet costs much. The shortest round trip decides: an acknowledgement that was held back for 40 ms, or a
// busy processor, makes no long path.
func (p path) far() bool { return p.least >= farAway }

// hard says the same, or that one is likely.
func (p path) hard() bool { return p.far() || p.lost > 0 }

func (p path) String() string {
	return fmt.Sprintf("a round trip takes %.1f ms, %d of %d segments were sent again", float64(p.least.Microseconds())/1000, p.lost, p.sent)
}

// measure asks the kernel, or quic-go, about the path of a connection.
func measure(conn *Conn) (p path, ok bool) {
	if q, ok := conn.socket.Conn.(*quicStream); ok {
		st := q.conn.ConnectionStats()
		return path{rtt: st.SmoothedRTT, least: st.MinRTT, sent: int64(st.PacketsSent), lost: int64(st.PacketsLost)}, true
	}
	err := conn.onTCP(func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return err
		}
		p = path{
			rtt: time.Duration(info.Rtt) * time.Microsecond, least: time.Duration(info.Min_rtt) * time.Microsecond,
			sent: int64(info.Data_segs_out), lost: int64(info.Total_retrans),
		}
		if info.Min_rtt == math.MaxUint32 { // none was measured yet
			p.least = p.rtt
		}
		p.congestion, err = unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		return err
	})
	return p, err == nil
}

// Far says that a round trip of the link takes so long that one connection alone would not fill much of a path.
func (l *Link) Far() bool {
	l.mu.Lock()
	c := l.conn
	l.mu.Unlock()
	if c == nil {
		return false
	}
	p, ok := measure(c)
	return ok && p.far()
}

// congestion changes the control of a connection that stands.
func (c *Conn) congestion(name string) error {
	return c.onTCP(func(fd int) error { return unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name) })
}

// onTCP runs f on the descriptor.
func (c *Conn) onTCP(f func(fd int) error) error {
	raw, ok := c.socket.Conn.(syscall.Conn)
	if _, tcp := c.socket.Conn.(*net.TCPConn); !ok || !tcp {
		return errors.New("the connection is not over TCP")
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	return errors.Join(control.Control(func(fd uintptr) { failed = f(int(fd)) }), failed)
}

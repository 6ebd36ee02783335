package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Choice is what the Dials of one transfer know about the path, where the transport is for them to choose. The control connection
// goes over TCP, which gets through nearly everywhere and measures the path on the side; data connections go by what it
// measured. Safe for concurrent use. The zero value is ready.
type Choice struct {
	mu      sync.Mutex
	control *Conn     // over TCP
	decided Transport // of data connections; 0: not yet
	warned  bool      // about small buffers
}

// farAway is the round trip from which on data go over QUIC.
const farAway = 10 * time.Millisecond

// once passes on what is worth saying once.
func (ch *Choice) once(text string, c Config) {
	if ch == nil || text == "" {
		return
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.warned {
		ch.warned = true
		c.note(text)
	}
}

// dial opens a connection by the transport that suits the path.
func (ch *Choice) dial(ctx context.Context, t Ticket, kind Kind, c Config) (*Conn, error) {
	if kind == Data && ch.way(c) == QUIC {
		conn, err := dial(ctx, t, kind, c, nil, QUIC)
		var refused *RefusedError
		if err == nil || errors.As(err, &refused) || ctx.Err() != nil {
			return conn, err
		}
		ch.blocked(c, err)
	}
	conn, err := dial(ctx, t, kind, c, nil, TCP)
	if err == nil && kind == Control {
		ch.measure(conn)
	}
	return conn, err
}

func (ch *Choice) measure(conn *Conn) {
	if ch == nil {
		return
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.control = conn
}

// way decides at the first data connection, when the control connection has seen some round trips.
func (ch *Choice) way(c Config) Transport {
	if ch == nil {
		return TCP
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.decided != 0 {
		return ch.decided
	}
	ch.decided = TCP
	if ch.control == nil {
		return TCP
	}
	p, ok := measured(ch.control)
	if !ok {
		return TCP
	}
	ch.decided = p.way()
	c.note(fmt.Sprintf("transport=auto: data go over %v, since %v", ch.decided, p))
	return ch.decided
}

// blocked remembers that QUIC does not get through.
func (ch *Choice) blocked(c Config, err error) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.decided == QUIC {
		ch.decided = TCP
		c.note(fmt.Sprintf("transport=auto: data go over TCP, since QUIC does not work: %v", err))
	}
}

// path is what a TCP connection knows about it.
type path struct {
	rtt  time.Duration // smoothed
	sent uint32        // segments with data
	lost uint32        // of them, sent again
}

func (p path) way() Transport {
	if p.rtt >= farAway {
		return QUIC
	}
	return TCP
}

func (p path) String() string {
	return fmt.Sprintf("a round trip takes %.1f ms and %d of %d segments were sent again", float64(p.rtt.Microseconds())/1000, p.lost, p.sent)
}

// measured asks the kernel about the path of a TCP connection.
func measured(conn *Conn) (path, bool) {
	tcp, ok := conn.socket.Conn.(*net.TCPConn)
	if !ok {
		return path{}, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return path{}, false
	}
	var info *unix.TCPInfo
	var failed error
	if err := raw.Control(func(fd uintptr) { info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); err != nil || failed != nil {
		return path{}, false
	}
	return path{rtt: time.Duration(info.Rtt) * time.Microsecond, sent: info.Data_segs_out, lost: info.Total_retrans}, true
}

package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// SocketOptions are the TCP settings a user may ask for, most of them through sockopt (sst-options 5). Every zero leaves the
// system's default, unless said otherwise.
type SocketOptions struct {
	Family         int            // 4 or 6 restricts the address family
	Bind           string         // local IP address of Dial
	SourcePort     int            // local port of Dial, or the first free one of the sourcePorts from there on
	Device         string         // SO_BINDTODEVICE
	NoKeepAlive    bool           // keepalive is on by default: 30 s idle, 10 s between probes, 6 probes
	KeepIdle       time.Duration  // TCP_KEEPIDLE, whole seconds
	KeepInterval   time.Duration  // TCP_KEEPINTVL, whole seconds
	KeepCount      int            // TCP_KEEPCNT
	UserTimeout    time.Duration  // TCP_USER_TIMEOUT, milliseconds
	SendBuffer     int            // SO_SNDBUF, bytes; the kernel doubles and clips it
	ReceiveBuffer  int            // SO_RCVBUF, bytes; turns the kernel's own tuning off
	Congestion     string         // TCP_CONGESTION
	MaxSegment     int            // TCP_MAXSEG, bytes
	TOS            int            // IP_TOS or IPV6_TCLASS
	Delay          bool           // true turns TCP_NODELAY off
	Allow          []netip.Prefix // a listener drops peers outside these; empty allows all
	ConnectTimeout time.Duration  // bound of one TCP connect; zero means the handshake timeout
	Retries        int            // how often Dial tries again when nobody answers; a joiner who was reached is not asked twice
	RetryEvery     time.Duration  // pause between these attempts; zero means a second
	RetryFor       time.Duration  // when no further attempt begins; zero means no bound
	ServerName     string         // name in Dial's TLS greeting, for proxies that route by it; nothing is verified by it. Empty sends none
}

// sourcePorts is how many local ports a SourcePort stands for: a transfer has several connections to one address, and each needs
// a port of its own.
const sourcePorts = 512

// Keepalive defaults: a peer that vanished without a word is noticed after 90 s, well before an operator gives up.
const (
	keepIdle     = 30 * time.Second
	keepInterval = 10 * time.Second
	keepCount    = 6
)

func (o SocketOptions) validate() error {
	if o.Family != 0 && o.Family != 4 && o.Family != 6 {
		return fmt.Errorf("address family %d, wanted 4 or 6", o.Family)
	}
	if o.Bind != "" {
		if _, err := netip.ParseAddr(o.Bind); err != nil {
			return fmt.Errorf("local address %q to bind to is not an IP address", o.Bind)
		}
	}
	if o.SourcePort < 0 || o.SourcePort > 65535 {
		return fmt.Errorf("source port %d, wanted 0 to 65535", o.SourcePort)
	}
	for name, n := range map[string]int{"number of retries": o.Retries, "send buffer": o.SendBuffer, "receive buffer": o.ReceiveBuffer, "segment size": o.MaxSegment, "type of service": o.TOS, "keepalive count": o.KeepCount} {
		if n < 0 {
			return fmt.Errorf("%s %d is negative", name, n)
		}
	}
	return nil
}

func (o SocketOptions) network() string {
	switch o.Family {
	case 4:
		return "tcp4"
	case 6:
		return "tcp6"
	}
	return "tcp"
}

func (o SocketOptions) keepAlive() net.KeepAliveConfig {
	k := net.KeepAliveConfig{Enable: !o.NoKeepAlive, Idle: keepIdle, Interval: keepInterval, Count: keepCount}
	if o.KeepIdle > 0 {
		k.Idle = o.KeepIdle
	}
	if o.KeepInterval > 0 {
		k.Interval = o.KeepInterval
	}
	if o.KeepCount > 0 {
		k.Count = o.KeepCount
	}
	return k
}

// control runs between socket and bind or connect, the last moment at which buffers and segment size count for the window
// scale. What a listener is given here its connections inherit.
func (o SocketOptions) control(_ context.Context, network, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) { failed = o.apply(int(fd), network) })
	return errors.Join(err, failed)
}

func (o SocketOptions) apply(fd int, network string) error {
	set := func(what string, level, option, value int) error {
		if value == 0 {
			return nil
		}
		if err := unix.SetsockoptInt(fd, level, option, value); err != nil {
			return fmt.Errorf("set %s of the socket to %d: %w", what, value, err)
		}
		return nil
	}
	tosLevel, tosOption := unix.IPPROTO_IP, unix.IP_TOS
	if network == "tcp6" {
		tosLevel, tosOption = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
	}
	err := errors.Join(
		set("send buffer", unix.SOL_SOCKET, unix.SO_SNDBUF, o.SendBuffer),
		set("receive buffer", unix.SOL_SOCKET, unix.SO_RCVBUF, o.ReceiveBuffer),
		set("segment size", unix.IPPROTO_TCP, unix.TCP_MAXSEG, o.MaxSegment),
		set("user timeout", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(o.UserTimeout.Milliseconds())),
		set("type of service", tosLevel, tosOption, o.TOS),
	)
	if o.Congestion != "" {
		if e := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, o.Congestion); e != nil {
			err = errors.Join(err, fmt.Errorf("set congestion control of the socket to %q (see /proc/sys/net/ipv4/tcp_available_congestion_control): %w", o.Congestion, e))
		}
	}
	if o.Device != "" {
		if e := unix.BindToDevice(fd, o.Device); e != nil {
			err = errors.Join(err, fmt.Errorf("bind the socket to device %q (needs the capability CAP_NET_RAW): %w", o.Device, e))
		}
	}
	return err
}

// tune sets on a connection what a listener does not pass on.
func (o SocketOptions) tune(c net.Conn) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	if o.Delay {
		_ = t.SetNoDelay(false) // a preference; a socket that is already broken shows it at the next read
	}
}

func (o SocketOptions) allows(a netip.Addr) bool {
	if len(o.Allow) == 0 {
		return true
	}
	for _, p := range o.Allow {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// dial makes one TCP connection.
func (o SocketOptions) dial(ctx context.Context, timeout time.Duration, to netip.AddrPort) (net.Conn, error) {
	last := min(o.SourcePort+sourcePorts-1, 65535)
	for {
		c, err := o.dialer(timeout).DialContext(ctx, "tcp", to.String())
		taken := errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL)
		if err == nil || !taken || o.SourcePort == 0 || o.SourcePort >= last || ctx.Err() != nil {
			return c, err
		}
		o.SourcePort++
	}
}

func (o SocketOptions) dialer(timeout time.Duration) *net.Dialer {
	if o.ConnectTimeout > 0 {
		timeout = o.ConnectTimeout
	}
	d := &net.Dialer{Timeout: timeout, KeepAliveConfig: o.keepAlive(), ControlContext: o.control}
	if o.Bind != "" || o.SourcePort != 0 {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(o.Bind), Port: o.SourcePort}
	}
	return d
}

func joinHostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// udpListen opens the UDP socket of a joiner.
func (o SocketOptions) udpListen(ctx context.Context, addr string) (*net.UDPConn, error) {
	network := "udp"
	if o.Family != 0 {
		network += strconv.Itoa(o.Family)
	}
	return o.packet(ctx, network, addr)
}

// udpFor opens a socket of a donor's own for a connection to the address, from the source port that is asked for or one of those
// behind it.
func (o SocketOptions) udpFor(ctx context.Context, to netip.Addr) (*net.UDPConn, error) {
	network := "udp4"
	if to.Is6() {
		network = "udp6"
	}
	last := min(o.SourcePort+sourcePorts-1, 65535)
	for port := o.SourcePort; ; port++ {
		c, err := o.packet(ctx, network, net.JoinHostPort(o.Bind, strconv.Itoa(port)))
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) || port == 0 || port >= last {
			return c, err
		}
	}
}

func (o SocketOptions) packet(ctx context.Context, network, addr string) (*net.UDPConn, error) {
	lc := net.ListenConfig{Control: func(network, _ string, raw rawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) { failed = o.applyUDP(int(fd), network) })
		return errors.Join(err, failed)
	}}
	c, err := lc.ListenPacket(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil // what ListenPacket gives for these networks
}

// applyUDP sets what makes sense without TCP: buffers are as large as QUIC can get them, and pacing is its own.
func (o SocketOptions) applyUDP(fd int, network string) error {
	var err error
	if o.TOS != 0 {
		level, option := unix.IPPROTO_IP, unix.IP_TOS
		if network == "udp6" {
			level, option = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
		}
		if e := unix.SetsockoptInt(fd, level, option, o.TOS); e != nil {
			err = fmt.Errorf("set type of service of the socket to %d: %w", o.TOS, e)
		}
	}
	if o.Device != "" {
		if e := unix.BindToDevice(fd, o.Device); e != nil {
			err = errors.Join(err, fmt.Errorf("bind the socket to device %q (needs the capability CAP_NET_RAW): %w", o.Device, e))
		}
	}
	return err
}

// shortfall says that the system does not allow UDP buffers of the size that QUIC wants; "" when it does, or cannot be asked.
// QUIC must have been started on the socket, which is when it asks for them.
func shortfall(c *net.UDPConn) string {
	raw, err := c.SyscallConn()
	if err != nil {
		return ""
	}
	var in, out int
	if raw.Control(func(fd uintptr) {
		in, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		out, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
	}) != nil || in == 0 || out == 0 {
		return ""
	}
	return shortfallText(in, out)
}

// shortfallText takes what the kernel reports, which is twice what was asked for (socket(7)).
func shortfallText(in, out int) string {
	if in >= quicBuffer && out >= quicBuffer {
		return ""
	}
	return fmt.Sprintf("this system allows UDP sockets buffers of %d KiB in and %d KiB out, QUIC wants %d KiB and may be slow; set sysctl net.core.rmem_max and net.core.wmem_max to %d",
		in>>10, out>>10, quicBuffer>>10, quicBuffer)
}

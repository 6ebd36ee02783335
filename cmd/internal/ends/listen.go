package ends

import (
	"context"
	"net"
	"strconv"
	"strings"

	"trireme/cmd/internal/galera"
	"trireme/cmd/internal/settings"
	"trireme/wire"
)

// ListenAddress is what sockopt's bind says, else the advertised address where that is one of this host's,
// else every interface: behind a translation of addresses the two differ. A name is looked up until ctx ends.
func ListenAddress(ctx context.Context, set *settings.Settings, a galera.Address) string {
	port := strconv.Itoa(a.Port)
	if own := strings.Trim(set.SockOpts().Bind, "[]"); own != "" {
		return net.JoinHostPort(own, port)
	}
	ips, err := net.DefaultResolver.LookupIP(ctx, "ip", a.Host)
	if err != nil || len(ips) != 1 {
		return net.JoinHostPort("", port)
	}
	probe, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ips[0]})
	if err != nil {
		return net.JoinHostPort("", port)
	}
	probe.Close()
	return net.JoinHostPort(ips[0].String(), port)
}

// Where names the ports of a listener: TCP always, UDP as well where QUIC may come.
func Where(ln *wire.Listener) string {
	if ln.Ticket("").Transport == 0 {
		return ln.Addr().String()
	}
	return ln.Addr().String() + ", TCP and UDP"
}

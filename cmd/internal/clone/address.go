package clone

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"trireme/cmd/internal/cli"
)

// splitListen reads --listen: HOST:PORT, :PORT, HOST, or an IPv6 address with or without brackets.
func splitListen(s, fallback string) (host, port string, err error) {
	if a, perr := netip.ParseAddr(s); perr == nil {
		return a.String(), fallback, nil
	}
	host, port, err = net.SplitHostPort(s)
	if err != nil {
		if host, port, err = net.SplitHostPort(s + ":" + fallback); err != nil {
			return "", "", err
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", fmt.Errorf("port %q is not a number from 0 to 65535", port)
	} else if n == 0 && fallback == "" {
		return "", "", fmt.Errorf("port 0 cannot be reached")
	}
	return host, port, nil
}

// advertised decides under which address the sender is told to come: what --advertise says, else where we listen, else
// the address that traffic to the world outside leaves from. others are further addresses of this host.
func advertised(listenHost, advertise string) (host string, port int, others []string, err error) {
	if advertise != "" {
		h, p, err := splitListen(advertise, "0")
		if err != nil {
			return "", 0, nil, cli.Usage(fmt.Errorf("flag --advertise %q: %w", advertise, err))
		}
		n, _ := strconv.Atoi(p) // checked by splitListen
		return h, n, nil, nil
	}
	if a, err := netip.ParseAddr(listenHost); listenHost != "" && (err != nil || !a.IsUnspecified()) {
		return listenHost, 0, nil, nil
	}
	all := hostAddresses(listenHost)
	if len(all) == 0 {
		return "", 0, nil, coded(exitNetwork, fmt.Errorf("this host has no address another one could reach; name one with --advertise"))
	}
	best := all[0]
	if out, ok := outbound(); ok && slices.Contains(all, out) {
		best = out
	}
	for _, a := range all {
		if a != best {
			others = append(others, a)
		}
	}
	return best, 0, others, nil
}

// hostAddresses are the addresses of this host that others may reach, IPv4 first; loopback only when there is
// nothing else. listenHost narrows the family when it is the unspecified address of one.
func hostAddresses(listenHost string) []string {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var four, six, loop []string
	for _, a := range found {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		if !ok {
			continue
		}
		switch ip = ip.Unmap(); {
		case listenHost == "0.0.0.0" && !ip.Is4(), ip.IsLinkLocalUnicast():
		case ip.IsLoopback():
			loop = append(loop, ip.String())
		case ip.Is4():
			four = append(four, ip.String())
		default:
			six = append(six, ip.String())
		}
	}
	if all := append(four, six...); len(all) > 0 {
		return all
	}
	return loop
}

// outbound is the address that packets for a documentation address would leave from (RFC 5737). A connected UDP
// socket sends nothing.
func outbound() (string, bool) {
	c, err := net.Dial("udp4", "192.0.2.1:9")
	if err != nil {
		return "", false
	}
	defer c.Close()
	a, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok {
		return "", false
	}
	return a.IP.String(), true
}

package wire

import (
	"net"
	"net/netip"
)

// zoned gives a link-local address the zones it may be meant in. A zone is a matter of each host and cannot travel in a ticket,
// so the donor tries every link it has (RFC 4007 section 6); the pin tells the joiner from whoever else has that address. device
// names the one link to use, if not empty. Other addresses come back alone.
func zoned(a netip.Addr, device string, links func() []string) []netip.Addr {
	if !a.Is6() || !a.IsLinkLocalUnicast() || a.Zone() != "" {
		return []netip.Addr{a}
	}
	if device != "" {
		return []netip.Addr{a.WithZone(device)}
	}
	var out []netip.Addr
	for _, name := range links() {
		out = append(out, a.WithZone(name))
	}
	if len(out) == 0 {
		return []netip.Addr{a} // the system's error says that there is no way
	}
	return out
}

// linkNames lists the interfaces that are up and have a link-local address, by index.
func linkNames() []string {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var names []string
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil || i.Flags&net.FlagUp == 0 {
			continue
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() == nil && n.IP.IsLinkLocalUnicast() {
				names = append(names, i.Name)
				break
			}
		}
	}
	return names
}

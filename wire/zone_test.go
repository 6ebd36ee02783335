package wire

import (
	"net"
	"net/netip"
	"slices"
	"testing"
)

func TestZoned(t *testing.T) {
	links := func(names ...string) func() []string { return func() []string { return names } }
	for _, c := range []struct {
		addr, device string
		links        []string
		want         []string
	}{
		{"fe80::1", "", []string{"eth0", "eth1"}, []string{"fe80::1%eth0", "fe80::1%eth1"}},
		{"fe80::1", "eth1", []string{"eth0", "eth1"}, []string{"fe80::1%eth1"}},
		{"fe80::1", "", nil, []string{"fe80::1"}},
		{"fe80::1%eth7", "", []string{"eth0"}, []string{"fe80::1%eth7"}},
		{"fd00::1", "", []string{"eth0"}, []string{"fd00::1"}},
		{"169.254.1.1", "", []string{"eth0"}, []string{"169.254.1.1"}},
		{"::1", "lo", []string{"lo"}, []string{"::1"}},
	} {
		var got []string
		for _, a := range zoned(netip.MustParseAddr(c.addr), c.device, links(c.links...)) {
			got = append(got, a.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("zoned(%s, %q) = %v, want %v", c.addr, c.device, got, c.want)
		}
	}
	for _, name := range linkNames() {
		if name == "" {
			t.Error("an interface without a name")
		}
	}
}

// TestLinkLocal: a ticket with an address that needs a zone leads to the joiner.
func TestLinkLocal(t *testing.T) {
	host := ""
	for _, name := range linkNames() {
		i, err := net.InterfaceByName(name)
		if err != nil {
			t.Fatal(err)
		}
		addrs, err := i.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() == nil && n.IP.IsLinkLocalUnicast() {
				host = n.IP.String()
			}
		}
	}
	if host == "" {
		t.Skip("no interface of this host has an IPv6 link-local address (ip link add dummy0 type dummy, ip link set dummy0 up)")
	}
	c := config(t)
	l, err := Listen(testContext(t), "[::]:0", c)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ticket := l.Ticket(host + "%any")
	o := meet(t, l, ticket, Control, c)
	if o.donorErr != nil || o.joinerErr != nil {
		t.Fatal(o.donorErr, o.joinerErr)
	}
	chat(t, o.donor, o.joiner)
}

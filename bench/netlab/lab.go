package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink" // devices, addresses, routes and tbf by the kernel's own interface
	"github.com/vishvananda/netns"
)

// Shape is what happens to packets in one direction of a link.
type Shape struct {
	// Rate is in bits a second; 0 means as fast as the machine can.
	Rate int64
	// Delay is for one direction; a round trip takes twice that.
	Delay time.Duration
	// Loss is the share of packets that vanish, from 0 to 1.
	Loss float64
	// Queue is how many bytes may wait for the line before packets are dropped. 0 means
	// what passes in a round trip, and at least in 20 ms, and at least 64 full packets.
	Queue int
}

// queue is Queue with its default filled in.
func (s Shape) queue() int {
	if s.Queue > 0 {
		return s.Queue
	}
	span := max(2*s.Delay, 20*time.Millisecond)
	return max(int(float64(s.Rate)/8*span.Seconds()), 64*defaultMTU)
}

const defaultMTU = 1500

// Config describes a scene.
type Config struct {
	Hosts int   // 0 means two
	Shape Shape // of every direction; see Link.SetShape
	// Relay makes relays where wires would do, to have a firewall.
	Relay bool
	// MTU is the largest packet, with its IP header; 0 means 1500.
	MTU int
	// Seed decides which packets are lost.
	Seed uint64
	// Congestion is what TCP on the hosts uses; "" means what this machine uses. Outside of
	// its first namespace the kernel takes what net.ipv4.tcp_allowed_congestion_control
	// lists there, which always has reno and the machine's own.
	Congestion string
}

func (c Config) withDefaults() Config {
	if c.Hosts == 0 {
		c.Hosts = 2
	}
	if c.MTU == 0 {
		c.MTU = defaultMTU
	}
	return c
}

// Lab is a number of hosts and a link between any two of them.
type Lab struct {
	hosts []*Host
	links map[[2]int]*Link // by the numbers of the hosts, the smaller one first
}

// New makes a scene. Close removes it.
func New(c Config) (*Lab, error) {
	c = c.withDefaults()
	if err := Possible(); err != nil {
		return nil, err
	}
	l := &Lab{links: map[[2]int]*Link{}}
	if err := l.build(c); err != nil {
		return nil, errors.Join(fmt.Errorf("make network scene: %w", err), l.Close())
	}
	return l, nil
}

func (l *Lab) build(c Config) error {
	for i := range c.Hosts {
		h, err := newHost(i, c.Congestion)
		if err != nil {
			return fmt.Errorf("host %d: %w", i, err)
		}
		l.hosts = append(l.hosts, h)
	}
	relay := c.Relay || c.Shape.Delay > 0 || c.Shape.Loss > 0
	for i := range l.hosts {
		for j := i + 1; j < len(l.hosts); j++ {
			seed := c.Seed<<16 | uint64(i)<<8 | uint64(j)
			link, err := newLink(l.hosts[i], l.hosts[j], relay, c.MTU, seed)
			if err != nil {
				return fmt.Errorf("link between hosts %d and %d: %w", i, j, err)
			}
			l.links[[2]int{i, j}] = link
			if err := link.SetShape(c.Shape); err != nil {
				return err
			}
		}
	}
	return nil
}

// Host returns host n, counted from 0.
func (l *Lab) Host(n int) *Host { return l.hosts[n] }

// Link returns the link between two hosts.
func (l *Lab) Link(a, b int) *Link { return l.links[[2]int{min(a, b), max(a, b)}] }

// Close removes links and hosts. Programs that still run keep their host alive, without any link.
func (l *Lab) Close() error {
	var errs []error
	for _, link := range l.links {
		errs = append(errs, link.close())
	}
	for _, h := range l.hosts {
		errs = append(errs, h.close())
	}
	return errors.Join(errs...)
}

// Possible says why no lab can be made here, or nil.
func Possible() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("network namespaces need root; this runs as user %d", os.Geteuid())
	}
	if _, err := os.Stat(tunPath); err != nil {
		return fmt.Errorf("there are no TUN devices here: %w", err)
	}
	return away(func() error {
		ns, err := netns.New()
		if err != nil {
			return fmt.Errorf("this system lets nobody make network namespaces: %w", err)
		}
		return ns.Close()
	})
}

// Need skips a test where no lab can be made, and says why.
func Need(t testing.TB) {
	t.Helper()
	if err := Possible(); err != nil {
		t.Skipf("no network scene: %v", err)
	}
}

// address is where host n is found, by either family.
func address(n int) (four, six netip.Addr) {
	return netip.AddrFrom4([4]byte{10, 99, 0, byte(n + 1)}), netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x99, 15: byte(n + 1)})
}

// local is the link-local address of host n on each of its wires.
func local(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 13: 0x99, 15: byte(n + 1)})
}

// host is the prefix that holds one address alone.
func host(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}

// up starts a device and routes a peer's addresses to it.
func up(h *netlink.Handle, dev netlink.Link, own, peer int) error {
	if err := h.LinkSetUp(dev); err != nil {
		return fmt.Errorf("start %s: %w", dev.Attrs().Name, err)
	}
	own4, own6 := address(own)
	peer4, peer6 := address(peer)
	for _, a := range [][2]netip.Addr{{own4, peer4}, {own6, peer6}} {
		r := &netlink.Route{LinkIndex: dev.Attrs().Index, Dst: host(a[1]), Src: a[0].AsSlice(), Scope: netlink.SCOPE_LINK}
		if err := h.RouteAdd(r); err != nil {
			return fmt.Errorf("route to %s: %w", a[1], err)
		}
	}
	return nil
}

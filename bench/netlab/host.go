package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Host is a network namespace with a loopback device, an address of either family, and a device for each link.
type Host struct {
	number int
	ns     netns.NsHandle
	net    *netlink.Handle // in ns
}

func newHost(number int, congestion string) (*Host, error) {
	h := &Host{number: number, ns: netns.None()}
	err := away(func() error {
		var err error
		if h.ns, err = netns.New(); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		if congestion == "" {
			return nil
		}
		// What /proc/sys/net shows is the namespace of who looks.
		if err := os.WriteFile("/proc/sys/net/ipv4/tcp_congestion_control", []byte(congestion), 0); err != nil {
			return fmt.Errorf("set congestion control %s, which net.ipv4.tcp_allowed_congestion_control must list: %w", congestion, err)
		}
		return nil
	})
	if err == nil {
		err = h.loopback()
	}
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// loopback starts the loopback device and gives it the host's addresses.
func (h *Host) loopback() error {
	var err error
	if h.net, err = netlink.NewHandleAt(h.ns); err != nil {
		return fmt.Errorf("talk to the kernel: %w", err)
	}
	lo, err := h.net.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback device: %w", err)
	}
	if err := h.net.LinkSetUp(lo); err != nil {
		return fmt.Errorf("start the loopback device: %w", err)
	}
	four, six := address(h.number)
	for _, a := range []netip.Addr{four, six} {
		// Nobody else can have it, and until that was asked no route may name it.
		if err := h.net.AddrAdd(lo, &netlink.Addr{IPNet: host(a), Flags: unix.IFA_F_NODAD}); err != nil {
			return fmt.Errorf("add address %s: %w", a, err)
		}
	}
	return nil
}

func (h *Host) close() error {
	if h.net != nil {
		h.net.Close()
	}
	if !h.ns.IsOpen() {
		return nil
	}
	return h.ns.Close()
}

// Addr is the host's address of the fourth version.
func (h *Host) Addr() netip.Addr { a, _ := address(h.number); return a }

// Addr6 is the host's address of the sixth version.
func (h *Host) Addr6() netip.Addr { _, a := address(h.number); return a }

// Local is the host's link-local address on the wire to a peer, with the device as its zone. A relay has none.
func (h *Host) Local(peer *Host) netip.Addr {
	return local(h.number).WithZone(fmt.Sprintf("to%d", peer.number))
}

// Do runs f on this host: sockets it makes and programs it starts belong there. f must not leave that to other goroutines, which
// run elsewhere.
func (h *Host) Do(f func() error) error {
	return away(func() error {
		if err := netns.Set(h.ns); err != nil {
			return fmt.Errorf("go to host %d: %w", h.number, err)
		}
		return f()
	})
}

// Start starts a program on this host.
func (h *Host) Start(cmd *exec.Cmd) error { return h.Do(cmd.Start) }

// Listen is net.Listen on this host; address is a literal.
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	err = h.Do(func() error {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// ListenPacket is net.ListenPacket on this host; address is a literal.
func (h *Host) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = h.Do(func() error {
		c, err = net.ListenPacket(network, address)
		return err
	})
	return c, err
}

// Dial is net.Dial on this host; address is a literal.
func (h *Host) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err) // names would be looked up on another thread, elsewhere
	}
	err = h.Do(func() error {
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// away runs f on a thread of its own, which may change its namespace: it ends with f, since the goroutine never unlocks it.
func away(f func() error) error {
	var err error
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread()
		err = f()
	})
	wg.Wait()
	return err
}

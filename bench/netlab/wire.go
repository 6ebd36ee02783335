package netlab

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// newWire joins two hosts by a veth pair. Their neighbours are written down, not asked for: an address on the loopback device would
// not answer for itself in the sixth version.
func newWire(ends [2]*Host, mtu int) (wires [2]netlink.Link, err error) {
	a, b := ends[0], ends[1]
	name := func(own, peer *Host) string { return fmt.Sprintf("to%d", peer.number) }
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name(a, b), mtu
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: name(b, a), PeerNamespace: netlink.NsFd(int(b.ns))}
	if err := a.net.LinkAdd(pair); err != nil {
		return wires, fmt.Errorf("make a veth pair: %w", err)
	}
	if wires[0], err = a.net.LinkByName(name(a, b)); err == nil {
		wires[1], err = b.net.LinkByName(name(b, a))
	}
	for i := range ends {
		own, peer := ends[i], ends[1-i]
		if err == nil {
			err = own.net.LinkSetMTU(wires[i], mtu)
		}
		if err == nil {
			err = up(own.net, wires[i], own.number, peer.number)
		}
	}
	for i := range ends {
		if err == nil {
			err = addLocal(ends[i].net, wires[i], ends[i].number)
		}
	}
	for i := range ends {
		if err == nil {
			err = neighbours(ends[i].net, wires[i], ends[1-i].number, wires[1-i].Attrs().HardwareAddr)
		}
	}
	if err != nil {
		_ = a.net.LinkDel(pair) // goes with its host at the latest
		return wires, err
	}
	return wires, nil
}

// addLocal gives a device the link-local address that Host.Local tells, beside the one that the kernel makes up and first asks about.
func addLocal(h *netlink.Handle, dev netlink.Link, own int) error {
	ip := &net.IPNet{IP: local(own).AsSlice(), Mask: net.CIDRMask(64, 128)}
	if err := h.AddrAdd(dev, &netlink.Addr{IPNet: ip, Flags: unix.IFA_F_NODAD}); err != nil {
		return fmt.Errorf("add address %s: %w", ip, err)
	}
	return nil
}

func neighbours(h *netlink.Handle, dev netlink.Link, peer int, hardware net.HardwareAddr) error {
	four, six := address(peer)
	for family, ip := range map[int]net.IP{netlink.FAMILY_V4: four.AsSlice(), netlink.FAMILY_V6: six.AsSlice()} {
		n := &netlink.Neigh{LinkIndex: dev.Attrs().Index, Family: family, State: netlink.NUD_PERMANENT, IP: ip, HardwareAddr: hardware}
		if err := h.NeighSet(n); err != nil {
			return fmt.Errorf("introduce %s: %w", ip, err)
		}
	}
	return nil
}

// shapeWire gives a device a token bucket, or takes it away.
func shapeWire(h *netlink.Handle, dev netlink.Link, s Shape) error {
	attrs := netlink.QdiscAttrs{LinkIndex: dev.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT}
	if s.Rate == 0 {
		// A veth without a discipline of ours has none at all, and then there is nothing to remove.
		have, err := h.QdiscList(dev)
		if err != nil {
			return fmt.Errorf("list queueing disciplines of %s: %w", dev.Attrs().Name, err)
		}
		for _, q := range have {
			if q.Type() == "tbf" {
				return h.QdiscDel(q)
			}
		}
		return nil
	}
	rate := uint64(s.Rate / 8)
	// A bucket for a millisecond, or for one full packet as the sender's kernel hands it down.
	burst := max(rate/1000, 64<<10)
	q := &netlink.Tbf{QdiscAttrs: attrs, Rate: rate, Limit: uint32(s.queue()) + uint32(burst), Buffer: netlink.Xmittime(rate, uint32(burst))}
	if err := h.QdiscReplace(q); err != nil {
		return fmt.Errorf("limit %s to %d bit/s: %w", dev.Attrs().Name, s.Rate, err)
	}
	return nil
}

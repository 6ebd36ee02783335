package netlab

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// Link joins two hosts.
type Link struct {
	ends  [2]*Host
	wires [2]netlink.Link // at each end; nil when it is a relay
	relay *relay          // nil when it is a wire
}

func newLink(a, b *Host, relayed bool, mtu int, seed uint64) (*Link, error) {
	l := &Link{ends: [2]*Host{a, b}}
	var err error
	if relayed {
		l.relay, err = newRelay(l.ends, mtu, seed)
	} else {
		l.wires, err = newWire(l.ends, mtu)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// SetShape changes both directions. Packets that are under way keep their time.
func (l *Link) SetShape(s Shape) error {
	return errors.Join(l.SetShapeFrom(l.ends[0], s), l.SetShapeFrom(l.ends[1], s))
}

// SetShapeFrom changes the direction that begins at h.
func (l *Link) SetShapeFrom(h *Host, s Shape) error {
	from := l.end(h)
	switch {
	case s.Rate < 0 || s.Delay < 0 || s.Loss < 0 || s.Loss > 1 || s.Queue < 0:
		return fmt.Errorf("shape a link: %+v is out of range", s)
	case l.relay != nil:
		l.relay.ways[from].setShape(s)
		return nil
	case s.Delay > 0 || s.Loss > 0:
		return fmt.Errorf("shape a link: a wire has no delay and no loss, a relay is needed (Config.Relay)")
	}
	return shapeWire(l.ends[from].net, l.wires[from], s)
}

// SetFilter makes f the firewall of both directions; nil lets everything pass. It is called for each packet, from two goroutines,
// and must be quick. Only a relay has one.
func (l *Link) SetFilter(f func(Packet) Verdict) {
	if l.relay == nil {
		panic("netlab: a wire has no firewall, a relay is needed (Config.Relay)")
	}
	if f == nil {
		l.relay.filter.Store(nil)
		return
	}
	l.relay.filter.Store(&f)
}

// Cut lets nothing pass until SetFilter.
func (l *Link) Cut() { l.SetFilter(func(Packet) Verdict { return Drop }) }

// Flows returns the flows that have passed so far, in either direction; both are the same flow. It is what a firewall remembers:
//
//	old := link.Flows()
//	link.SetFilter(func(p netlab.Packet) netlab.Verdict { ... old[p.Flow()] ... })
func (l *Link) Flows() map[Flow]bool {
	if l.relay == nil {
		panic("netlab: a wire keeps no list of flows, a relay is needed (Config.Relay)")
	}
	return l.relay.known()
}

// Forget gives all flows that have passed so far the verdict, like a firewall that was restarted, and lets new ones pass. It replaces the filter.
func (l *Link) Forget(v Verdict) {
	old := l.Flows()
	l.SetFilter(func(p Packet) Verdict {
		if old[p.Flow()] {
			return v
		}
		return Pass
	})
}

// Count is what became of the packets of one direction.
type Count struct {
	Packets, Bytes int64 // delivered
	Lost           int64 // packets, by Shape.Loss
	Overflow       int64 // packets that found the queue full
	Filtered       int64 // packets that the filter did not let pass
}

// CountFrom returns what happened so far in the direction that begins at h. Only a relay counts.
func (l *Link) CountFrom(h *Host) Count {
	if l.relay == nil {
		panic("netlab: a wire does not count, a relay is needed (Config.Relay)")
	}
	return l.relay.ways[l.end(h)].counts()
}

// end is the number of the end at h.
func (l *Link) end(h *Host) int {
	for i, e := range l.ends {
		if e == h {
			return i
		}
	}
	panic("netlab: the host is not at an end of this link")
}

func (l *Link) close() error {
	if l.relay != nil {
		return l.relay.close()
	}
	return l.ends[0].net.LinkDel(l.wires[0]) // its other end goes with it
}

package wire

import (
	"errors"
	"net/netip"
	"sync"
)

// gate counts QUIC handshakes that are under way, which quic-go does not bound. It knows their addresses, so a flood from a few
// fills their own share only; false addresses do not get here once the gate is half full, because then each has to be
// confirmed (Retry, RFC 9000 section 8.1.2).
//
//	first packet -> gate -> TLS -> crowd (the preface) -> Accept
type gate struct {
	max int

	mu   sync.Mutex
	all  int
	from map[netip.Addr]int
}

func newGate(limit int) *gate { return &gate{max: limit, from: map[netip.Addr]int{}} }

// doubtful says that addresses have to be confirmed from now on.
func (g *gate) doubtful() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return 2*g.all >= g.max
}

// share is how many of limit one address may have where others come as well.
func share(limit int) int { return max(1, limit/8) }

// enter lets a handshake in; leave has to be called once when it is over. Beyond max only addresses with little under way get
// in, and beyond four times max nobody does.
func (g *gate) enter(a netip.Addr) (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= 4*g.max || g.all >= g.max && g.from[a] >= share(g.max) {
		return nil, errors.New("too many QUIC handshakes are under way")
	}
	g.all++
	g.from[a]++
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.all--
		if g.from[a]--; g.from[a] == 0 {
			delete(g.from, a)
		}
	}), nil
}

package wire

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// crowd holds the connections that have not proved anything yet, and keeps their number bounded. When one too many comes, the one
// that is least likely the donor has to go. First the address that holds most beyond its share, however far its connections have
// come, so that a flood from a few addresses pushes out itself; a donor that opens many at once loses only what is beyond its own
// share, and comes back with it. Then, and within one address, those that have sent nothing, then those that have not finished TLS,
// among equals one of the address that has most of them, and of these the oldest.
type crowd struct {
	mu      sync.Mutex
	max     int
	members map[*member]struct{}
	next    uint64
	closed  bool
}

type member struct {
	socket    *socket
	from      netip.Addr
	order     uint64
	encrypted atomic.Bool // TLS is done
	evicted   bool        // under crowd.mu
}

func newCrowd(limit int) *crowd {
	return &crowd{max: limit, members: make(map[*member]struct{}, limit)}
}

// admit adds a connection and evicts another when the place is full. The newcomer itself always gets its chance.
func (c *crowd) admit(s *socket, from netip.Addr) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := &member{socket: s, from: from, order: c.next}
	c.next++
	if c.closed {
		m.evicted = true
		s.abandon() // the listener is gone; the handshake will notice
		return m
	}
	if len(c.members) >= c.max {
		v := c.victim(from)
		v.evicted = true
		delete(c.members, v)
		v.socket.abandon()
	}
	c.members[m] = struct{}{}
	return m
}

// leave removes a connection whose handshake has ended, and tells whether it was pushed out before.
func (c *crowd) leave(m *member) (evicted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.members, m)
	return m.evicted
}

func (c *crowd) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for m := range c.members {
		m.socket.abandon() // wakes up its handshake, which reports nothing any more
	}
}

// victim is who makes room for a newcomer from the given address, which counts as if it were in already.
func (c *crowd) victim(from netip.Addr) *member {
	perAddress := make(map[netip.Addr]int, len(c.members)+1)
	perAddress[from]++
	for m := range c.members {
		perAddress[m.from]++
	}
	var worst *member
	for m := range c.members {
		if worst == nil || worse(m, worst, perAddress, share(c.max)) {
			worst = m
		}
	}
	return worst
}

// worse says that a should go before b.
func worse(a, b *member, perAddress map[netip.Addr]int, share int) bool {
	if na, nb := max(share, perAddress[a.from]), max(share, perAddress[b.from]); na != nb {
		return na > nb
	}
	if pa, pb := a.progress(), b.progress(); pa != pb {
		return pa < pb
	}
	if na, nb := perAddress[a.from], perAddress[b.from]; na != nb {
		return na > nb
	}
	return a.order < b.order
}

func (m *member) progress() int {
	switch {
	case m.encrypted.Load():
		return 2
	case m.socket.started.Load():
		return 1
	}
	return 0
}

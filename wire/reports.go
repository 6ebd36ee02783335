package wire

import (
	"net/netip"
	"sync"
)

// remoteless stands in for the address of reports that are about nobody in particular.
var remoteless netip.Addr

// reports passes strangers on, each address and cause once: a scanner must not fill the server's log.
type reports struct {
	mu   sync.Mutex
	seen map[report]struct{}
	to   func(remote string, err error)
}

type report struct {
	from  netip.Addr
	cause Cause
}

func newReports(to func(remote string, err error)) *reports {
	return &reports{seen: make(map[report]struct{}), to: to}
}

func (r *reports) add(e *StrangerError, from netip.Addr) {
	if r.to == nil || !r.first(report{from, e.Cause}) {
		return
	}
	r.to(e.Remote, e)
}

func (r *reports) first(key report) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.seen[key]; ok || len(r.seen) >= maxReported {
		return false
	}
	r.seen[key] = struct{}{}
	return true
}

package proto

import (
	"sync"
	"sync/atomic"
	"time"
)

// absence says that the control connection is gone while it is: the limit may be minutes,
// and nobody should have to guess why nothing moves. Safe for concurrent use.
type absence struct {
	limit time.Duration // how long the connection is tried again; negative: without limit
	from  string        // where that comes from
	tell  func(format string, args ...any)
	shown *atomic.Bool // Progress says it too

	mu    sync.Mutex
	since time.Time // zero: the connection stands
	cause error
	said  bool
}

// begin is told that the connection was lost, and why. A loss on top of another is the same outage.
func (o *absence) begin(cause error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		o.since, o.cause, o.said = time.Now(), cause, false
		o.show(true)
	}
}

// end is told that it is there again.
func (o *absence) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.since = time.Time{}
	o.show(false)
}

func (o *absence) show(gone bool) {
	if o.shown != nil {
		o.shown.Store(gone)
	}
}

// remark is called from time to time, and says once in an outage that there is one.
func (o *absence) remark() {
	o.mu.Lock()
	since, cause := o.since, o.cause
	due := !since.IsZero() && !o.said && time.Since(since) >= patience.remark
	o.said = o.said || due
	o.mu.Unlock()
	switch {
	case !due:
	case o.limit < 0:
		o.tell("the connection is lost (%s); opening it again is tried without limit (%s)", lossText(cause), o.from)
	default:
		o.tell("the connection is lost (%s); opening it again is tried for %v at most (%s)", lossText(cause), o.limit, o.from)
	}
}

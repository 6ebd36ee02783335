package proto

import (
	"context"

	"golang.org/x/time/rate" // token bucket that knows contexts

	"trireme/engine/block"
)

// throttle bounds how fast all workers together read while the server works. It may be
// changed while they wait.
type throttle struct {
	l *rate.Limiter
}

// sip is what a worker waits for at once. Small, so that a new limit is felt soon: what
// is waited for already comes at the old one.
const sip = 64 << 10

func newThrottle(bytesPerSecond int64) *throttle {
	t := &throttle{rate.NewLimiter(rate.Inf, block.Unit)}
	t.set(bytesPerSecond)
	return t
}

// set changes the limit; 0 and less mean none. A tenth of a second's worth may come at
// once, but never less than one unit.
func (t *throttle) set(bytesPerSecond int64) {
	if bytesPerSecond <= 0 {
		t.l.SetLimit(rate.Inf)
		return
	}
	t.l.SetBurst(int(max(block.Unit, bytesPerSecond/10)))
	t.l.SetLimit(rate.Limit(bytesPerSecond))
}

// off says whether there is no limit at the moment.
func (t *throttle) off() bool { return t.l.Limit() == rate.Inf }

// wait blocks until n bytes may be read.
func (t *throttle) wait(ctx context.Context, n int) error {
	for ; n > 0 && t.l.Limit() != rate.Inf; n -= sip {
		if err := t.l.WaitN(ctx, min(n, sip)); err != nil {
			return err
		}
	}
	return nil
}

// watchRate follows changes of the limit.
func (d *donor) watchRate() error {
	for {
		select {
		case <-d.s.ctx.Done():
			return nil
		case n := <-d.c.RateChanges:
			d.limit.set(n)
			if n <= 0 {
				d.c.Note("reading without a limit from now on")
				continue
			}
			d.c.Note("reading at most %s a second while the server works, from now on", amount(n))
		}
	}
}

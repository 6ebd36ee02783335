package proto

import (
	"fmt"
	"time"

	"trireme/engine/block"
)

// watchMoves ends a transfer in which nothing moves at either end: a peer whose disk
// hangs goes on with its heartbeats. figure is anything that changes while something
// moves, limit how long it may stand still now; 0 means that nothing has to move. halfway,
// if there is one, is called once when half of that has passed.
func (s *session) watchMoves(figure func() int64, limit func() time.Duration, halfway func(time.Duration), stalled func(time.Duration) error) error {
	t := time.NewTicker(beatEvery)
	defer t.Stop()
	last, since, called := int64(-1), time.Now(), false
	for {
		select {
		case <-s.ctx.Done():
			return nil
		case now := <-t.C:
			most := limit()
			f := figure()
			if most == 0 || f != last {
				last, since, called = f, now, false
				continue
			}
			if now.Sub(since) > most/2 && !called && halfway != nil {
				called = true
				halfway(most / 2)
			}
			if now.Sub(since) > most {
				return stalled(most)
			}
		}
	}
}

// watchProgress is watchMoves for the donor, whose server may be locked meanwhile.
func (d *donor) watchProgress() error {
	idle := d.c.IdleTimeout
	switch {
	case idle == 0:
		idle = stallLive
	case idle < 0:
		idle = 0
	}
	var halfway func(time.Duration)
	if d.c.Reconnect != 0 {
		// A single connection may be dead though the others show that the peer lives.
		halfway = func(waited time.Duration) { d.s.kick(fmt.Errorf("nothing has moved for %v", waited)) }
	}
	var told hearsay
	return d.s.watchMoves(func() int64 {
		s := d.p.Snapshot()
		own := s.Read + s.Sent + s.Holes
		return own + s.Done + d.held.Load() + d.aside.Load() + told.moved(s.Phase, d.p.remote.Load(), own)
	}, func() time.Duration {
		switch d.p.Snapshot().Phase {
		case PhaseLive:
			return idle
		case PhaseLocked, PhaseVerifying:
			if d.c.Locker == nil || d.working.Load() {
				return idle
			}
			if idle == 0 {
				return stallLocked // whatever was written down: the cluster waits
			}
			return min(idle, stallLocked)
		}
		return 0
	}, halfway, func(limit time.Duration) error {
		return failf(CodeTimeout, "nothing has moved for %v in the phase %q; look at disk and network of the joiner", limit, d.p.Snapshot().Phase)
	})
}

// watchProgress is watchMoves for a joiner that was given a limit. It holds within a
// pass: between two the donor may wait for its lock.
func (j *joiner) watchProgress() error {
	return j.s.watchMoves(func() int64 {
		s := j.p.Snapshot()
		return s.Done + s.Read + s.Sent + s.Holes + j.p.remote.Load()
	}, func() time.Duration {
		if !j.passing.Load() {
			return 0
		}
		return j.c.IdleTimeout
	}, nil, func(limit time.Duration) error {
		return failf(CodeTimeout, "nothing has moved for %v in the phase %q; look at disk and network of the donor", limit, j.p.Snapshot().Phase)
	})
}

// hearsay is what the other end's heartbeats count for. It cannot be seen whether they are
// true, so they count in whole units, and never for more than was given to the other end
// since the lock was granted: whoever only says that it works cannot hold one.
type hearsay struct {
	phase   Phase
	own     int64 // what this end had done at the last look
	base    int64 // the same when the lock was granted, or the live copy began
	last    int64 // the newest report that counted, or that began from the start again
	counted int64
}

// moved takes a report, and what this end has done so far, and returns what counts.
func (h *hearsay) moved(phase Phase, report, own int64) int64 {
	if phase != h.phase && (phase == PhaseLive || phase == PhaseLocked) {
		h.base, h.counted = h.own, 0
	}
	h.phase, h.own = phase, own
	switch {
	case report < h.last: // another pass
		h.last = report
	case report >= h.last+block.Unit:
		h.counted += report - h.last
		h.last = report
	}
	h.counted = min(h.counted, own-h.base)
	return h.counted
}

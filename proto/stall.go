package proto

import (
	"fmt"
	"time"
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
	return d.s.watchMoves(func() int64 {
		s := d.p.Snapshot()
		return s.Done + s.Read + s.Sent + s.Holes + d.p.remote.Load() + d.held.Load()
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

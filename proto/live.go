package proto

import (
	"time"

	"trireme/engine/tree"
	"trireme/proto/msg"
)

// shrink is how much smaller a live pass must be than the one before it to be worth
// another one: less than a fifth saved twice in a row, and passes have stopped
// helping (consistency 10.2).
const shrink = 0.8

// live runs the passes during which the donor's server works. The first one copies
// everything, the others what has changed since; they end when the lock is predicted
// to be short, or when more of them would not make it shorter.
func (d *donor) live(first diff, at time.Time, lsn uint64) error {
	d.tracking = true
	d.yield(true)
	d.p.enter(PhaseLive)
	last, err := d.livePassOver(first, at, lsn)
	if err != nil {
		return err
	}
	target := d.c.LockTarget
	if target <= 0 {
		target = 2 * time.Second
	}
	stuck := 0
	for n := 1; ; n++ {
		why := ""
		switch {
		case d.crowded.Load():
			why = "transactions pile up at the joiner"
		case n >= d.c.Passes:
			why = "the number of passes is reached"
		case d.c.PassesTime > 0 && time.Since(d.started) > d.c.PassesTime:
			why = "the time for passes is over"
		}
		if why != "" {
			d.predict(why)
			return nil
		}
		if d.c.Locker != nil {
			d.ready()
		}
		st, err := d.livePass()
		if err != nil {
			return err
		}
		if st.Seconds > shrink*last.Seconds {
			stuck++
		} else {
			stuck = 0
		}
		last = st
		switch {
		case st.Seconds <= target.Seconds()/20:
			why = "the last pass was short enough"
		case st.Seconds <= target.Seconds() && stuck >= 1, stuck >= 2:
			why = "passes hardly become shorter"
		}
		if why != "" {
			d.predict(why)
			return nil
		}
	}
}

// basis makes the live passes and ends there. Files that moved are the business of the
// transfer that comes after.
func (d *donor) basis(first diff, at time.Time, lsn uint64) error {
	d.c.Passes = max(d.c.Passes, 1)
	if err := d.live(first, at, lsn); err != nil {
		return err
	}
	return failf(CodeBasis, "the basis is made; no server can start on it until an exact transfer has completed it")
}

// livePass looks at the tree again and sends what has changed since it was read.
func (d *donor) livePass() (PassStats, error) {
	d.p.enter(PhaseLive)
	lsn, at := d.known(d.redoSlots().LSN), time.Now()
	for id := range d.takeUnrest() {
		d.cat.rows[id].forget()
	}
	t, err := d.scan()
	if err != nil {
		return PassStats{}, err
	}
	d.watchClock(at)
	d.disks = &tree.Tree{FS: t.FS, Devs: t.Devs}
	df := d.cat.update(t, true, false).after(d.untold)
	d.untold = diff{}
	d.count()
	return d.livePassOver(df, at, lsn)
}

func (d *donor) livePassOver(df diff, at time.Time, lsn uint64) (PassStats, error) {
	d.catchUp(lsn) // after the look at the files: what has moved their stamps is in the log
	ws := d.changes(false)
	m := d.meter(at)
	held := d.held.Load()
	st, err := d.pass(msg.PassLive, df, ws)
	if err != nil {
		return PassStats{}, err
	}
	d.saw(ws, at, lsn)
	// With the look at all files, which the lock will have as well, and without the rate limit, which it will not.
	st.Took = max(0, time.Since(at)-time.Duration(d.held.Load()-held)/time.Duration(d.opened()))
	st.Seconds = st.Took.Seconds()
	d.effort = m.effort(st.Took, d.lanes())
	return st, nil
}

package proto

import (
	"time"

	"trireme/engine/tree"
	"trireme/proto/msg"
)

// allUnderLock is a transfer without live passes: everything is read under the lock,
// or from a datadir that is quiet by itself, and verify rounds compare with the
// joiner until one finds nothing (R-COPY-4).
func (d *donor) allUnderLock(first diff, t *tree.Tree) (Summary, error) {
	// The catalogue is announced before the lock, in a live pass without data: the
	// joiner's answers, which decide between comparing and sending, then cost
	// nothing under the lock.
	d.p.enter(PhaseLive)
	if _, err := d.pass(msg.PassLive, first, nil); err != nil {
		return Summary{}, err
	}
	w, err := d.acquire()
	if err != nil {
		return Summary{}, err
	}
	d.hurry()
	if err := d.lockedPasses(t); err != nil {
		return Summary{}, err
	}
	if err := d.letGo(w); err != nil {
		return Summary{}, err
	}
	return d.commit(w)
}

// lockedPasses copies what differs, then verifies until a round finds nothing. t is the
// first look at the tree.
func (d *donor) lockedPasses(t *tree.Tree) error {
	d.p.enter(PhaseLocked)
	at, slots := time.Now(), d.redoSlots()
	if d.c.Quiet == nil {
		var err error
		if t, err = d.scan(); err != nil {
			return err
		}
	}
	df := d.cat.update(t, false, false)
	d.stamp(t)
	d.count()
	if _, err := d.pass(msg.PassLocked, df, d.everything()); err != nil {
		return err
	}
	for range d.c.Rounds {
		d.p.enter(PhaseVerifying)
		testOnlyBeforeRound()
		moved := d.takeUnrest()
		df, err := d.verifyScan()
		if err != nil {
			return err
		}
		d.count()
		clock := d.p.clock()
		if _, err := d.pass(msg.PassVerify, df, d.comparing(df, d.suspect(df, moved, at))); err != nil {
			return err
		}
		now := d.redoSlots()
		if len(moved) == 0 && len(df.announce) == 0 && d.sentSince(clock) == 0 && !d.restive() && now.Equal(slots) {
			return nil
		}
		slots = now
	}
	return d.neverStill()
}

func (d *donor) neverStill() error {
	return failf(CodeUnstable, "the donor's datadir did not hold still: %d verify rounds under the lock each found changes%s; look for something else that writes into it",
		d.c.Rounds, d.restlessNames())
}

// everything wishes for all files: what the joiner holds of them is compared.
func (d *donor) everything() []wish {
	ws := make([]wish, 0, len(d.cat.rows))
	for i := range d.cat.rows {
		if r := &d.cat.rows[i]; !r.gone && !r.Dir {
			ws = append(ws, d.wishAll(r))
		}
	}
	return ws
}

// wishAll is the wish for a file of which nothing is known yet.
func (d *donor) wishAll(r *row) wish {
	w := wish{id: r.id, class: r.Class, size: r.Size, have: asAnnounced}
	if d.c.NoDelta {
		w.have = 0
	}
	return w
}

// comparing wishes for a comparison with the joiner of the files that want picks.
func (d *donor) comparing(df diff, want func(*row) bool) []wish {
	announced := make([]bool, len(d.cat.rows))
	for _, n := range df.announce {
		announced[n.id] = true
	}
	var ws []wish
	for i := range d.cat.rows {
		r := &d.cat.rows[i]
		if r.gone || r.Dir || !want(r) {
			continue
		}
		w := wish{id: r.id, class: r.Class, size: r.Size, have: r.Size}
		if announced[r.id] {
			w.have = asAnnounced
		}
		ws = append(ws, w)
	}
	return ws
}

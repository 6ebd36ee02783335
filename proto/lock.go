package proto

import (
	"errors"
	"time"

	"trireme/engine/tree"
	"trireme/proto/msg"
)

// window is one lock window, from asking for it to letting go.
type window struct {
	asked time.Time
	wait  time.Duration // until it was granted
	took  time.Duration // all of it, with the windows given back before
	tries int
	wrong int // of them, those kept to their end after which the joiner had not what was there
	state string
	lsn   uint64 // checkpoint while it was held
	keys  []byte // the keyring while it was held, if it travels

	cloned []wish                // whose files were cloned and are read after it
	at     time.Time             // of the scan that chose them
	entry  map[uint32]tree.Entry // their stat when they were cloned

	settled map[uint32]bool // read twice with the same result (mayLand)
}

// acquire asks the server for its lock and waits for it.
func (d *donor) acquire() (*window, error) {
	w := &window{asked: time.Now(), state: d.c.State}
	d.foretold = d.predicted
	if err := d.relock(w); err != nil {
		return nil, err
	}
	return w, nil
}

func (d *donor) relock(w *window) error {
	w.tries++
	w.asked = time.Now()
	if d.c.Locker == nil {
		return nil
	}

	d.writeBack()
	d.ready()
	w.asked = time.Now()
	d.yield(false)
	d.p.enter(PhaseLocking)
	d.c.Note("asking the server to flush and lock its tables")
	slow := time.AfterFunc(slowGrant, func() {
		d.c.Note("the server has not granted the lock for %v: it waits for statements that run (SHOW FULL PROCESSLIST names them), and its clients cannot write as long as it does", slowGrant)
	})
	state, err := d.c.Locker.Lock(d.s.ctx)
	slow.Stop()
	if err != nil {
		return d.s.cause(Fail(CodeLock, err))
	}
	w.state, w.wait = state, time.Since(w.asked)
	d.holding.Store(true)
	d.c.Note("locked after %.3f s at %s", w.wait.Seconds(), state)
	return nil
}

// slowGrant is how long a server may take to grant its lock before a line says what that means: without statements to wait for it takes
// as long as writing its pages.
const slowGrant = 5 * time.Second

// ready gets the memory that the next window is expected to take.
func (d *donor) ready() { d.spare = warm(d.spare, d.dirtyPages(), d.opened()) }

// hurry makes the links as impatient as a held lock demands (R-LOCK-7). An outage may
// have lasted too long already: a window that can be given back has its cutoff by then.
func (d *donor) hurry() {
	if d.c.Locker != nil {
		d.s.hush(true)
	}
}

// letGo reads the keyring and releases the server.
func (d *donor) letGo(w *window) error {
	if err := d.readKeys(w); err != nil {
		return err
	}
	if d.c.Locker != nil {
		if err := d.c.Locker.Unlock(); err != nil {
			return d.s.cause(Fail(CodeServer, err))
		}
		d.holding.Store(false)
		d.setCutoff(nil)
		d.s.hush(false)
		d.yield(true)
		if d.spools != nil {
			d.spools.hurry()
		}
	}
	w.took += time.Since(w.asked)
	switch {
	case d.c.Locker == nil: // there was no server
	case d.predicted > 0:
		d.c.Note("server released after %.3f s (predicted: %.3f s)", time.Since(w.asked).Seconds(), d.predicted.Seconds())
	default:
		d.c.Note("server released after %.3f s", time.Since(w.asked).Seconds())
	}
	return nil
}

// commit has the joiner make its copy durable under the window's coordinates.
func (d *donor) commit(w *window) (Summary, error) {
	d.p.enter(PhaseCommit)
	if err := d.tellKeys(w); err != nil {
		return Summary{}, err
	}
	n, bytes, _ := d.cat.totals()
	if err := d.s.tell(msg.TypeCommit, msg.Commit{Entries: n, Bytes: bytes, State: w.state}); err != nil {
		return Summary{}, err
	}
	f, err := d.s.next(msg.TypeCommitted)
	if err != nil {
		return Summary{}, err
	}
	if _, err := msg.ParseCommitted(f.body); err != nil {
		return Summary{}, err
	}
	return Summary{State: w.state, Locked: w.took, Wait: w.wait, Locks: w.tries}, nil
}

// lockTries is how often the lock is asked for with a deadline, but for the last time, and how often
// a copy may be found wrong after it.
const lockTries = 3

// errOverrun ends a lock window that lasted too long.
var errOverrun = errors.New("proto: lock window overran")

// lock is the end of a transfer with live passes: the last delta under the lock, the
// check of everything that was skipped, the commit.
func (d *donor) lock() (Summary, error) {
	w, err := d.acquire()
	if err != nil {
		return Summary{}, err
	}
	for {
		err := d.underLock(w)
		if err == nil && d.c.VerifyAll && w.tries < lockTries && d.cutoff.isPast() {
			err = errOverrun // unnoticed until now, and the long part is to come
		}
		if errors.Is(err, errOverrun) {
			// Given back: what was read in this window counts for nothing, its
			// coordinates least of all (R-LOCK-5). What was sent is remembered.
			d.c.Note("%s; making another live pass before asking for the lock again", d.cutoffReason)
			if err := d.anew(w); err != nil {
				return Summary{}, err
			}
			continue
		}
		if err != nil {
			return Summary{}, err
		}
		if d.c.VerifyAll {
			d.setCutoff(nil) // this window is kept
			if err := d.readClones(w); err != nil {
				return Summary{}, err
			}
			d.clones.dropAll()
			return d.paranoid(w)
		}
		if err := d.letGo(w); err != nil {
			return Summary{}, err
		}
		missed, err := d.checkRedo(w, false)
		if err != nil {
			return Summary{}, err
		}
		if err := d.readClones(w); err != nil {
			return Summary{}, err
		}
		cloned, err := d.checkRedo(w, true)
		if err != nil {
			return Summary{}, err
		}
		missed += cloned
		d.clones.dropAll()
		if err := d.closeWindow(); err != nil {
			return Summary{}, err
		}
		redo := missed
		missed, err = d.check(w, missed)
		if err != nil {
			return Summary{}, err
		}
		if missed == 0 {
			return d.commit(w)
		}
		if missed > redo {
			d.follower.doubt()
		}
		// Windows that were given back before their end are no reason not to try again.
		if w.wrong++; w.wrong >= lockTries {
			return Summary{}, failf(CodeUnstable, "after %d lock windows, %d of them to their end, %d ranges still differ from the joiner's copy though their pages are older than the lock; the copy cannot be trusted", w.tries, w.wrong, missed)
		}
		d.c.Note("%d ranges differ from the joiner's copy though their pages are older than the lock; making another live pass before asking for the lock again", missed)
		d.ready()
		if _, err := d.livePass(); err != nil { // the server has worked since (R-LOCK-2)
			return Summary{}, err
		}
		d.predict("once more, to send what differs")
		if err := d.relock(w); err != nil {
			return Summary{}, err
		}
	}
}

// readClones deals with the files that were cloned under the lock, and drops their clones as soon as they have been read: what the server writes
// to a file while there is one lies in another place from then on. Tablespaces are first, of which least is read.
func (d *donor) readClones(w *window) error {
	if len(w.cloned) == 0 {
		return nil
	}
	began := time.Now()
	var pages, other []wish
	for _, c := range w.cloned {
		if d.byLSN(c.class) {
			pages = append(pages, c)
		} else {
			other = append(other, c)
		}
	}
	for _, part := range [][]wish{pages, other} {
		if err := d.move(part); err != nil {
			return err
		}
		var done []uint32
		for _, c := range part {
			if c.class != tree.Redo { // it is still to be compared
				done = append(done, c.id)
			}
		}
		d.clones.drop(done...)
	}
	d.saw(w.cloned, w.at, w.lsn)
	d.c.Note("looked through %d files cloned under the lock in %.3f s", len(w.cloned), time.Since(began).Seconds())
	return nil
}

// anew gives a window back, makes a live pass and asks again.
func (d *donor) anew(w *window) error {
	d.clones.dropAll()
	if err := d.letGo(w); err != nil {
		return err
	}
	if err := d.closeWindow(); err != nil {
		return err
	}
	d.ready()
	if _, err := d.livePass(); err != nil {
		return err
	}
	if w.tries+1 < lockTries {
		d.predict("once more, since it was given back")
	} else {
		d.predict("once more, since it was given back, and it is kept this time")
	}
	return d.relock(w)
}

// paranoid compares every file with the joiner while the server is still locked.
func (d *donor) paranoid(w *window) (Summary, error) {
	if err := d.closeWindow(); err != nil {
		return Summary{}, err
	}
	d.p.enter(PhaseVerifying)
	d.tracking = false
	slots := d.redoSlots()
	for range d.c.Rounds {
		t, err := d.scan()
		if err != nil {
			return Summary{}, err
		}
		df := d.cat.update(t, false, true)
		before := slots
		slots = d.redoSlots()
		clock := d.p.clock()
		if _, err := d.pass(msg.PassVerify, df, d.comparing(df, func(*row) bool { return true })); err != nil {
			return Summary{}, err
		}
		if len(df.announce) == 0 && d.sentSince(clock) == 0 && len(d.takeUnrest()) == 0 && before.Equal(d.redoSlots()) {
			if err := d.letGo(w); err != nil {
				return Summary{}, err
			}
			return d.commit(w)
		}
	}
	return Summary{}, d.neverStill()
}

// underLock reads everything that may have changed since it was sent. Reading ends
// with a round that finds nothing; sending goes on behind it (fact 5).
func (d *donor) underLock(w *window) error {
	if w.tries < lockTries {
		defer d.openCutoff(w)()
	}
	d.hurry()
	d.p.enter(PhaseLocked)
	clear(w.settled)
	slots := d.redoSlots()
	w.lsn = d.known(slots.LSN)
	d.takeUnrest() // those files have been forgotten and are read whole
	at := time.Now()
	t, err := d.scan()
	if err != nil {
		return err
	}
	d.watchClock(at)
	df := d.cat.update(t, false, false)
	d.count()
	if err := d.openWindow(df); err != nil {
		return err
	}
	d.catchUp(w.lsn) // after the look at the files: what has moved their stamps is in the log
	for i := range d.cat.rows {
		d.cat.rows[i].looked = 0
	}
	ws := d.changes(true)
	d.looking(ws)
	cloned, read, err := d.cloneAll(ws, t)
	if err != nil {
		return err
	}
	w.cloned, w.at = cloned, at
	d.remember(w)
	if err := d.move(read); err != nil {
		return err
	}
	d.saw(read, at, w.lsn)
	for range d.c.Rounds {
		d.p.enter(PhaseVerifying)
		testOnlyBeforeRound()
		now := d.redoSlots()
		w.lsn = d.known(now.LSN)                                                       // what it has reached must be found by this round
		still, err := d.still(w, now.Equal(slots) && (now.LSN != 0 || d.lastLSN == 0)) // what can be read once must be readable
		if err != nil || still {
			return err
		}
		slots = now
	}
	return d.neverStill()
}

// testOnlyBeforeRound is where tests let a locked datadir move.
var testOnlyBeforeRound = func() {}

// still looks once more at what may have moved under the lock (R-COPY-4). Nothing is
// sent unless something was found; then all that waits goes first, so that no older
// bytes can arrive after newer ones.
func (d *donor) still(w *window, sameSlots bool) (bool, error) {
	if err := d.announced(); err != nil {
		return false, err
	}
	at := time.Now()
	moved := d.takeUnrest()
	for id := range moved {
		d.cat.rows[id].forget() // before this window can end early
	}
	t, err := d.scan()
	if err != nil {
		return false, err
	}
	d.catchUp(w.lsn)
	df := d.cat.update(t, false, true)
	if len(df.announce) > 0 {
		// Sizes or names moved: that is another pass.
		if err := d.closeInTime(); err != nil {
			d.untold = df
			return false, err
		}
		if err := d.openWindow(df); err != nil {
			return false, err
		}
	}
	ws, again, err := d.again(w, t)
	if err != nil {
		return false, err
	}
	d.looking(ws)
	d.found.Store(0)
	clear(d.differs)
	d.finding = true
	err = d.move(ws)
	d.finding = false
	if err != nil {
		return false, err
	}
	if d.found.Load() == 0 && again == 0 && len(moved) == 0 && len(df.announce) == 0 && !d.restive() && sameSlots {
		return true, nil
	}
	ws = d.settle(w, ws)
	if err := d.announced(); err != nil {
		return false, err
	}
	if err := d.flushInTime(); err != nil {
		return false, err
	}
	for _, w := range d.atWork() {
		d.spools.start(w)
	}
	if err := d.move(ws); err != nil {
		return false, err
	}
	d.saw(ws, at, d.lastLSN)
	return false, nil
}

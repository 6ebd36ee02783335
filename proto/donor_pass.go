package proto

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"trireme/engine/gentle"
	"trireme/engine/tree"
	"trireme/proto/msg"
)

// farStreams is with how many data links a donor begins over a long path, where none of
// them fills much of it, and finding out takes long.
const farStreams = 16

// firstStreams is with how many data links a donor begins.
func firstStreams(far bool) int {
	if far {
		return farStreams
	}
	return min(max(4, runtime.NumCPU()), 16)
}

// connect opens the first data links of n that there may be.
func (d *donor) connect(n int) error {
	first := min(n, firstStreams(d.s.control.Far()))
	for i := range n {
		l := d.s.control.Branch(i+1, dataLimits(d.c.Reconnect, false))
		d.s.own(l)
		d.workers = append(d.workers, newWorker(d, l, i))
	}
	if _, err := connectAll(d.workers[:first]); err != nil {
		return d.s.cause(err)
	}
	d.crew.turn.L = &d.crew.mu
	d.crew.open, d.crew.width = first, first
	d.p.conns.Store(int32(first))
	by := d.workers[0].conn.Peer().Transport
	if n == first {
		d.c.Note("%d data connections to %s over %v", n, d.c.Ticket.Host, by)
	} else {
		d.c.Note("%d data connections to %s over %v, up to %d if they bring more", first, d.c.Ticket.Host, by, n)
	}
	d.s.run(func() error { return d.watchGoodput(first, n) })
	return nil
}

// connectAll connects workers, all at the same time: one after the other takes half a dozen
// round trips each. n of them, the first, are connected.
func connectAll(ws []*worker) (n int, err error) {
	errs := make([]error, len(ws))
	var wg sync.WaitGroup
	for i, w := range ws {
		wg.Go(func() { errs[i] = w.connect() })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return i, linkError(fmt.Sprintf("open data connection %d", ws[i].index+1), err)
		}
	}
	return len(ws), nil
}

func (d *donor) release() {
	defer d.clones.dropAll()
	if d.closing != nil {
		<-d.closing
	}
	if d.flushing != nil {
		<-d.flushing // it uses the workers, and ends with the session
	}
	for _, w := range d.workers {
		w.drain()
		w.release()
	}
}

// suspect picks the files a verify round hashes again: the classes that are always
// suspect, what the scan saw touched, what moved under a reader, and everything on
// file systems whose times prove nothing (R-COPY-2, R-COPY-10). locked is when the lock was new.
func (d *donor) suspect(df diff, moved map[uint32]string, locked time.Time) func(*row) bool {
	return func(r *row) bool {
		if _, ok := moved[r.id]; ok || d.c.VerifyAll || df.touched[r.id] {
			return true
		}
		if r.Class == tree.LogTable {
			return false
		}
		if r.Class.Props().Suspect && d.c.Quiet == nil {
			return true
		}
		return !r.honest || d.mayLand(r, locked)
	}
}

// restive says whether a file has moved under a reader since takeUnrest.
func (d *donor) restive() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.restless) > 0
}

// strayed says whether that entry is among what moved.
func (d *donor) strayed(id uint32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.restless[id]
	return ok
}

func (d *donor) restlessNames() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, what := range d.restless {
		return fmt.Sprintf(" (%s: %s)", d.cat.rows[id].Path, what)
	}
	return ""
}

// begin opens a pass on the wire.
func (d *donor) begin(kind msg.PassKind) error {
	d.passes++
	return d.s.tell(msg.TypePassBegin, msg.PassBegin{Number: d.passes, Kind: kind})
}

// end closes the pass and waits until the joiner has it in place.
func (d *donor) end(sent int64) error {
	if err := d.s.tell(msg.TypePassEnd, msg.PassEnd{Number: d.passes, Differing: sent}); err != nil {
		return err
	}
	f, err := d.s.next(msg.TypePassDone)
	if err != nil {
		return err
	}
	done, err := msg.ParsePassDone(f.body)
	if err != nil {
		return err
	}
	if done.Number != d.passes {
		return failf(CodeProtocol, "the joiner ended pass %d, the present one is %d", done.Number, d.passes)
	}
	return nil
}

// pass runs one whole pass: catalogue, jobs by order, flush, end. No wishes mean
// that no data flows.
func (d *donor) pass(kind msg.PassKind, df diff, wishes []wish) (PassStats, error) {
	clock := d.p.clock()
	if err := d.begin(kind); err != nil {
		return PassStats{}, err
	}
	if err := d.announce(df); err != nil {
		return PassStats{}, err
	}
	wishes = d.unread(kind, wishes)
	for i := range wishes {
		// Only now it is known what the joiner holds of what was announced.
		if w := &wishes[i]; w.have == asAnnounced {
			w.have = d.cat.rows[w.id].have
		}
	}
	data := len(wishes) > 0
	d.sharing = d.c.Share != nil && data && !d.parted
	d.tune(kind == msg.PassLive || d.c.Locker == nil)
	err := d.move(wishes)
	d.tune(false)
	if d.sharing {
		err = errors.Join(err, d.passedOn(err == nil))
	}
	if err != nil {
		return PassStats{}, err
	}
	if err := d.flush(); err != nil {
		return PassStats{}, err
	}
	if err := d.end(d.sentSince(clock)); err != nil {
		return PassStats{}, err
	}
	if kind == msg.PassLive && d.sentSince(clock) == 0 && !slices.ContainsFunc(wishes, func(w wish) bool { return !w.underWay }) {
		data = false // a look at headers that found nothing is no news
	}
	return d.passed(clock, kind, data), nil
}

// asAnnounced stands for what the joiner will say it holds.
const asAnnounced = -1

// sentSince counts what travelled since the clock was taken, zeroes included.
func (d *donor) sentSince(c passClock) int64 {
	return d.p.sent.Load() - c.sent + d.p.holes.Load() - c.holes
}

// passed records a pass and reports it when data flowed.
func (d *donor) passed(c passClock, kind msg.PassKind, data bool) PassStats {
	if data || kind != msg.PassLive {
		d.counted++
	}
	if !data {
		return PassStats{Kind: kind.String()}
	}
	st := d.p.finish(c, d.counted, kind)
	d.c.Note("%s pass %d: read %s, sent %s, %s of holes, %.3f s", kind, d.counted, amount(st.Read), amount(st.Sent), amount(st.Holes), st.Seconds)
	return st
}

// announce sends the catalogue's changes and notes what the joiner holds. Batches
// and answers travel at the same time.
func (d *donor) announce(df diff) error {
	var batches [][]news
	for at := 0; at < len(df.announce); at += msg.MaxEntries {
		batches = append(batches, df.announce[at:min(at+msg.MaxEntries, len(df.announce))])
	}
	var entries []msg.Entry
	// Two frames may be under way: enough to hide a round trip, too few to fill the
	// socket buffers of both directions and stand still.
	const ahead = 2
	for i := 0; i < len(batches)+ahead; i++ {
		if i < len(batches) {
			entries = entries[:0]
			for _, n := range batches[i] {
				entries = append(entries, n.message(d.cat))
			}
			d.stampEntries(entries)
			if err := d.s.tell(msg.TypeCatalog, msg.Catalog{Entries: entries}); err != nil {
				return err
			}
		}
		if i < ahead {
			continue
		}
		f, err := d.s.next(msg.TypeHave)
		if err != nil {
			return err
		}
		h, err := msg.ParseHave(f.body)
		if err != nil {
			return err
		}
		if len(h.Sizes) != len(batches[i-ahead]) {
			return failf(CodeProtocol, "the joiner answered %d of %d entries", len(h.Sizes), len(batches[i-ahead]))
		}
		for k, n := range h.Sizes {
			id := batches[i-ahead][k].id
			d.cat.rows[id].have = n
			if h.Vouches(k) {
				if err := d.believe(id, n); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// move works off the wishes, order by order.
func (d *donor) move(wishes []wish) error {
	var total int64
	for _, w := range wishes {
		total += w.size
	}
	d.p.begin(total)
	for _, w := range d.workers {
		w.release() // a name may stand for another file by now
	}
	for _, q := range plan(wishes, d.lanes(), d.lease(total)) {
		if err := d.work(q); err != nil {
			return err
		}
	}
	return nil
}

// passedOn ends the part of a pass that reads for other joiners too. The next pass finds what has changed since, so it takes nothing that
// was read before now; they begin it together. The further passes of a basis are each joiner's own: what they look at depends on when it began.
func (d *donor) passedOn(well bool) error {
	d.sharing = false
	if d.c.Basis || !well {
		d.parted = true
		d.c.Share.Leave()
		return nil
	}
	if err := d.c.Share.Meet(d.s.ctx); err != nil {
		return d.s.cause(err)
	}
	return nil
}

// sharedLanes is how many files are read by turns when several joiners get them: the same number
// for all, whatever connections each has, so that they come to them in the same order.
const sharedLanes = 4

func (d *donor) lanes() int {
	if d.sharing {
		return sharedLanes
	}
	return len(d.atWork())
}

// lease is how much a worker takes at a time. Joiners that share a reading take the same,
// whatever each of them still lacks.
func (d *donor) lease(total int64) int64 {
	if d.sharing {
		return lease
	}
	return leaseOf(total, len(d.atWork()))
}

// work lets every worker take jobs off one queue and waits for all of them: the
// next order must not begin before (R-COPY-4).
func (d *donor) work(jobs []job) error {
	q := &queue{d: d, jobs: jobs}
	return d.all(d.workers, func(w *worker) error {
		for j := q.next(w); j != nil; j = q.next(w) {
			if d.cutoff.isPast() {
				q.drained()
				return errOverrun
			}
			if err := w.do(j); err != nil {
				q.drained()
				return err
			}
		}
		return nil
	})
}

// flush waits until the joiner has applied everything sent so far.
func (d *donor) flush() error {
	return d.each(func(w *worker) error {
		w.drain()
		return w.flush(uint64(d.passes))
	})
}

// each runs f on all workers that are connected.
func (d *donor) each(f func(*worker) error) error { return d.all(d.atWork(), f) }

// all runs f on workers at the same time; the first failure ends the session, but for a
// cutoff that passed.
func (d *donor) all(workers []*worker, f func(*worker) error) error {
	var wg sync.WaitGroup
	var late atomic.Bool
	for _, w := range workers {
		one := func() {
			switch err := f(w); {
			case errors.Is(err, errOverrun):
				late.Store(true)
			case err != nil:
				d.s.fail(err)
			}
		}
		if d.c.Gentle && d.working.Load() {
			wg.Go(func() { gentle.Background(one) })
		} else {
			wg.Go(one)
		}
	}
	wg.Wait()
	if d.s.ctx.Err() != nil {
		return d.s.cause(nil)
	}
	if late.Load() {
		return errOverrun
	}
	return nil
}

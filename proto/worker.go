package proto

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"trireme/engine/block"
	"trireme/engine/gentle"
	"trireme/engine/innodb"
	"trireme/engine/share"
	"trireme/engine/tree"
	"trireme/proto/msg"
	"trireme/wire"
	"trireme/wire/pack"
)

// worker is one data link of the donor with its buffer: it takes a job,
// reads, compares, sends, and takes the next (run to completion, performance 4.5).
// Only one goroutine uses it at a time.
type worker struct {
	d     *donor
	index int // in the crew
	conn  *wire.Link
	hash  *block.Hasher

	unit  []byte // block.Unit bytes, file content on its way out
	reply []byte // frames coming in
	head  []byte

	segs   []msg.Segment
	leaves []block.Digest // of the whole job, in order
	starts []int          // where each group's leaves begin in leaves
	groups []block.Digest
	theirs []block.Digest
	asked  []uint16
	split  []block.Run
	runs   []msg.Run

	header  [innodb.HeaderSize]byte
	newest  []uint64 // of each page of the range that is being rechecked, the LSN that it has by the log
	page    int      // size of the pages that are being rechecked; 0: none are
	space   uint32   // the number of the tablespace whose page size was asked for last
	unbound bool     // the rate limit does not hold
	spool   *spool   // set while the server is locked

	packer   pack.Packer
	packedID uint32 // the file that packer saw last

	judged   bool // dense is of the file judgedID
	judgedID uint32
	dense    bool // the server keeps it compressed
	page0    [innodb.HeaderSize]byte

	open   *tree.Handle // the file last used
	openID uint32
}

func newWorker(d *donor, conn *wire.Link, index int) *worker {
	return &worker{d: d, conn: conn, index: index}
}

// connect connects the worker's link and gets it its buffers, which those that are never
// wanted do without.
func (w *worker) connect() error {
	if err := w.conn.Open(); err != nil || w.hash != nil {
		return err
	}
	w.hash = block.NewHasher(w.d.key)
	w.unit, w.reply = make([]byte, block.Unit), make([]byte, msg.MaxBody)
	return nil
}

func (w *worker) release() {
	if w.open != nil {
		w.open.Close()
		w.open = nil
	}
}

// do works off one job: what can be compared is compared, the rest is sent.
func (w *worker) do(j job) error {
	if w.d.s.ctx.Err() != nil {
		return w.d.s.cause(nil)
	}
	if err := w.compare(j); err != nil {
		return err
	}
	for _, it := range j {
		var err error
		switch it.way {
		case send:
			err = w.sendRange(it.id, it.off, it.n, true)
		case recheck, along:
			err = w.recheck(it, w.d.finding)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file opens a catalogue entry for reading; the one last used stays open. nil
// without an error means that it vanished, which the next scan will settle.
func (w *worker) file(id uint32) (gentle.File, error) {
	if f := w.d.clones.get(id); f != nil {
		return f, nil
	}
	if w.open != nil && w.openID == id {
		return w.open, nil
	}
	w.release()
	r := &w.d.cat.rows[id]
	what := "vanished"
	f, err := w.d.c.Dirs.Handle(r.Role, r.Path, os.O_RDONLY, 0)
	if err != nil && !gone(err) {
		return nil, failf(CodeIO, "open %s: %w", w.d.c.Dirs.Path(r.Role, r.Path), err)
	}
	if w.d.after != 0 || w.d.working.Load() {
		// DDL goes on while the server works: two tables may have changed their names since the look at all files, and change them
		// back before the next one, so that what is read here would be remembered of another file (R-COPY-5). After the lock only
		// the file that was there under it may be compared, whatever its name is by now.
		if err == nil {
			now, _, err := tree.StatFile(f)
			if err != nil {
				f.Close()
				return nil, failf(CodeIO, "stat %s: %w", w.d.c.Dirs.Path(r.Role, r.Path), err)
			}
			if now.ID != r.ID {
				f.Close()
				f, what = nil, "is another file"
			}
		}
		if f == nil && w.d.after != 0 {
			f = w.d.names.open(r)
		}
	}
	if f == nil {
		w.d.unrest(id, what)
		return nil, nil
	}
	w.open, w.openID = f, id
	return f, nil
}

// read fills p from the file; what is missing at the end is recorded as unrest and
// the part that was read is returned.
func (w *worker) read(id uint32, p []byte, off int64) ([]byte, error) {
	f, err := w.file(id)
	if err != nil || f == nil {
		return nil, err
	}
	if err := w.hold(len(p)); err != nil {
		return nil, err
	}
	readAt := f.ReadAt
	if w.d.working.Load() && w.d.c.Gentle && w.d.cat.rows[id].cached {
		readAt = func(p []byte, off int64) (int, error) { return gentle.ReadAt(f, p, off) }
	}
	n, err := w.fetch(id, p, off, readAt)
	switch {
	case err == nil || errors.Is(err, io.EOF) && n == len(p):
	case errors.Is(err, io.EOF):
		w.d.unrest(id, "became shorter")
	case w.d.s.ctx.Err() != nil:
		return nil, w.d.s.cause(err)
	default:
		r := &w.d.cat.rows[id]
		return nil, failf(CodeIO, "read %s at %d: %w", w.d.c.Dirs.Path(r.Role, r.Path), off, err)
	}
	return p[:n], nil
}

// hole says whether a whole unit need not be read, because the file system knows it for a hole. Where somebody remembers what was
// read, or reads it for others as well, everything is read.
func (w *worker) hole(id uint32, off int64, n int) bool {
	if n != block.Unit || !w.d.cat.rows[id].Sparse() || w.d.tracking || w.d.sharing {
		return false
	}
	f, err := w.file(id)
	return err == nil && f != nil && tree.Hole(f, off, int64(n))
}

// fetch reads from the file, or gets what was read for another joiner. Only the former counts as read.
func (w *worker) fetch(id uint32, p []byte, off int64, readAt func([]byte, int64) (int, error)) (int, error) {
	timed := func(p []byte, off int64) (int, error) {
		began := time.Now()
		n, err := readAt(p, off)
		took := time.Since(began)
		w.d.reading.Add(int64(took))
		if took > stall {
			w.d.distrust.Store(true)
		}
		return n, err
	}
	n, fresh, err := 0, true, error(nil)
	if w.d.sharing && len(p) > 0 {
		r := &w.d.cat.rows[id]
		whole := off%block.Unit == 0 && (len(p) == block.Unit || off+int64(len(p)) >= r.Size)
		n, fresh, err = w.d.c.Share.ReadAt(w.d.s.ctx, share.Key{Role: r.Role, Path: r.Path, ID: r.ID, Pass: w.d.passes}, p, off, whole, timed)
	} else {
		n, err = timed(p, off)
	}
	if fresh {
		w.d.p.read.Add(int64(n))
	} else {
		w.d.p.given.Add(int64(n))
	}
	return n, err
}

// stall is how long a read may take: a disk that lets one wait for longer may let a
// write wait for longer than the skip rule allows for (R-COPY-10).
const stall = longestWrite / 2

// hold waits until n bytes may be read while the server works (R-LOAD-1).
func (w *worker) hold(n int) error {
	if !w.d.working.Load() && w.d.c.Locker != nil || w.unbound || w.d.limit.off() {
		return nil
	}
	// In small sips, so that waiting shows as movement.
	for ; n > 0; n -= sip {
		began := time.Now()
		if err := w.d.limit.wait(w.d.s.ctx, min(n, sip)); err != nil {
			return w.d.s.cause(err)
		}
		w.d.held.Add(int64(time.Since(began)))
	}
	return nil
}

// sendRange sends a range as it is, unit by unit. counted says whether it adds to
// what the pass has looked at.
func (w *worker) sendRange(id uint32, off, n int64, counted bool) error {
	for end := off + n; off < end; {
		step := int(min(end-off, int64(block.Unit)-off%int64(block.Unit)))
		p, err := w.unit[:step], error(nil)
		if w.hole(id, off, step) {
			clear(p)
		} else if p, err = w.read(id, p, off); err != nil {
			return err
		}
		if len(p) > 0 {
			if err := w.chunk(id, off, p); err != nil {
				return err
			}
		}
		if counted {
			w.d.p.done.Add(int64(step))
		}
		if len(p) < step {
			return nil
		}
		off += int64(step)
		if w.d.s.ctx.Err() != nil {
			return w.d.s.cause(nil)
		}
	}
	return nil
}

// chunk sends p, which lies at off. Zeroes travel as a word; p is packed in place
// when it has any.
func (w *worker) chunk(id uint32, off int64, p []byte) error {
	r := &w.d.cat.rows[id]
	w.sent(r, off, p)
	raw := w.d.packing.codec() == pack.None || w.futile(r, off, p)
	w.split = block.SplitZero(w.split[:0], p, grain(r))
	w.runs = w.runs[:0]
	content := 0
	at := 0
	for _, run := range w.split {
		w.runs = append(w.runs, msg.Run{Len: run.Len, Zero: run.Zero})
		if !run.Zero {
			if at != content {
				copy(p[content:], p[at:at+run.Len])
			}
			content += run.Len
		}
		at += run.Len
	}
	payload := p[:content]
	c := msg.Chunk{ID: id, Note: w.checkedLater(r, off, at), Offset: off, Tag: block.Tag(tagSeed(id, off), payload), Runs: w.runs}
	w.head = c.AppendHead(w.head[:0])
	if err := w.ship(id, raw, payload); err != nil {
		if unit := int(off / block.Unit); unit < len(r.marks.known) {
			r.marks.known[unit] = false // it was noted and has not gone
		}
		return err
	}
	w.d.p.sent.Add(int64(content))
	w.d.p.holes.Add(int64(at - content))
	return nil
}

// ship sends w.head and content that lies in w.unit: at once, or, while the server is
// locked, by way of the spool.
func (w *worker) ship(id uint32, raw bool, content []byte) error {
	if w.spool != nil {
		return w.spool.put(w, id, raw, content)
	}
	return w.transmit(id, raw, w.head, content, &w.unit)
}

// checkedLater says whether n bytes at off are a group that is going to be compared after the lock, for which the joiner
// need not read them back if it notes their digest now.
func (w *worker) checkedLater(r *row, off int64, n int) bool {
	return w.d.tracking && !w.d.c.VerifyAll && w.d.byLSN(r.Class) && off%block.Unit == 0 && int64(n) == min(block.Unit, r.Size-off)
}

// grain is how finely zeroes are looked for: by file system block where the file
// has holes, so that they are holes again at the joiner, else by leaf.
func grain(r *row) int {
	if r.Sparse() {
		return block.Sector
	}
	return r.Class.Props().Leaf
}

// tagSeed ties a chunk's tag to its place.
func tagSeed(id uint32, off int64) uint64 {
	return uint64(id)<<40 ^ uint64(off)
}

func (w *worker) request(t msg.Type, m appender) error {
	w.head = m.Append(w.head[:0])
	err := w.conn.Send(uint8(t), w.head, nil)
	if err == nil {
		err = w.conn.Flush()
	}
	if err != nil {
		return w.d.s.lost(fmt.Sprintf("send %v", t), err)
	}
	return nil
}

// answer waits for want digests and leaves them in w.theirs.
func (w *worker) answer(t msg.Type, want int) error {
	body, err := w.expect(t)
	if err != nil {
		return err
	}
	w.theirs, err = msg.ParseDigests(w.theirs, t, body, want)
	return err
}

func (w *worker) expect(t msg.Type) ([]byte, error) {
	typ, body, err := w.conn.Recv(w.reply)
	if err != nil {
		return nil, w.d.s.lost("data connection", err)
	}
	if msg.Type(typ) != t {
		return nil, failf(CodeProtocol, "the joiner sent %v where %v was due", msg.Type(typ), t)
	}
	return body, nil
}

// equal notes what both ends hold if the digests turn out equal; leaves that differ
// are sent afterwards and noted again.
func (w *worker) equal(id uint32, off int64, p []byte, leaves []block.Digest) {
	r := &w.d.cat.rows[id]
	unit := int(off / block.Unit)
	if !w.d.tracking || unit >= len(r.marks.known) {
		return
	}
	leaf := r.Class.Props().Leaf
	w.d.learn(r, off, p)
	if w.d.byLSN(r.Class) {
		r.marks.noteZero(off, p)
		r.marks.cool(unit)
	} else {
		copy(r.marks.leaf[unit*leavesOf(leaf):], leaves)
	}
	r.marks.known[unit] = int64(len(p)) >= min(block.Unit, r.Size-off)
}

// flush returns when the joiner has applied everything sent on this connection.
func (w *worker) flush(token uint64) error {
	if err := w.request(msg.TypeFlush, msg.Flush{Token: token}); err != nil {
		return err
	}
	body, err := w.expect(msg.TypeFlushed)
	if err != nil {
		return err
	}
	f, err := msg.ParseFlush(msg.TypeFlushed, body)
	if err != nil {
		return err
	}
	if f.Token != token {
		return failf(CodeProtocol, "the joiner flushed %d instead of %d", f.Token, token)
	}
	return nil
}

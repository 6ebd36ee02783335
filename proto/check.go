package proto

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"trireme/engine/block"
	"trireme/engine/innodb"
	"trireme/engine/tree"
	"trireme/proto/msg"
)

// check compares every tablespace with the joiner after the lock: what was skipped
// under it by stat or page LSN must hash equal, page by page, unless it has changed
// again since. It returns the number of ranges that were wrongly skipped, with those
// missed before; their rows are made to be sent in the next window.
func (d *donor) check(w *window, missed int64) (int64, error) {
	d.p.enter(PhaseVerifying)
	d.missed.Store(missed)
	d.unchecked.Store(0)
	var ws []wish
	if d.lastLSN != 0 {
		d.after, d.names = w.lsn, &names{d: d}
		ws = d.comparing(diff{}, func(r *row) bool { return d.byLSN(r.Class) })
	}
	d.tracking = false
	st, err := d.pass(msg.PassVerify, diff{}, ws)
	d.tracking, d.after = true, 0
	if err != nil {
		return 0, err
	}
	d.takeUnrest() // files that went since the lock are not the copy's business
	if len(ws) > 0 {
		d.c.Note("checked %s after the lock in %.3f s; %s had changed again by then", amount(st.Read), st.Seconds, amount(d.unchecked.Load()))
	}
	return d.missed.Load(), nil
}

// Reading a page while the server writes it may show a new body under an old header.
// Such a read is repeated; a write lasts milliseconds.
const (
	rereads   = 4
	rereadGap = 25 * time.Millisecond
)

// namedMisses is how many ranges a check names at most.
const namedMisses = 8

// judge deals with a range that differs after the lock: it is the joiner's fault only
// if its pages are still those of the lock.
func (w *worker) judge(id uint32, off, n int64) error {
	r := &w.d.cat.rows[id]
	if w.d.strayed(id) {
		w.d.unchecked.Add(n)
		return nil
	}
	size, err := w.pageSize(r)
	if err != nil {
		return err
	}
	leaf := int64(r.Class.Props().Leaf)
	step := max(int64(size), leaf)
	for at := off - off%step; at < off+n; at += step {
		old, err := w.stillOld(r, at, min(step, r.Size-at), int64(size))
		if err != nil {
			return err
		}
		if !old {
			w.d.unchecked.Add(step)
			continue
		}
		if w.d.missed.Add(1) <= namedMisses {
			w.d.c.Note("%s at %d differs from the joiner's copy though its pages are older than the lock: %s", w.d.c.Dirs.Path(r.Role, r.Path), at, w.circumstances(r, at))
		}
		w.d.mu.Lock()
		r.missed = true
		w.d.mu.Unlock()
		for unit := at / block.Unit; unit <= (min(at+step, r.Size)-1)/block.Unit; unit++ {
			r.marks.known[unit] = false // a unit lies in one job
		}
	}
	return nil
}

// circumstances tells of a page that was found wrong what may tell why: a page newer than the checkpoint at which its file
// was looked through was missed, an older one was not on the disk then, or was written since without a new LSN.
func (w *worker) circumstances(r *row, at int64) string {
	lsn, seen := "not readable", "never"
	if f, err := w.file(r.id); err == nil && f != nil {
		if n, _ := f.ReadAt(w.header[:], at); n == len(w.header) {
			lsn = strconv.FormatUint(innodb.PageLSN(w.header[:]), 10)
		}
	}
	w.d.mu.Lock()
	if r.seen != nil {
		seen = fmt.Sprintf("at checkpoint %d", r.seen.lsn)
	}
	w.d.mu.Unlock()
	return fmt.Sprintf("page LSN %s, checkpoint of the lock %d, its file was looked through %s", lsn, w.d.after, seen)
}

// stillOld says whether the pages at off are those that were there under the lock. A
// page that differs must look old several times to count as old.
func (w *worker) stillOld(r *row, off, n, size int64) (bool, error) {
	for try := range rereads {
		if try > 0 {
			t := time.NewTimer(rereadGap)
			select {
			case <-t.C:
			case <-w.d.s.ctx.Done():
				t.Stop()
				return false, w.d.s.cause(nil)
			}
		}
		f, err := w.file(r.id)
		if err != nil || f == nil {
			return false, err
		}
		now, dropped, err := tree.StatFile(f)
		if err != nil {
			return false, failf(CodeIO, "stat %s: %w", w.d.c.Dirs.Path(r.Role, r.Path), err)
		}
		if dropped || now.ID != r.ID {
			return false, nil
		}
		if now.Same(r.Entry) {
			return true, nil // nobody has written to the file since the lock
		}
		if size == 0 {
			return false, nil
		}
		for at := off; at < off+n; at += size {
			if _, err := f.ReadAt(w.header[:], at); err != nil {
				if errors.Is(err, io.EOF) {
					return false, nil
				}
				return false, failf(CodeIO, "read %s at %d: %w", w.d.c.Dirs.Path(r.Role, r.Path), at, err)
			}
			switch lsn := innodb.PageLSN(w.header[:]); {
			case lsn > w.d.after:
				return false, nil
			case lsn == 0 && !r.marks.sentZero(at, size):
				// Freed or scrubbed since: the joiner has been sent what it held before. Where it was
				// sent zeroes, it must hold them. One that was freed before the first pass may have been scrubbed before
				// the lock, without a word in the log.
				return w.d.unnamed(r, w.space, uint32(at/size)), nil
			}
		}
	}
	return true, nil
}

package store

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"trireme/engine/block"
	"trireme/engine/tree"
)

// writebackWindow is how many bytes are written to a file before the kernel is asked
// to start putting them on disk. Nothing waits for that: in the donor's lock window
// the page cache is the fastest spool there is, and Commit waits for the rest.
const writebackWindow = 8 << 20

// zeroRangeMin is the length from which the kernel is asked to zero a range of a file
// without holes; below it writing zeroes is cheaper than a journal transaction.
const zeroRangeMin = 128 << 10

// zeroes is the source of written zeroes. Nobody writes to it.
var zeroes [256 << 10]byte

// Apply writes one stretch of a file from off on. runs cover it without gaps; the
// bytes of the data runs follow each other in payload. Zero runs become holes in files
// that are sparse at the donor and zeroes in others; where a range is known to hold
// zeroes they cost nothing. The stretch must lie within the size given to Upsert.
// Calls for different ranges, also of one file, may run concurrently; nothing is
// allocated on the way. payload is not kept.
func (s *Store) Apply(id uint32, off int64, runs []block.Run, payload []byte) error {
	e, err := s.file("apply", id)
	if err != nil {
		return err
	}
	f, err := s.files.acquire(e)
	if err != nil {
		return s.because(err)
	}
	defer s.files.release(e)
	total, data := int64(0), 0
	e.mu.Lock()
	// What the entry says is read once: a catalog call may change it at any time.
	size, at := e.spec.Size, e.place()
	for _, r := range runs {
		if r.Len <= 0 || int64(r.Len) > size-total {
			total = -1
			break
		}
		total += int64(r.Len)
		if !r.Zero {
			data += r.Len
		}
	}
	if total < 0 || off < 0 || off > size-total || data != len(payload) {
		e.mu.Unlock()
		return fmt.Errorf("apply to %s at %d: runs of %d bytes with %d of data, payload of %d, do not fit a file of %d bytes",
			s.abs(at.role, at.name), off, total, data, len(payload), size)
	}
	s.notes.touch(id, off, total)
	// A small new file that comes whole needs no length of its own first.
	whole := off == 0 && total == size && data == len(payload) && len(runs) == 1 && !runs[0].Zero && e.size == 0
	if (!whole || e.class.Props().Allocate) && e.size != size {
		if err := s.resize(e, f); err != nil {
			e.mu.Unlock()
			return err
		}
	}
	sparse := e.spec.Sparse && !e.class.Props().Allocate
	e.mu.Unlock()

	w := writer{s: s, e: e, place: at, f: f, payload: payload, sparse: sparse, end: off+total == size, at: off}
	if err := w.runs(runs); err != nil {
		return err
	}
	return s.account(e, f, off, total, int64(data))
}

// because prefers the error that ended the Store over the consequence err.
func (s *Store) because(err error) error {
	if errors.Is(err, errClosed) {
		if first := s.failed(); first != nil {
			return first
		}
	}
	return err
}

// account records what was written and starts writeback behind the writer.
func (s *Store) account(e *entry, f *tree.Handle, off, total, data int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dirty = true
	e.size = max(e.size, off+total)
	if data == 0 {
		return nil
	}
	e.used.mark(off, total)
	x := e.slot // stays as long as the caller uses the file
	if x.pending == 0 {
		x.lo, x.hi = off, off+total
	} else {
		x.lo, x.hi = min(x.lo, off), max(x.hi, off+total)
	}
	if x.pending += data; x.pending < writebackWindow {
		return nil
	}
	x.pending = 0
	// Only a hint; but an error it meets is one of this file's writes.
	err := unix.SyncFileRange(int(f.Fd()), x.lo, x.hi-x.lo, unix.SYNC_FILE_RANGE_WRITE)
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return s.ioError(opWrite, e.spec.Role, e.name, err)
	}
	return nil
}

// writer turns runs into as few system calls as possible: neighbours of one kind are
// merged before they reach the file.
type writer struct {
	s       *Store
	e       *entry
	place   place
	f       *tree.Handle
	payload []byte
	sparse  bool // zeroes become holes
	end     bool // the stretch reaches the end of the file

	at     int64 // where the next run goes
	used   int   // payload bytes taken so far
	dataAt int64 // merged data that is not written yet: [dataAt, dataAt+dataN)
	dataN  int
	zeroAt int64
	zeroN  int64
}

func (w *writer) runs(runs []block.Run) error {
	var scratch [block.Unit / block.Sector]block.Run
	for _, r := range runs {
		if r.Zero || !w.sparse || w.at%block.Sector != 0 {
			if err := w.add(r); err != nil {
				return err
			}
			continue
		}
		// The donor looked for zeroes by leaves; holes are finer.
		for left := r.Len; left > 0; {
			p := w.payload[w.used : w.used+min(left, block.Unit)]
			for _, part := range block.SplitZero(scratch[:0], p, block.Sector) {
				if err := w.add(part); err != nil {
					return err
				}
				if part.Zero {
					w.used += part.Len
				}
			}
			left -= len(p)
		}
	}
	if err := w.flushData(); err != nil {
		return err
	}
	return w.flushZero(true)
}

// add appends a run. For data the payload advances; a zero run that was cut out of the
// payload is skipped there by the caller.
func (w *writer) add(r block.Run) error {
	n := int64(r.Len)
	if r.Zero {
		if err := w.flushData(); err != nil {
			return err
		}
		if w.zeroN == 0 {
			w.zeroAt = w.at
		}
		w.zeroN += n
		w.at += n
		return nil
	}
	if err := w.flushZero(false); err != nil {
		return err
	}
	if w.dataN == 0 {
		w.dataAt = w.at
	}
	w.dataN += r.Len
	w.used += r.Len
	w.at += n
	return nil
}

// flushData writes the merged data; it is the last dataN bytes taken of the payload.
func (w *writer) flushData() error {
	if w.dataN == 0 {
		return nil
	}
	p := w.payload[w.used-w.dataN : w.used]
	w.dataN = 0
	return w.s.writeAt(w.place, w.f, p, w.dataAt)
}

// flushZero makes the merged zero range zero, unless it is so already.
func (w *writer) flushZero(last bool) error {
	if w.zeroN == 0 {
		return nil
	}
	off, n := w.zeroAt, w.zeroN
	w.zeroN = 0
	w.e.mu.Lock()
	clean := w.e.used.clean(off, n) && (w.sparse || !w.e.bare)
	w.e.mu.Unlock()
	if clean {
		return nil
	}
	if w.sparse {
		return w.s.punch(w.place, w.f, off, n, last && w.end)
	}
	return w.s.zero(w.place, w.f, off, n)
}

// writeAt writes p at off.
func (s *Store) writeAt(at place, f *tree.Handle, p []byte, off int64) error {
	err := s.pass(opWrite, at.role, at.name)
	if err == nil {
		_, err = f.WriteAt(p, off)
	}
	if err != nil {
		return s.ioError(opWrite, at.role, at.name, fmt.Errorf("%d bytes at %d: %w", len(p), off, bare(err)))
	}
	s.written.Add(int64(len(p)))
	return nil
}

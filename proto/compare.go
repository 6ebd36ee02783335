package proto

import (
	"trireme/engine/block"
	"trireme/proto/msg"
)

// compare exchanges digests for the job's ranges in two levels and sends the
// leaves that differ.
func (w *worker) compare(j job) error {
	w.segs = w.segs[:0]
	for _, it := range j {
		if it.way == compare {
			w.segs = append(w.segs, msg.Segment{ID: it.id, Length: uint32(it.n), Offset: it.off})
		}
	}
	if len(w.segs) == 0 {
		return nil
	}
	if err := w.request(msg.TypeCompare, msg.Compare{Segments: w.segs}); err != nil {
		return err
	}
	// Both ends hash now, at the same time.
	if err := w.digest(); err != nil {
		return err
	}
	if err := w.answer(msg.TypeGroups, len(w.groups)); err != nil {
		return err
	}
	w.asked = w.asked[:0]
	want := 0
	for i := range w.groups {
		if w.groups[i] != w.theirs[i] {
			w.asked = append(w.asked, uint16(i))
			want += w.starts[i+1] - w.starts[i]
		}
	}
	if len(w.asked) == 0 {
		return nil
	}
	if err := w.request(msg.TypeAsk, msg.Ask{Groups: w.asked}); err != nil {
		return err
	}
	if err := w.answer(msg.TypeLeaves, want); err != nil {
		return err
	}
	return w.differing()
}

// digest hashes the own side of w.segs into groups, leaves and starts. What cannot
// be read any more counts as zeroes: it differs, is found gone when it is sent, and
// the next scan settles it.
func (w *worker) digest() error {
	w.groups, w.leaves, w.starts = w.groups[:0], w.leaves[:0], w.starts[:0]
	for _, s := range w.segs {
		leaf := w.d.cat.rows[s.ID].Class.Props().Leaf
		for off, end := s.Offset, s.Offset+int64(s.Length); off < end; off += block.Unit {
			n := int(min(int64(block.Unit), end-off))
			from := len(w.leaves)
			w.starts = append(w.starts, from)
			if w.hole(s.ID, off, n) {
				w.groups, w.leaves = w.hash.Zeroes(leaf, w.groups, w.leaves)
				w.d.p.done.Add(int64(n))
				continue
			}
			p, err := w.read(s.ID, w.unit[:n], off)
			if err != nil {
				return err
			}
			if len(p) < n {
				clear(w.unit[len(p):n])
				p = w.unit[:n]
			}
			w.groups, w.leaves = w.hash.Digest(leaf, p, w.groups, w.leaves)
			w.equal(s.ID, off, p, w.leaves[from:])
			w.d.p.done.Add(int64(n))
		}
		if w.d.s.ctx.Err() != nil {
			return w.d.s.cause(nil)
		}
	}
	w.starts = append(w.starts, len(w.leaves))
	return nil
}

// differing compares the leaves of the asked groups and deals with runs of those
// that differ.
func (w *worker) differing() error {
	g, ti, ai := 0, 0, 0
	for _, s := range w.segs {
		leaf := int64(w.d.cat.rows[s.ID].Class.Props().Leaf)
		var from, to int64 = -1, -1 // the run being collected
		flush := func() error {
			if from < 0 {
				return nil
			}
			f := from
			from = -1
			return w.settle(s.ID, f, to-f)
		}
		end := s.Offset + int64(s.Length)
		for off := s.Offset; off < end; off, g = off+block.Unit, g+1 {
			if ai == len(w.asked) || int(w.asked[ai]) != g {
				continue
			}
			ai++
			for i, d := range w.leaves[w.starts[g]:w.starts[g+1]] {
				same := d == w.theirs[ti]
				ti++
				if same {
					continue
				}
				at := off + int64(i)*leaf
				if from >= 0 && at != to {
					if err := flush(); err != nil {
						return err
					}
				}
				if from < 0 {
					from = at
				}
				to = min(at+leaf, end)
			}
		}
		if err := flush(); err != nil {
			return err
		}
	}
	return nil
}

// settle deals with a run of leaves that differ. Before and under the lock it is
// sent, read anew: the joiner gets what is there now, and the next round compares
// that with what is there then. After the lock only what is older than it may go.
func (w *worker) settle(id uint32, off, n int64) error {
	if w.d.after != 0 {
		return w.judge(id, off, n)
	}
	return w.sendRange(id, off, n, false)
}

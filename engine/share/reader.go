package share

import (
	"context"
	"fmt"
	"io"
	"math/bits"
	"time"

	"trireme/engine/block"
)

// Reader is one copy's way to the files of a Share. Its methods may be called concurrently.
type Reader struct {
	s     *Share
	bit   uint64
	fell  func()
	since time.Time
	met   int           // how often it has called Meet
	pass  uint16        // the latest it has read in
	debt  time.Duration // how long others have waited for it, as far as not forgiven
}

// Join adds a copy, in step with the others. fell is called once if it falls out of step, by whoever waits for it; it
// must not block and not call the Share. nil: nobody wants to know. All copies join before one of them reads.
func (s *Share) Join(fell func()) *Reader {
	s.lock()
	defer s.mu.Unlock()
	if len(s.readers) == MaxReaders {
		panic(fmt.Sprintf("share: internal error: more than %d readers", MaxReaders))
	}
	r := &Reader{s: s, bit: 1 << len(s.readers), fell: fell}
	s.readers = append(s.readers, r)
	s.inStep |= r.bit
	return r
}

// Begin says that nothing may be given to r that was read before now. Without it all may that was read through the Share: right for
// files that nobody has changed since it was made.
func (r *Reader) Begin() {
	r.s.lock()
	defer r.s.mu.Unlock()
	r.since = time.Now()
}

// Meet ends a pass over the files: nobody waits for r to read more of it, and r waits until all that are in step have come as far, or
// have kept it waiting for too long. What they read next is read anew, after all of them have read the last. It gives up with the cause of ctx.
func (r *Reader) Meet(ctx context.Context) error {
	s := r.s
	s.lock()
	defer s.mu.Unlock()
	r.since = time.Now()
	r.met++
	s.clear(r)
	for s.inStep&r.bit != 0 {
		slow := s.behind(r.met)
		if slow == 0 {
			break
		}
		if err := s.pause(ctx, &s.meeting, slow); err != nil {
			return err
		}
	}
	if s.behind(r.met) == 0 {
		s.prune(r.pass)
	}
	return nil
}

// Leave takes r out of step, for good: nobody waits for it any more. It may go on reading, for itself.
func (r *Reader) Leave() {
	r.s.lock()
	defer r.s.mu.Unlock()
	r.s.part(r)
}

// part ends the waiting for r.
func (s *Share) part(r *Reader) {
	s.inStep &^= r.bit
	s.clear(r)
}

// clear keeps nothing for r any more.
func (s *Share) clear(r *Reader) {
	for _, b := range s.kept {
		b.pending &^= r.bit
	}
	s.wake()
}

// ReadAt is os.File.ReadAt on the file k, of which read reads. whole says that p is all of a unit, or the rest of the file from where
// the last unit begins; only those are kept for others, a part is looked up and not kept. It blocks as long as the window is full and
// the others behind, and gives up with the cause of ctx. fresh says that the bytes came from the file.
func (r *Reader) ReadAt(ctx context.Context, k Key, p []byte, off int64, whole bool, read func(p []byte, off int64) (int, error)) (n int, fresh bool, err error) {
	s := r.s
	at, in := int(off/block.Unit), int(off%block.Unit)
	if len(p) == 0 || in+len(p) > block.Unit || whole && in != 0 {
		panic(fmt.Sprintf("share: internal error: %d bytes at %d are no part of one unit", len(p), off))
	}
	s.lock()
	r.pass = max(r.pass, k.Pass)
	for {
		u := s.unitOf(k, at)
		if b := u.b; b != nil && !b.began.Before(r.since) && in+len(p) <= len(b.data) {
			b.users++
			s.mu.Unlock()
			n, err := b.take(ctx, p, in)
			s.lock()
			b.users--
			s.settle(b)
			if err != nil && ctx.Err() != nil {
				s.mu.Unlock()
				return 0, false, err
			}
			if err != nil && err != io.EOF {
				break // by ourselves, to know what happened
			}
			s.had(r, k, at, whole)
			s.stats.Served += int64(n)
			s.mu.Unlock()
			return n, false, err
		}
		others := s.inStep &^ u.taken &^ r.bit
		if !whole || s.inStep&r.bit == 0 || others == 0 || u.b != nil {
			break
		}
		if s.room(int64(len(p))) {
			return s.load(r, k, at, p, others, off, read)
		}
		if err := s.wait(ctx, r); err != nil {
			s.mu.Unlock()
			return 0, false, err
		}
	}
	s.had(r, k, at, whole)
	s.mu.Unlock()
	n, err = read(p, off)
	s.mu.Lock()
	s.stats.Read += int64(n)
	s.mu.Unlock()
	return n, true, err
}

// had notes that r has a unit.
func (s *Share) had(r *Reader, k Key, at int, whole bool) {
	if !whole {
		return
	}
	u := s.unitOf(k, at)
	u.taken |= r.bit
	if u.b != nil && u.b.pending&r.bit != 0 {
		u.b.pending &^= r.bit
		s.settle(u.b)
	}
}

// load reads a unit for r and for others. The lock is held when it is called and not when it returns.
func (s *Share) load(r *Reader, k Key, at int, p []byte, others uint64, off int64, read func([]byte, int64) (int, error)) (int, bool, error) {
	b := s.add(k, at, len(p), others)
	s.had(r, k, at, true)
	s.mu.Unlock()
	b.n, b.err = read(b.data, off)
	close(b.loaded)
	n := copy(p, b.data[:b.n])
	err := b.err
	s.lock()
	defer s.mu.Unlock()
	s.stats.Read += int64(n)
	b.users--
	if err != nil && err != io.EOF {
		// Nobody else shall see it; those who wait for it already know.
		b.pending = 0
		s.forget(b)
	}
	s.settle(b)
	return n, true, err
}

// take waits for the buffer's content and copies the part of it that begins at in.
func (b *buffer) take(ctx context.Context, p []byte, in int) (int, error) {
	select {
	case <-b.loaded:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if b.err != nil && b.err != io.EOF {
		return 0, b.err
	}
	n := copy(p, b.data[min(in, b.n):b.n])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// wait returns when it is worth while to look again for room. The lock is held at both ends.
func (s *Share) wait(ctx context.Context, r *Reader) error {
	slow := s.laggards()
	if slow&r.bit != 0 {
		// What r has not come to yet is in its own way: it goes through the files in another order than the others.
		for _, b := range s.kept {
			if b.pending != 0 {
				b.pending &^= r.bit
				s.settle(b)
				break
			}
		}
		return nil
	}
	return s.pause(ctx, &s.waiters, slow)
}

// pause returns when something has changed, or one of slow has lost the others' patience and is out of step. The lock is held at both ends;
// count says that somebody waits while it is not.
func (s *Share) pause(ctx context.Context, count *int, slow uint64) error {
	left := s.c.Patience
	for rest := slow; rest != 0; rest &= rest - 1 {
		o := s.readers[bits.TrailingZeros64(rest)]
		if o.debt >= s.c.Patience {
			s.part(o)
			if o.fell != nil {
				s.mu.Unlock()
				o.fell()
				s.lock()
			}
			return nil
		}
		left = min(left, s.c.Patience-o.debt)
	}
	changed := s.changed
	*count++
	s.mu.Unlock()
	t := time.NewTimer(left)
	defer t.Stop()
	var err error
	select {
	case <-changed:
	case <-t.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	s.lock()
	*count--
	return err
}

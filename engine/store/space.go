package store

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"trireme/engine/block"
	"trireme/engine/tree"
)

// preallocate is the size from which a new file without holes gets its space in one
// piece: it costs one call and saves the allocator many. On tmpfs there is no allocator
// to help, and the call would fill every page with zeroes before the data comes.
const preallocate = block.Unit

// unsupported reports that a file system does not know an operation, in the several
// ways that they say it.
func unsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENODEV)
}

// resize gives the file of e its size: cut, or made longer with zeroes. Redo, system
// and undo files get all their blocks, since the server must not run out of space
// inside them (R-HOLE-2). The caller holds e.mu.
func (s *Store) resize(e *entry, f *tree.Handle) error {
	at, from, to := e.place(), e.size, e.spec.Size
	must := e.class.Props().Allocate
	e.dirty = true
	if from != to {
		s.notes.cut(e.spec.ID, min(from, to))
	}
	switch {
	case from < to && (must || !e.spec.Sparse && to-from >= preallocate && !s.inMemory.Load()):
		err := s.fallocate(at, f, opAllocate, 0, from, to-from)
		if unsupported(err) {
			err = s.truncate(at, f, to)
			if err == nil && must {
				err = s.writeZeroes(at, f, from, to-from)
			}
		}
		if err != nil {
			return s.ioError(opAllocate, at.role, at.name, fmt.Errorf("%d bytes: %w", to-from, err))
		}
	case from != to:
		if err := s.truncate(at, f, to); err != nil {
			return s.ioError(opTruncate, at.role, at.name, fmt.Errorf("to %d bytes: %w", to, err))
		}
		e.bare = e.bare || from < to && !e.spec.Sparse && s.inMemory.Load()
	}
	e.size = to
	return nil
}

// fill allocates the holes of a basis file that must have none. Its content is not
// changed. The caller holds e.mu.
func (s *Store) fill(e *entry, f *tree.Handle) error {
	at := e.place()
	err := s.fallocate(at, f, opAllocate, 0, 0, e.size)
	if unsupported(err) {
		err = nil // then the file system has no such promise to give
	}
	if err != nil {
		return s.ioError(opAllocate, at.role, at.name, fmt.Errorf("%d bytes: %w", e.size, err))
	}
	e.holes, e.dirty = false, true
	return nil
}

// punch makes a range a hole. tail says that it reaches the end of the file: then the
// last block goes as a whole.
func (s *Store) punch(at place, f *tree.Handle, off, n int64, tail bool) error {
	length := n
	if tail {
		if over := (off + n) % block.Sector; over != 0 {
			length += block.Sector - over
		}
	}
	err := s.fallocate(at, f, opPunch, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, length)
	if unsupported(err) {
		err = s.writeZeroes(at, f, off, n)
	}
	if err != nil {
		return s.ioError(opPunch, at.role, at.name, fmt.Errorf("%d bytes at %d: %w", n, off, err))
	}
	return nil
}

// zero makes a range read as zeroes and keeps its blocks.
func (s *Store) zero(at place, f *tree.Handle, off, n int64) error {
	err := error(unix.EOPNOTSUPP)
	if n >= zeroRangeMin {
		err = s.fallocate(at, f, opZero, unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	}
	if unsupported(err) {
		err = s.writeZeroes(at, f, off, n)
	}
	if err != nil {
		return s.ioError(opZero, at.role, at.name, fmt.Errorf("%d bytes at %d: %w", n, off, err))
	}
	return nil
}

func (s *Store) fallocate(at place, f *tree.Handle, o op, mode uint32, off, n int64) error {
	if err := s.pass(o, at.role, at.name); err != nil || n == 0 {
		return err
	}
	for {
		if err := unix.Fallocate(int(f.Fd()), mode, off, n); err != unix.EINTR {
			return err
		}
	}
}

func (s *Store) truncate(at place, f *tree.Handle, size int64) error {
	if err := s.pass(opTruncate, at.role, at.name); err != nil {
		return err
	}
	return bare(f.Truncate(size))
}

func (s *Store) writeZeroes(at place, f *tree.Handle, off, n int64) error {
	if err := s.pass(opWrite, at.role, at.name); err != nil {
		return err
	}
	for n > 0 {
		k, err := f.WriteAt(zeroes[:min(n, int64(len(zeroes)))], off)
		if err != nil {
			return bare(err)
		}
		off, n = off+int64(k), n-int64(k)
	}
	return nil
}

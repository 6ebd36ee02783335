package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"trireme/engine/block"
	"trireme/engine/tree"
)

// Digests hashes this node's own copy of a stretch of a file: it reads group after
// group and appends their group digests to groups and the leaf digests of all
// of them, in order, to leaves. off is a multiple of block.Unit; the last group may be short.
// buf has room for block.Unit bytes and is scratch. Reading past what is there is an
// error: the caller knows from Upsert how much that is. Safe for concurrent use, each
// caller with its own Hasher; holes are not read; nothing is allocated when the slices have room. ctx is
// looked at before each group.
func (s *Store) Digests(ctx context.Context, h *block.Hasher, id uint32, off, n int64, groups, leaves []block.Digest, buf []byte) ([]block.Digest, []block.Digest, error) {
	if len(buf) < block.Unit {
		panic(fmt.Sprintf("store: internal error: buffer of %d bytes for groups of %d", len(buf), block.Unit))
	}
	e, err := s.file("digests", id)
	if err != nil {
		return groups, leaves, err
	}
	e.mu.Lock()
	onDisk, size, leaf, at := e.onDisk, e.size, e.class.Props().Leaf, e.place()
	e.mu.Unlock()
	if off < 0 || off%block.Unit != 0 || n < 0 || !onDisk && n > 0 || n > size-off && n > 0 {
		return groups, leaves, fmt.Errorf("hash %s at %d: %d bytes were asked for, the copy has %d", s.abs(at.role, at.name), off, n, size)
	}
	if n == 0 {
		return groups, leaves, nil
	}
	f, err := s.files.acquire(e)
	if err != nil {
		return groups, leaves, s.because(err)
	}
	defer s.files.release(e)
	for n > 0 {
		if ctx.Err() != nil {
			return groups, leaves, context.Cause(ctx)
		}
		p := buf[:min(n, block.Unit)]
		if len(p) == block.Unit && tree.Hole(f, off, block.Unit) {
			groups, leaves = h.Zeroes(leaf, groups, leaves)
			off, n = off+block.Unit, n-block.Unit
			continue
		}
		if _, err := f.ReadAt(p, off); err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("it became shorter: %w", io.ErrUnexpectedEOF)
			}
			return groups, leaves, s.ioError("read", at.role, at.name, fmt.Errorf("at %d: %w", off, bare(err)))
		}
		groups, leaves = h.Digest(leaf, p, groups, leaves)
		off, n = off+int64(len(p)), n-int64(len(p))
	}
	return groups, leaves, nil
}

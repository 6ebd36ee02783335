package clone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/dustin/go-humanize" // sizes for people

	"trireme/engine/block"
	"trireme/engine/tree"
)

// planned is what a clone would do.
type planned struct {
	added, changed, equal, removed int   // files
	send, saved                    int64 // bytes
}

// plan compares source and target and says what would move. Both are only read.
func plan(t *transfer, src *source, tg *target) error {
	w, err := compareTrees(t.ctx, src, tg)
	if err != nil {
		return withCode(err)
	}
	size := func(n int64) string { return humanize.IBytes(uint64(n)) }
	t.note("would add %d files, change %d, leave %d and remove %d; %s would move, %s are there already; nothing was changed",
		w.added, w.changed, w.equal, w.removed, size(w.send), size(w.saved))
	return nil
}

// key names a file at either end.
type key struct {
	role tree.Role
	path string
}

func compareTrees(ctx context.Context, src *source, tg *target) (planned, error) {
	var w planned
	have := map[key]tree.Entry{}
	var dirs *tree.Dirs
	if tg.lock != nil { // it exists
		var err error
		if dirs, err = tree.Open(tg.lay); err != nil {
			return w, fmt.Errorf("open the target: %w", err)
		}
		defer dirs.Close()
		there, err := dirs.Scan(ctx)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return w, fmt.Errorf("scan the target: %w", err)
		}
		if err == nil {
			for _, e := range there.Entries {
				if e.Class != tree.Marker {
					have[key{e.Role, e.Path}] = e
				}
			}
		}
	}
	for i := range src.tree.Entries {
		e := &src.tree.Entries[i]
		if !e.Sent() {
			continue
		}
		old, ok := have[key{e.Role, e.Path}]
		delete(have, key{e.Role, e.Path})
		if e.Dir {
			continue
		}
		if !ok || old.Dir {
			w.added++
			w.send += e.Size
			continue
		}
		same, err := compareFiles(ctx, src.dirs, dirs, e, &old)
		if err != nil {
			return w, err
		}
		w.saved += same
		w.send += e.Size - same
		if same == e.Size && old.Size == e.Size {
			w.equal++
		} else {
			w.changed++
		}
	}
	for _, e := range have {
		if !e.Dir && e.Class.Props().Joiner != tree.Keep {
			w.removed++
		}
	}
	return w, nil
}

// compareFiles counts the bytes of a that the target's file holds at the same place, in the pieces a transfer compares.
func compareFiles(ctx context.Context, from, to *tree.Dirs, a, b *tree.Entry) (same int64, err error) {
	f, err := from.OpenFile(a.Role, a.Path, os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	name := b.Path
	if b.Part {
		name += tree.PartSuffix
	}
	g, err := to.OpenFile(b.Role, name, os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer g.Close()
	leaf := int64(a.Class.Props().Leaf)
	x, y := make([]byte, block.Unit), make([]byte, block.Unit)
	for off := int64(0); ; off += block.Unit {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		n, err := f.ReadAt(x, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if n == 0 {
			return same, nil
		}
		m, err := g.ReadAt(y, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		for at := int64(0); at < int64(n); at += leaf {
			end := min(at+leaf, int64(n))
			if end <= int64(m) && bytes.Equal(x[at:end], y[at:end]) {
				same += end - at
			}
		}
	}
}

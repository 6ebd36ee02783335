package clone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/dustin/go-humanize" // sizes for people
	"golang.org/x/sys/unix"

	"trireme/engine/block"
	"trireme/engine/tree"
)

// planned is what a clone would do.
type planned struct {
	added, changed, equal, removed int // files
	send, holes, saved             int64
	gone                           []string // what would be deleted; a directory stands for all in it
}

// namesShown is how many names of what would be deleted are shown to whoever does not ask for more.
const namesShown = 20

// plan compares source and target and says what would move. Both are only read.
func plan(t *transfer, src *source, tg *target) error {
	w, err := compareTrees(t.ctx, src, tg)
	if err != nil {
		return withCode(err)
	}
	for i, name := range w.gone {
		if i == namesShown && !t.verbose {
			t.note("and %d more would be deleted; --verbose names all", len(w.gone)-namesShown)
			break
		}
		t.note("would delete %s", name)
	}
	t.note("would add %d files, change %d, leave %d and remove %d; %s would move, %s of holes besides, %s are there already; nothing was changed",
		w.added, w.changed, w.equal, w.removed, size(w.send), size(w.holes), size(w.saved))
	return nil
}

func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

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
		if !ok || old.Dir || old.Linked { // the last is replaced, see package store
			holes, err := holesOf(src.dirs, e)
			if err != nil {
				return w, err
			}
			if old.Linked {
				w.changed++
			} else {
				w.added++
			}
			w.holes += holes
			w.send += e.Size - holes
			continue
		}
		same, holes, err := compareFiles(ctx, src.dirs, dirs, e, &old)
		if err != nil {
			return w, err
		}
		w.saved += same
		w.holes += holes
		w.send += e.Size - same - holes
		if same == e.Size && old.Size == e.Size {
			w.equal++
		} else {
			w.changed++
		}
	}
	w.remove(have, dirs)
	return w, nil
}

// remove notes what the target has and the source does not.
func (w *planned) remove(have map[key]tree.Entry, dirs *tree.Dirs) {
	inside := map[string]int{} // files by the topmost directory that goes with them
	for k, e := range have {
		if e.Class.Props().Joiner == tree.Keep {
			continue
		}
		top := ""
		for at := k.path; at != "."; at = path.Dir(at) {
			if d, ok := have[key{k.role, at}]; ok && d.Dir && d.Class.Props().Joiner != tree.Keep {
				top = dirs.Path(k.role, at) + "/"
			}
		}
		switch {
		case e.Dir:
			inside[top] += 0
			continue
		case top == "":
			w.gone = append(w.gone, dirs.Path(k.role, k.path))
		default:
			inside[top]++
		}
		w.removed++
	}
	for name, n := range inside {
		w.gone = append(w.gone, fmt.Sprintf("%s (%d files)", name, n))
	}
	slices.Sort(w.gone)
}

// holesOf counts the bytes of a file that its file system does not keep. One that cannot tell has none.
func holesOf(dirs *tree.Dirs, e *tree.Entry) (holes int64, err error) {
	f, err := dirs.OpenFile(e.Role, e.Path, os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for at := int64(0); at < e.Size; {
		data, err := f.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			data, err = e.Size, nil
		}
		if err != nil {
			return 0, nil
		}
		holes += min(data, e.Size) - at
		if at, err = f.Seek(data, unix.SEEK_HOLE); err != nil {
			break // at its end
		}
	}
	return holes, nil
}

// compareFiles counts the bytes of a that the target's file holds at the same place, in the pieces a transfer compares, and of the
// others those that are zero and travel as a hole does.
func compareFiles(ctx context.Context, from, to *tree.Dirs, a, b *tree.Entry) (same, holes int64, err error) {
	f, err := from.OpenFile(a.Role, a.Path, os.O_RDONLY, 0)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	name := b.Path
	if b.Part {
		name += tree.PartSuffix
	}
	g, err := to.OpenFile(b.Role, name, os.O_RDONLY, 0)
	if err != nil {
		return 0, 0, err
	}
	defer g.Close()
	leaf := int64(a.Class.Props().Leaf)
	x, y := make([]byte, block.Unit), make([]byte, block.Unit)
	for off := int64(0); ; off += block.Unit {
		if ctx.Err() != nil {
			return 0, 0, context.Cause(ctx)
		}
		n, err := f.ReadAt(x, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, err
		}
		if n == 0 {
			return same, holes, nil
		}
		m, err := g.ReadAt(y, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, err
		}
		for at := int64(0); at < int64(n); at += leaf {
			end := min(at+leaf, int64(n))
			switch piece := x[at:end]; {
			case end <= int64(m) && bytes.Equal(piece, y[at:end]):
				same += end - at
			case block.IsZero(piece):
				holes += end - at
			}
		}
	}
}

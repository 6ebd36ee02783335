package tree

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// copyable are the engines, in lower case, whose tables can be copied as files under the server's lock, or that keep no
// data here at all (consistency 8). Everything else is refused: a table that arrives half is worse than none.
var copyable = set(
	"innodb", "aria", "maria", "myisam", "mrg_myisam", "merge", "memory", "heap", "blackhole", "csv", "archive",
	"sequence", "view", "performance_schema", "spider", "federated", "connect", "s3", "sphinx", "oqgraph", "example",
)

// engineSeen is what one version of a .frm file said.
type engineSeen struct {
	ctime  int64
	engine string
	err    string
	none   bool // the file is not there, or was not looked at
	old    bool // an earlier look had read it
}

// frmRead is how much of a table definition is read at first; it holds the engine's name in all but very wide tables.
const frmRead = 4 << 10

// maxFrm bounds what is read of a table definition: the server's own limit is lower.
const maxFrm = 16 << 20

// CheckEngines reads the table definitions in t and returns a refusal for each table whose engine cannot be copied as
// files or is unknown. What an unchanged file said is remembered in d by identity and change time, so that a second run
// under the lock opens only new and changed definitions. A file that said nothing is asked again each time: a server
// makes a definition before it writes it, and both may fall within one tick of the time stamps. Its refusal is Unsure.
// Files that vanished are skipped. When ctx ends the list is
// incomplete; the caller looks at ctx.
func CheckEngines(ctx context.Context, d *Dirs, t *Tree) []Refusal {
	d.engineMu.Lock()
	defer d.engineMu.Unlock()
	var tables []*Entry
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Definition() {
			tables = append(tables, e)
		}
	}
	said := make([]engineSeen, len(tables))
	d.readEngines(ctx, tables, said)
	var out []Refusal
	fresh := 0
	for i, e := range tables {
		if said[i].none {
			continue
		}
		if said[i].err == "" && !said[i].old {
			fresh++
		}
		if r, bad := said[i].refusal(d, e); bad {
			out = append(out, r)
		}
	}
	d.rememberEngines(tables, said, fresh)
	return out
}

// rememberEngines keeps what the tables said, fresh of them for the first time, and nothing of others. The second look at a datadir
// at rest has nothing to write down.
func (d *Dirs) rememberEngines(tables []*Entry, said []engineSeen, fresh int) {
	if fresh == 0 && len(d.engines) == len(tables) {
		return
	}
	next := make(map[FileID]engineSeen, len(tables))
	for i, e := range tables {
		if said[i].err == "" && !said[i].none {
			said[i].old = true
			next[e.ID] = said[i]
		}
	}
	d.engines = next
}

// readers is how many definitions are read at the same time at most: a datadir may have 100 000 of them on a disk that answers
// many questions at once.
const readers = 8

// readEngines fills said for each of the tables. What an unchanged file said before is taken from d.
func (d *Dirs) readEngines(ctx context.Context, tables []*Entry, said []engineSeen) {
	var at atomic.Int64
	var wg sync.WaitGroup
	for range min(readers, runtime.GOMAXPROCS(0), 1+len(tables)/checkEvery) {
		wg.Go(func() {
			buf := make([]byte, frmRead)
			for {
				from := int(at.Add(checkEvery)) - checkEvery
				for i := from; i < min(from+checkEvery, len(tables)); i++ {
					e := tables[i]
					old, ok := d.engines[e.ID]
					if ok && old.ctime == e.Ctime && e.ID.Birth != 0 {
						said[i] = old
						continue
					}
					var err error
					said[i], err = readEngine(d, e, buf)
					said[i].none = errors.Is(err, fs.ErrNotExist)
				}
				if from >= len(tables) || ctx.Err() != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	for i := range said {
		if said[i] == (engineSeen{}) {
			said[i].none = true // ctx ended before
		}
	}
}

func readEngine(d *Dirs, e *Entry, buf []byte) (engineSeen, error) {
	seen := engineSeen{ctime: e.Ctime}
	f, err := d.Handle(e.Role, e.Path, unix.O_RDONLY, 0)
	if err != nil {
		seen.err = err.Error()
		return seen, err
	}
	defer f.Close()
	n, err := f.ReadAt(buf[:min(int64(len(buf)), max(f.Size(), 1))], 0) // asking for more than there is asks twice
	if err == io.EOF {
		err = nil
	}
	head := buf[:n]
	// A wide table's name lies behind its default record: read on before trusting the number in the header alone.
	if most := min(frmNames(head), maxFrm); err == nil && n == len(buf) && most > n && frmExtraName(head) == "" {
		head = make([]byte, most)
		if n, err = f.ReadAt(head, 0); err == io.EOF {
			err = nil
		}
		head = head[:n]
	}
	if err == nil {
		seen.engine, err = Engine(head)
	}
	if err != nil {
		seen.err = err.Error()
	}
	return seen, err
}

func (seen engineSeen) refusal(d *Dirs, e *Entry) (Refusal, bool) {
	if e.Class == Debris && seen.engine == "" {
		return Refusal{}, false // half-written by a crashed statement; no table stands behind it
	}
	if seen.err == "" && copyable[strings.ToLower(seen.engine)] {
		return Refusal{}, false
	}
	r := Refusal{Path: d.Path(e.Role, e.Path)}
	table := strings.TrimSuffix(path.Base(e.Path), ".frm")
	switch {
	case seen.err != "":
		r.What = "the storage engine of table " + table + " cannot be told: " + seen.err
		r.Hint = "drop or repair the table, or move the file away"
		r.Unsure = true
	default:
		r.What = "table " + table + " uses the storage engine " + seen.engine + ", which cannot be copied as files"
		r.Hint = "ALTER TABLE … ENGINE=InnoDB, or use a method made for that engine"
	}
	return r, true
}

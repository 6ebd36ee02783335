package tree

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

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
}

// frmRead is how much of a table definition is read at first; it holds the engine's name in all but very wide tables.
const frmRead = 4 << 10

// maxFrm bounds a table definition: the server's own limit is lower.
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
	var out []Refusal
	buf := make([]byte, frmRead)
	next := make(map[FileID]engineSeen, len(d.engines))
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Dir || e.Role != RoleData || e.Class.Props().Send == Never || !strings.HasSuffix(e.Path, ".frm") {
			continue
		}
		seen, ok := d.engines[e.ID]
		if !ok || seen.ctime != e.Ctime || e.ID.Birth == 0 {
			if i%checkEvery == 0 && ctx.Err() != nil {
				return out
			}
			var err error
			if seen, err = readEngine(d, e, buf); errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		if seen.err == "" {
			next[e.ID] = seen
		}
		if r, bad := seen.refusal(d, e); bad {
			out = append(out, r)
		}
	}
	d.engines = next
	return out
}

func readEngine(d *Dirs, e *Entry, buf []byte) (engineSeen, error) {
	seen := engineSeen{ctime: e.Ctime}
	f, err := d.OpenFile(e.Role, e.Path, unix.O_RDONLY, 0)
	if err != nil {
		seen.err = err.Error()
		return seen, err
	}
	defer f.Close()
	n, err := io.ReadFull(f, buf)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	head := buf[:n]
	// A wide table's name lies behind its default record: read on before trusting the number in the header alone.
	if err == nil && n == len(buf) && frmExtraName(head) == "" {
		var rest []byte
		rest, err = io.ReadAll(io.LimitReader(f, maxFrm))
		head = append(head[:n:n], rest...)
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
	r := Refusal{Path: d.Path(e.Role, e.Path)}
	table := strings.TrimSuffix(path.Base(e.Path), ".frm")
	switch {
	case seen.err != "":
		r.What = "the storage engine of table " + table + " cannot be told: " + seen.err
		r.Hint = "drop or repair the table, or move the file away"
		r.Unsure = true
	case copyable[strings.ToLower(seen.engine)]:
		return r, false
	default:
		r.What = "table " + table + " uses the storage engine " + seen.engine + ", which cannot be copied as files"
		r.Hint = "ALTER TABLE … ENGINE=InnoDB, or use a method made for that engine"
	}
	return r, true
}

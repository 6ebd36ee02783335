package store

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize" // sizes for people
	"golang.org/x/sys/unix"

	"trireme/engine/manifest"
	"trireme/engine/tree"
)

// The joiner's side of the manifest (proto/SPEC.md section 8). Prepare reads the one that the last transfer left, keeps
// what it says of files that nobody has written to since, and removes it before the first change; Seal and Commit note
// how the files lie here and write it anew when all is done.

const (
	// resting is how much older than the clock the ctime of one of our own files must be when its stamp is taken. Our
	// writes have returned and nobody else writes here, so what matters is a write after the look alone: it must get
	// another ctime, though the kernel's ticks lie behind the clock (tree.Granule) and the clock may have been put
	// back by clockSlack unnoticed.
	resting = tree.Granule + clockSlack
	// clockSlack is how much the clock may have been stepped since a manifest was written; more, and no file's time
	// proves anything (R-COPY-10).
	clockSlack = 10 * time.Millisecond
)

// ledger is what a Store knows for its manifests. It is guarded by Store.calls.
type ledger struct {
	host   tree.Host
	told   []told       // by index in Prepare's scan: what the manifest says of it
	theirs []tree.Stamp // by id: what the donor says now
	ours   []tree.Stamp // by id: how the file lies here; set by Seal and Commit
	late   []uint32     // files that Seal could not stamp yet
	sure   []bool       // by id: vouched for
	at     int64        // what the wall clock showed before Prepare looked
	moved  bool         // something that is vouched for has changed since
	devs   map[uint64]tree.FSInfo
}

// told is what a manifest says of a file that is what it was when it was copied: the stamp that the donor's had, and its own, which it
// still has. Zero for others.
type told struct{ theirs, ours tree.Stamp }

// ManifestNote says in a sentence what came of the manifest that was here, or of writing one; "" when there is nothing to say.
func (s *Store) ManifestNote() string {
	s.calls.Lock()
	defer s.calls.Unlock()
	return s.manifestNote
}

// openLedger reads the manifest that is here. Whatever is wrong with it, the transfer goes on and hashes.
func (s *Store) openLedger(t *tree.Tree) {
	if !s.cfg.Manifest {
		return
	}
	host, err := tree.ThisHost()
	if err != nil {
		s.manifestNote = fmt.Sprintf("no manifest is used: %v", err)
		return
	}
	n := len(t.Entries) // mostly the donor has what is here
	s.ledger = &ledger{host: host, at: t.At, theirs: make([]tree.Stamp, 0, n), sure: make([]bool, 0, n)}
	s.ledger.read(s, t)
}

// openManifest begins to read the manifest that is here.
func (s *Store) openManifest() (*os.File, *manifest.Reader, error) {
	f, err := s.dirs.OpenFile(tree.RoleData, tree.ManifestName, os.O_RDONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	var r *manifest.Reader
	st, err := f.Stat()
	if err == nil {
		r, err = manifest.NewReader(f, st.Size())
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, r, nil
}

// expect says to the first scan how much it will find, by a manifest that nothing else is believed of yet. Its rows fit its size.
func (s *Store) expect() {
	if !s.cfg.Manifest {
		return
	}
	if f, r, err := s.openManifest(); err == nil {
		s.dirs.Expect(int(r.Header.Rows))
		f.Close()
	}
}

// read fills told.
func (l *ledger) read(s *Store, t *tree.Tree) {
	cut, parts := false, map[key]bool{}
	for i := range t.Entries {
		e := &t.Entries[i]
		cut = cut || e.Class == tree.Marker
		if e.Part {
			parts[key{e.Role, e.Path}] = true
		}
	}
	name := s.abs(tree.RoleData, tree.ManifestName)
	ignore := func(why any) {
		s.manifestNote = fmt.Sprintf("%s is ignored, everything is hashed: %v", name, bare(asError(why)))
	}
	f, r, err := s.openManifest()
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		ignore(err)
		return
	}
	defer f.Close()
	if cut {
		ignore("a transfer has been cut off since")
		return
	}
	switch step := time.Duration(l.host.Clock - r.Header.Host.Clock); {
	case r.Header.Host.Boot != l.host.Boot:
		ignore("it was written before this host was started, or on another host")
		return
	case step > clockSlack || step < -clockSlack:
		ignore(fmt.Sprintf("the clock was stepped by %v since it was written", step))
		return
	}
	// The clock of the manifest is kept for the next one: steps that were each too small to count must not add up.
	now := l.host
	l.host.Clock = r.Header.Host.Clock
	told, files, bytes := l.walk(r, t, parts)
	if err := r.Close(); err != nil {
		l.host = now
		ignore(err)
		return
	}
	l.told = told
	s.manifestNote = fmt.Sprintf("%s, of transfer %s from %q, lists %d files; %d of them, %s, are as they were then",
		name, hex.EncodeToString(r.Header.Transfer[:4]), oneLine(r.Header.Node), r.Header.Rows, files, humanize.IBytes(uint64(bytes)))
}

func asError(v any) error {
	if err, ok := v.(error); ok {
		return err
	}
	return errors.New(fmt.Sprint(v))
}

// walk goes through the manifest and the scan side by side: both are in one order.
func (l *ledger) walk(r *manifest.Reader, t *tree.Tree, parts map[key]bool) (all []told, files int, bytes int64) {
	all = make([]told, len(t.Entries))
	row, more := r.Next()
	for i := range t.Entries {
		e := &t.Entries[i]
		for more && (row.Role < e.Role || row.Role == e.Role && string(row.Path) < e.Path) {
			row, more = r.Next()
		}
		if !more {
			break
		}
		if row.Role != e.Role || string(row.Path) != e.Path || len(parts) > 0 && parts[key{e.Role, e.Path}] {
			continue
		}
		if ours, ok := e.Stamp(&l.host, t.Devs[e.ID.Dev]); ok && ours == row.Ours {
			all[i] = told{row.Theirs, ours}
			files++
			bytes += e.Size
		}
	}
	return all, files, bytes
}

// dropManifest removes the manifest before anything is changed that it speaks of; the caller makes that durable.
func (s *Store) dropManifest(t *tree.Tree) error {
	for i := range t.Entries {
		e := &t.Entries[i]
		if name := e.Path; e.Role == tree.RoleData && !e.Dir && (name == tree.ManifestName || name == tree.ManifestPart) {
			if err := s.remove(e.Role, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Vouch takes the donor's stamp of entry id, which Upsert has just taken; none says that the donor has none for it, or no
// longer the one it had. The answer is whether this node's file is the copy of what the donor has there, untouched since: then
// nobody need read it. Always false without Config.Manifest.
func (s *Store) Vouch(id uint32, stamp tree.Stamp) bool {
	s.calls.Lock()
	defer s.calls.Unlock()
	l, e := s.ledger, s.entry(id)
	if l == nil || e == nil {
		return false
	}
	if missing := int(id) + 1 - len(l.theirs); missing > 0 {
		l.theirs, l.sure = append(l.theirs, make([]tree.Stamp, missing)...), append(l.sure, make([]bool, missing)...)
	}
	l.theirs[id], l.sure[id] = stamp, false
	e.mu.Lock()
	defer e.mu.Unlock()
	if stamp == (tree.Stamp{}) || !e.live || e.spec.Dir || !e.onDisk || e.dirty || e.holes || e.size != e.spec.Size {
		return false
	}
	l.sure[id] = l.toldOf(e.was).theirs == stamp
	return l.sure[id]
}

// toldOf is what the manifest says of what lay under an index of Prepare's scan.
func (l *ledger) toldOf(was int32) told {
	if was < 0 || int(was) >= len(l.told) {
		return told{}
	}
	return l.told[was]
}

// untouched says whether every file of the copy is vouched for and nothing about any was changed but the names of keystones. Then
// all content is on stable storage since the last commit, and a syncfs would only wait for what others have written.
func (s *Store) untouched() bool {
	l := s.ledger
	if l == nil || l.moved {
		return false
	}
	for id, e := range s.entries {
		if e.live && (e.dirty || !e.spec.Dir && (id >= len(l.sure) || !l.sure[id])) {
			return false
		}
	}
	return true
}

// sealLedger begins to note how the files lie here. Nothing but names is changed from then on, or it is called again.
func (s *Store) sealLedger() {
	if l := s.ledger; l != nil {
		l.ours, l.late, l.devs = make([]tree.Stamp, len(l.theirs)), nil, nil
	}
}

// stampOurs notes how c lies here, which the walk over t found as e. same says that it is what Prepare found, to the last field.
func (s *Store) stampOurs(c *entry, e *tree.Entry, t *tree.Tree, same bool) {
	l, id := s.ledger, int(c.spec.ID)
	if l == nil || id >= len(l.theirs) || l.theirs[id] == (tree.Stamp{}) {
		return
	}
	l.devs = t.Devs
	if !c.keystone() && !e.Rested(l.at, resting) {
		l.moved = true
	}
	if c.keystone() || !e.Rested(t.At, resting) || s.fsyncAll.Load() {
		l.late = append(l.late, c.spec.ID)
		return
	}
	if old := l.toldOf(c.was); same && old.ours != (tree.Stamp{}) {
		l.ours[id] = old.ours
		return
	}
	l.ours[id], _ = e.Stamp(&l.host, t.Devs[e.ID.Dev])
}

// strange says that a file which was vouched for has been written to since, by somebody else: then it is not what the donor has.
func (s *Store) strange(c *entry, e *tree.Entry) error {
	l, id := s.ledger, int(c.spec.ID)
	if l == nil || id >= len(l.sure) || !l.sure[id] || c.dirty || c.was < 0 {
		return nil
	}
	if old := &s.basis.scan.Entries[c.was]; old.ID == e.ID && old.Size == e.Size && old.Mtime == e.Mtime {
		return nil // what gives a file another name, mode or owner moves the time of change alone
	}
	return fmt.Errorf("%s was the copy of the last transfer when this one began, and has been written to since: something else writes into the directory",
		s.abs(c.spec.Role, c.name))
}

// stampLate notes how those files lie here that had not rested or that Commit has renamed.
func (s *Store) stampLate() {
	l := s.ledger
	if len(l.late) == 0 {
		return
	}
	time.Sleep(resting + tree.Granule)
	at := time.Now().UnixNano()
	for _, id := range l.late {
		c := s.entries[id]
		e, err := s.dirs.Lstat(c.spec.Role, c.spec.Path)
		if err != nil || e.Size != c.spec.Size || !e.Rested(at, resting) {
			continue // it will be hashed
		}
		l.ours[id], _ = e.Stamp(&l.host, l.devs[e.ID.Dev])
	}
}

// writeManifest is the last thing of a commit, when all is durable. That it fails costs the next transfer time and
// nothing else.
func (s *Store) writeManifest() {
	l := s.ledger
	if l == nil || !slices.ContainsFunc(l.theirs, func(st tree.Stamp) bool { return st != tree.Stamp{} }) {
		return
	}
	s.stampLate()
	order := func(a, b uint32) int {
		x, y := &s.entries[a].spec, &s.entries[b].spec
		return cmp.Or(cmp.Compare(x.Role, y.Role), strings.Compare(x.Path, y.Path))
	}
	rows, ordered := make([]uint32, 0, len(l.theirs)), true
	for id, e := range s.entries {
		if e.live && !e.spec.Dir && id < len(l.theirs) && l.theirs[id] != (tree.Stamp{}) && l.ours[id] != (tree.Stamp{}) {
			n := len(rows)
			rows = append(rows, uint32(id))
			ordered = ordered && (n == 0 || order(rows[n-1], rows[n]) < 0)
		}
	}
	if !ordered { // as only what came late is not
		slices.SortFunc(rows, order)
	}
	if err := s.putManifest(rows); err != nil {
		s.manifestNote = fmt.Sprintf("no manifest is written, so the next transfer will hash everything: %v", err)
		_ = s.dirs.Remove(tree.RoleData, tree.ManifestPart) // hidden, and removed by the next transfer at the latest
		return
	}
	s.manifestNote = fmt.Sprintf("%s lists %d files for the next transfer", s.abs(tree.RoleData, tree.ManifestName), len(rows))
}

func (s *Store) putManifest(rows []uint32) error {
	const r, part = tree.RoleData, tree.ManifestPart
	if err := s.pass(opCreate, r, part); err != nil {
		return err
	}
	f, err := s.dirs.OpenFile(r, part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = s.pass(opWrite, r, part)
	if err == nil {
		err = s.fillManifest(f, rows)
	}
	if err == nil {
		err = s.giveToOwner(f)
	}
	if err == nil {
		err = s.pass(opSync, r, part)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := s.pass(opRename, r, tree.ManifestName); err != nil {
		return err
	}
	if err := s.dirs.Rename(r, part, tree.ManifestName); err != nil {
		return err
	}
	if err := s.pass(opSyncDir, r, "."); err != nil {
		return err
	}
	return s.dirs.SyncDir(r, ".")
}

func (s *Store) fillManifest(f *os.File, rows []uint32) error {
	l := s.ledger
	h := manifest.Header{Rows: uint32(len(rows)), Host: l.host, Node: oneLine(s.cfg.DonorID)}
	if id, err := hex.DecodeString(s.cfg.TransferID); err == nil {
		copy(h.Transfer[:], id)
	}
	var definitions tree.Definitions
	for _, id := range rows {
		e := s.entries[id]
		definitions.Add(e.class, e.spec.Role, e.spec.Path, l.theirs[id])
	}
	h.Definitions, _ = definitions.Sum()
	w, err := manifest.NewWriter(f, h)
	if err != nil {
		return err
	}
	var path []byte
	for _, id := range rows {
		spec := &s.entries[id].spec
		path = append(path[:0], spec.Path...)
		if err := w.Add(manifest.Row{Role: spec.Role, Path: path, Theirs: l.theirs[id], Ours: l.ours[id]}); err != nil {
			return err
		}
	}
	return w.Close()
}

// giveToOwner lets a file that root makes belong to whom the datadir belongs.
func (s *Store) giveToOwner(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	dir, err := s.dirs.OpenDir(tree.RoleData, ".")
	if err != nil {
		return err
	}
	defer dir.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return err
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}

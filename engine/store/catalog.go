package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"trireme/engine/tree"
)

// Limits of a catalog, checked before anything is stored (H26).
const (
	// MaxSize is the longest file: 1 PiB, far above every file system that a
	// database runs on and far below overflow.
	MaxSize = 1 << 50
	// MaxEntries is the most that a catalog may have, and what Config.MaxEntries means
	// when it is 0. It bounds numbers, not memory: see there.
	MaxEntries = 16 << 20
)

// Spec is one entry of the donor's catalog. It is hostile input.
type Spec struct {
	// Path is a slash path relative to the role's directory.
	Path string
	// Size is the length in bytes; a directory has none.
	Size int64
	// ID numbers entries from 0 without gaps. It belongs to its role and path for the
	// whole transfer, also after Remove: blocks that are late must not meet another file.
	ID uint32
	// Mode is masked to permission bits. A directory always gets the owner's three.
	Mode uint32
	Role tree.Role
	Dir  bool
	// Sparse says that the donor's file has holes: zero runs become holes here too.
	Sparse bool
}

// entry is one catalog entry and what this node knows of its file. There may be
// millions: the order of the fields leaves no gaps, and what only open files have lies in their slots.
type entry struct {
	// mu guards all fields up to used. Catalog calls, which are the only ones to change
	// spec, class, name and live, may read these four without it.
	mu     sync.Mutex
	spec   Spec
	name   string // path on disk: spec.Path, for keystones with the part suffix
	size   int64  // length on disk
	mode   uint32 // permission bits on disk
	was    int32  // its index in the scan of Prepare, nowhere without
	class  tree.Class
	live   bool  // in the catalog
	onDisk bool  // the file or directory exists
	holes  bool  // must be allocated but may not be
	bare   bool  // was made longer without blocks where the donor has some
	dirty  bool  // changed by us and not fsynced
	fitted bool  // it has the mode that it was made with, which nobody has looked at
	used   spans // units that may hold something else than zeroes

	slot *slot // of an open file; belongs to files
}

// place is where a file lies on this node. For a live entry it does not change.
type place struct {
	role tree.Role
	name string
}

// place says where the file of e lies. The caller holds e.mu.
func (e *entry) place() place { return place{e.spec.Role, e.name} }

func (e *entry) keystone() bool { return !e.spec.Dir && e.class.Props().Keystone }

// Upsert takes a new or changed entry into the catalog and returns how many bytes of
// its own copy are there to be compared; 0 means none. A file that is longer than
// Size is cut, a file that is missing is made at its first Apply or by EndPass, and
// what lies under the path but is of another kind is replaced. The parent directory
// must have been taken in before. Errors about the entry itself change nothing and
// are not final.
func (s *Store) Upsert(spec Spec) (have int64, err error) {
	s.calls.Lock()
	defer s.calls.Unlock()
	if err := s.need("upsert", statePrepared, stateSealed); err != nil {
		return 0, err
	}
	spec.Mode &= 0o777
	if spec.Dir {
		spec.Mode |= 0o700 // a directory that its owner cannot enter is of no use to a server
		spec.Size, spec.Sparse = 0, false
	}
	class, err := s.check(spec)
	if err != nil {
		return 0, fmt.Errorf("catalog entry %d: %w", spec.ID, err)
	}
	s.state = statePrepared
	e := s.entry(spec.ID)
	if e != nil && e.live && e.spec.Dir != spec.Dir {
		if err := s.drop(e); err != nil {
			return 0, err
		}
	}
	if e == nil || !e.live {
		if e, err = s.claim(spec, class); err != nil {
			return 0, err
		}
	}
	e.mu.Lock()
	spec.Path = e.spec.Path // the same text, kept once: see basis.path
	e.spec = spec
	e.mu.Unlock()
	if spec.Dir {
		return 0, s.settleDir(e)
	}
	if err := s.cut(e); err != nil {
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.onDisk {
		return 0, nil
	}
	return min(e.size, spec.Size), nil
}

// check judges an entry against everything that is known here (R-META-2).
func (s *Store) check(spec Spec) (tree.Class, error) {
	if spec.Size < 0 || spec.Size > MaxSize {
		return 0, fmt.Errorf("%q has %d bytes, at most %d are allowed", spec.Path, spec.Size, int64(MaxSize))
	}
	class, ok := s.basis.class(spec)
	if !ok {
		var err error
		if class, err = s.judge(spec); err != nil {
			return 0, err
		}
	}
	if id, ok := s.known(spec); ok && id != spec.ID {
		return 0, fmt.Errorf("%q (%s) is entry %d already", spec.Path, spec.Role, id)
	}
	switch e := s.entry(spec.ID); {
	case e == nil && int64(spec.ID) != int64(len(s.entries)):
		return 0, fmt.Errorf("%q is numbered %d where %d comes next", spec.Path, spec.ID, len(s.entries))
	case e == nil && len(s.entries) >= s.cfg.MaxEntries:
		return 0, fmt.Errorf("%q would be entry %d of the catalog, at most %d are allowed", spec.Path, len(s.entries)+1, s.cfg.MaxEntries)
	case e != nil && (e.spec.Path != spec.Path || e.spec.Role != spec.Role):
		return 0, fmt.Errorf("the number was that of %q (%s) and is now used for %q (%s)", e.spec.Path, e.spec.Role, spec.Path, spec.Role)
	}
	if !s.hasParent(spec.Role, spec.Path) {
		return 0, fmt.Errorf("%q came before its directory", spec.Path)
	}
	return class, nil
}

// judge judges an entry by its role, path and kind alone.
func (s *Store) judge(spec Spec) (tree.Class, error) {
	if err := tree.ValidPath(spec.Path); err != nil {
		return 0, err
	}
	if !spec.Role.Valid() {
		return 0, fmt.Errorf("%q has undefined role %d", spec.Path, spec.Role)
	}
	if !s.used[spec.Role] {
		return 0, fmt.Errorf("%q belongs to role %s, for which this node has no directory; set %s here as on the donor",
			spec.Path, spec.Role, spec.Role.Option())
	}
	home, class := s.classes.Classify(spec.Role, spec.Path, spec.Dir)
	switch {
	case class == tree.Kept:
		return 0, fmt.Errorf("the donor sends %s, which this node is configured to keep; remove the keep pattern", s.abs(spec.Role, spec.Path))
	case class == tree.Private && spec.Role == tree.RoleData && strings.Contains(spec.Path, "/"):
		return 0, fmt.Errorf("the donor sends %s, which by its name is a log, a key or the provider's file of this node and may not be written; remove it at the donor, or give this node's own another name", s.abs(spec.Role, spec.Path))
	case class.Props().Send == tree.Never || strings.HasSuffix(spec.Path, tree.PartSuffix):
		return 0, fmt.Errorf("%q (%s) is a %s here and may not be written", spec.Path, spec.Role, class)
	case home != spec.Role:
		return 0, fmt.Errorf("%q was sent as role %s but belongs to role %s here", spec.Path, spec.Role, home)
	}
	return class, nil
}

// known returns the id of the live entry with the path of spec. What comes after all others in order, as nearly all of a catalog does, is
// not looked for.
func (s *Store) known(spec Spec) (id uint32, ok bool) {
	if s.last.path == "" || cmp.Or(cmp.Compare(s.last.role, spec.Role), strings.Compare(s.last.path, spec.Path)) < 0 {
		return 0, false
	}
	return s.find(spec.Role, spec.Path)
}

// find returns the id of the live entry of a path. What was claimed from the basis is found where it lay, and all else by the index.
func (s *Store) find(r tree.Role, path string) (id uint32, ok bool) {
	if id, ok = s.index.get(r, path); ok {
		return id, true
	}
	for at := range s.basis.all(key{r, path}) {
		if e := s.claimant(at); e != nil {
			return e.spec.ID, true
		}
	}
	return 0, false
}

// hasParent reports whether the directory of p is in the catalog. Files of one
// directory come one after another, so that the last answer is mostly this one. The caller holds s.calls.
func (s *Store) hasParent(r tree.Role, p string) bool {
	at := strings.LastIndexByte(p, '/')
	if at < 0 {
		return true
	}
	if e := s.parent; e != nil && e.live && e.spec.Dir && s.parentOf == r && e.spec.Path == p[:at] {
		return true
	}
	s.parent, s.parentOf = s.lookup(r, p[:at], true), r
	return s.parent != nil
}

// entry returns the entry numbered id, nil when there is none yet.
func (s *Store) entry(id uint32) *entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if int64(id) >= int64(len(s.entries)) {
		return nil
	}
	return s.entries[id]
}

// file returns the live file numbered id.
func (s *Store) file(what string, id uint32) (*entry, error) {
	if err := s.failed(); err != nil {
		return nil, err
	}
	e := s.entry(id)
	if e == nil {
		return nil, fmt.Errorf("%s: no entry %d in the catalog", what, id)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.live || e.spec.Dir {
		return nil, fmt.Errorf("%s: entry %d is no file", what, id)
	}
	return e, nil
}

// lookup finds the live entry of a path. Roles that share a directory are asked too:
// a directory above a system tablespace is listed under two of them.
func (s *Store) lookup(r tree.Role, p string, dir bool) *entry {
	find := func(q tree.Role) *entry {
		if id, ok := s.find(q, p); ok {
			if e := s.entry(id); e.spec.Dir == dir {
				return e
			}
		}
		return nil
	}
	if e := find(r); e != nil {
		return e
	}
	for _, q := range tree.Roles {
		if q != r && s.canon[q] == s.canon[r] {
			if e := find(q); e != nil {
				return e
			}
		}
	}
	return nil
}

// claim makes the entry of spec, over the basis where that has the path.
func (s *Store) claim(spec Spec, class tree.Class) (*entry, error) {
	k := key{spec.Role, spec.Path}
	b, at, found := s.basis.get(k)
	if found && b.dir != spec.Dir {
		if err := s.clear(k, b, at); err != nil {
			return nil, err
		}
		b, at, found = basisFile{}, nowhere, false
	}
	spec.Path = s.basis.path(at, spec.Path)
	e := s.entry(spec.ID)
	if e == nil {
		e = s.newEntry()
	}
	e.mu.Lock()
	e.spec, e.class, e.name, e.live = spec, class, spec.Path, true
	if e.keystone() {
		e.name += tree.PartSuffix
	}
	e.onDisk, e.size, e.mode, e.dirty, e.holes, e.bare, e.fitted = found, b.size, b.mode, false, false, false, false
	if found && !spec.Dir {
		e.used.mark(0, b.size)
		e.holes = class.Props().Allocate && b.allocated < b.size
	}
	e.mu.Unlock()
	e.was = int32(at)
	if found {
		s.basis.drop(k, at, spec.ID)
	}
	s.mu.Lock()
	if int(spec.ID) == len(s.entries) {
		s.entries = append(s.entries, e)
	}
	s.mu.Unlock()
	if at == nowhere {
		s.index.put(spec.ID)
	}
	if cmp.Or(cmp.Compare(s.last.role, spec.Role), strings.Compare(s.last.path, spec.Path)) < 0 {
		s.last = k
	}
	return e, nil
}

// entrySlab is how many entries are made at a time: alone each would take the next larger of the allocator's sizes.
const entrySlab = 64

func (s *Store) newEntry() *entry {
	if len(s.spare) == 0 {
		s.spare = make([]entry, entrySlab)
	}
	e := &s.spare[0]
	s.spare = s.spare[1:]
	return e
}

// clear removes a basis file or directory of the wrong kind, unless it is one that this
// node keeps (R-JOIN-2): a name may be private as a file and a table's as a directory, or
// the other way round. A directory goes with its content, with the same reservation.
func (s *Store) clear(k key, b basisFile, at int) error {
	if b.class.Props().Joiner == tree.Keep {
		return fmt.Errorf("replace %s (%s) by %s of the donor: this node keeps it; move it away", s.abs(k.role, k.path), b.class, kind(!b.dir))
	}
	if !b.dir {
		name := k.path
		if b.class.Props().Keystone {
			name += tree.PartSuffix
		}
		s.basis.drop(k, at, taken)
		return s.remove(k.role, name)
	}
	err := s.basis.inside(k, func(o key, f basisFile, _ int) error {
		if f.class.Props().Joiner == tree.Keep {
			return fmt.Errorf("replace directory %s by the donor's file: this node keeps %s; move it away", s.abs(k.role, k.path), s.abs(o.role, o.path))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, e := range s.entries {
		if e.live && e.spec.Role == k.role && strings.HasPrefix(e.spec.Path, k.path+"/") {
			return fmt.Errorf("replace directory %s by the donor's file: entry %d, %q, still lies in it", s.abs(k.role, k.path), e.spec.ID, e.spec.Path)
		}
	}
	_ = s.basis.inside(k, func(o key, _ basisFile, at int) error {
		s.basis.drop(o, at, taken)
		return nil
	})
	s.basis.drop(k, at, taken)
	return s.removeAll(k.role, k.path)
}

// settleDir makes a directory exist with its mode.
func (s *Store) settleDir(e *entry) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, name, mode := e.spec.Role, e.name, e.spec.Mode
	if !e.onDisk {
		err := s.mkdir(r, name, mode)
		if errors.Is(err, fs.ErrExist) {
			err = s.occupied(r, name, mode)
		}
		if err != nil {
			return err
		}
		e.onDisk, e.mode, e.dirty = true, mode, true
	}
	if e.mode != mode {
		if err := s.chmod(r, name, mode); err != nil {
			return err
		}
		e.mode, e.dirty = mode, true
	}
	return nil
}

// occupied makes a directory of mode where something is already. A directory is a second
// role's entry for the same one. A link, socket or device goes. A file does not: the scan
// did not find it as one that the donor may replace, so it is this node's, or somebody
// made it since.
func (s *Store) occupied(r tree.Role, name string, mode uint32) error {
	e, err := s.dirs.Lstat(r, name)
	switch {
	case errors.Is(err, fs.ErrNotExist): // gone in the meantime
	case err != nil:
		return s.ioError("stat", r, name, err)
	case e.Dir:
		return s.chmod(r, name, mode)
	case !e.Irregular:
		return s.fail(fmt.Errorf("make directory %s for the donor's: a file is in the way that this node keeps or that appeared during the transfer; move it away", s.abs(r, name)))
	default:
		if err := s.remove(r, name); err != nil {
			return err
		}
	}
	if err := s.mkdir(r, name, mode); err != nil {
		return s.ioError(opMkdir, r, name, err)
	}
	return nil
}

// cut shortens a file that is longer than its entry says, at once: bytes beyond the
// end must not be compared, and the space may be needed.
func (s *Store) cut(e *entry) error {
	e.mu.Lock()
	longer := e.onDisk && e.size > e.spec.Size
	e.mu.Unlock()
	if !longer {
		return nil
	}
	f, err := s.files.acquire(e)
	if err != nil {
		return err
	}
	defer s.files.release(e)
	e.mu.Lock()
	defer e.mu.Unlock()
	return s.resize(e, f)
}

// Remove takes an entry out of the catalog because the donor's file vanished. A file
// is unlinked at once; a directory goes in Seal, when what lay in it is gone too.
func (s *Store) Remove(id uint32) error {
	s.calls.Lock()
	defer s.calls.Unlock()
	if err := s.need("remove", statePrepared, stateSealed); err != nil {
		return err
	}
	e := s.entry(id)
	if e == nil {
		return fmt.Errorf("remove: no entry %d in the catalog", id)
	}
	s.state = statePrepared
	return s.drop(e)
}

// drop ends the life of e. It is no error when that happened before.
func (s *Store) drop(e *entry) error {
	if !e.live {
		return nil
	}
	k := key{e.spec.Role, e.spec.Path}
	s.index.drop(e.spec.ID)
	s.files.forget(e)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live = false
	s.notes.cut(e.spec.ID, 0)
	if !e.onDisk {
		return nil
	}
	e.onDisk, e.used = false, nil
	if e.spec.Dir {
		s.basis.put(k, basisFile{mode: e.mode, dir: true, class: e.class})
		return nil
	}
	return s.remove(e.spec.Role, e.name)
}

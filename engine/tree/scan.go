package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxDepth bounds the descent below a datadir; servers need two levels.
const maxDepth = 32

// checkEvery is the number of files between two looks at the context: some milliseconds on a cold disk.
const checkEvery = 256

// scanner is the state of one Scan. It is used by one goroutine.
type scanner struct {
	ctx   context.Context
	d     *Dirs
	rules *rules
	tree  *Tree
	notes notes
	steps int
	links map[string]bool
	index []string                // binary logs in the order of the index on disk
	ahead [maxDepth + 1][]statted // memory for visitAll, by depth
	found [RoleBinlog + 1][]Entry // by role, in the order in which they were met
	names arena

	then  *Tree                  // what an earlier look found; nil: this is the first
	paths [maxDepth + 1][]string // memory for walk and revisit, by depth
	was   [maxDepth + 1][]int    // the same

	each  func(t *Tree, e *Entry, was int) error // Walk's; nil: everything goes into found
	ended error                                  // what it returned
	one   Entry                                  // what it gets: that of a caller would be garbage each time
}

// Scan lists everything in the directories of the layout. Files that vanish while it walks are left out silently, since
// a running server drops and renames tables at any time; a directory that cannot be read is an error that names it. The
// list holds private and foreign files too: a donor sends only entries for which Sent is true. Directories whose class
// is neither Database, Directory nor RedoDir are listed but not entered.
//
// What cannot be transferred is returned in Tree.Refusals, not as an error, so that a caller can show all of it at once.
func (d *Dirs) Scan(ctx context.Context) (*Tree, error) {
	s := &scanner{ctx: ctx, d: d}
	return s.scan()
}

func (s *scanner) scan() (*Tree, error) {
	if err := s.all(); err != nil {
		return nil, err
	}
	t := s.tree
	t.Entries = s.inOrder()
	s.chooseBinlogs(t.Entries)
	s.d.Expect(len(t.Entries))
	slices.SortFunc(t.Refusals, func(a, b Refusal) int { return strings.Compare(a.Path, b.Path) })
	t.Warnings = s.notes.lines()
	return t, nil
}

// Expect tells how many entries there are, as far as anybody knows, for the next Scan to take memory for so many and a few more at once.
func (d *Dirs) Expect(n int) { d.expect.Store(int64(n) + int64(n/64)) }

// Walk is Scan for who needs no list: it calls f for each entry, in no particular order and possibly twice for one that
// is made while the walk is under way. t tells when the walk began, and of the file systems met so far. f may change the entry, must not keep it, and calls no method of d that Close waits
// for. Its error ends the walk.
func (d *Dirs) Walk(ctx context.Context, f func(t *Tree, e *Entry) error) error {
	s := &scanner{ctx: ctx, d: d, each: func(t *Tree, e *Entry, _ int) error { return f(t, e) }}
	return s.walkAll()
}

func (s *scanner) walkAll() error {
	if err := s.all(); err != nil {
		return err
	}
	rest := s.inOrder()
	s.chooseBinlogs(rest)
	for i := range rest {
		if err := s.each(s.tree, &rest[i], -1); err != nil {
			return err
		}
	}
	return nil
}

// all visits everything.
func (s *scanner) all() error {
	d := s.d
	d.life.RLock()
	defer d.life.RUnlock()
	if _, err := d.base("scan", RoleData); err != nil {
		return err
	}
	rules := *d.rules
	rules.alone = true
	s.rules, s.links = &rules, map[string]bool{}
	clock, err := clockOffset()
	if err != nil {
		return fmt.Errorf("the clocks cannot be read: %w", err)
	}
	s.tree = &Tree{At: time.Now().UnixNano(), clock: clock, FS: map[Role]FSInfo{}, Devs: map[uint64]FSInfo{}}
	if s.each == nil {
		s.found[RoleData] = make([]Entry, 0, d.expect.Load())
	}
	s.checkLayout()
	for _, r := range Roles {
		if d.roots[r].fd < 0 || rules.home[r] != r {
			continue
		}
		if err := s.root(r); err != nil {
			return err
		}
		if s.ended != nil {
			return s.ended
		}
	}
	d.keepLinks(s.links)
	return nil
}

// inOrder returns what was found, sorted. Names are walked in order, so that seldom anything but the roles is out of place.
func (s *scanner) inOrder() []Entry {
	all := s.found[RoleData]
	for _, r := range Roles {
		if r != RoleData {
			all = append(all, s.found[r]...)
		}
	}
	if strictlyOrdered(all) {
		return all
	}
	slices.SortFunc(all, byKey)
	// A directory that changes while it is read may show a name twice.
	return slices.CompactFunc(all, func(a, b Entry) bool { return compareEntries(&a, &b) == 0 })
}

// strictlyOrdered says that neither sorting nor leaving out what is there twice would change anything.
func strictlyOrdered(all []Entry) bool {
	for i := 1; i < len(all); i++ {
		if !all[i-1].Before(&all[i]) {
			return false
		}
	}
	return true
}

func byKey(a, b Entry) int { return compareEntries(&a, &b) }

// arena makes strings that live as long as each other, many in one piece of memory.
type arena struct{ b strings.Builder }

// arenaSize is large enough that the rest which does not hold another path is little.
const arenaSize = 64 << 10

// join returns a+b, and does not keep b.
func (m *arena) join(a string, b []byte) string {
	if m.b.Cap()-m.b.Len() < len(a)+len(b) {
		m.b = strings.Builder{}
		m.b.Grow(max(arenaSize, len(a)+len(b)))
	}
	at := m.b.Len()
	m.b.WriteString(a)
	m.b.Write(b)
	return m.b.String()[at:]
}

// root walks the directory of r, which is the smallest role there.
func (s *scanner) root(r Role) error {
	fd, err := s.d.openDir(r, ".")
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	info, err := s.device(fd, s.d.roots[r].id.dev)
	if err != nil {
		return s.d.fail("statfs", r, "", err)
	}
	for _, o := range Roles {
		if s.rules.shares(r, o) {
			s.tree.FS[o] = info
		}
	}
	if s.rules.shares(r, RoleBinlog) {
		if err := s.readIndex(fd); err != nil {
			return err
		}
	}
	if err := s.walk(fd, r, "", 0); err != nil {
		return err
	}
	if r == RoleData && s.rules.shares(r, RoleInnoDBHome) {
		return s.systemBelow()
	}
	return nil
}

// walk visits everything in the open directory fd, whose path is prefix without its last slash.
func (s *scanner) walk(fd int, r Role, prefix string, depth int) error {
	if depth > maxDepth {
		return s.d.fail("scan", r, prefix, fmt.Errorf("directories are nested more than %d deep", maxDepth))
	}
	paths, err := readNames(fd, prefix, &s.names, s.paths[depth][:0])
	s.paths[depth] = paths
	if err != nil && (prefix == "" || err != unix.ENOENT) { // a database that was dropped meanwhile is not an error
		return s.d.fail("read directory", r, prefix, err)
	}
	slices.Sort(paths)
	for len(paths) > 0 {
		part := paths[:min(statBlock, len(paths))]
		paths = paths[len(part):]
		if err := s.visitAll(fd, r, prefix, depth, part, nil); err != nil {
			return err
		}
	}
	return nil
}

// below walks the open directory that is listed as e.
func (s *scanner) below(fd int, r Role, e *Entry, depth int) error {
	if first, end, ok := s.believed(r, e); ok && depth <= maxDepth {
		return s.revisit(fd, r, e.Path+"/", depth, first, end)
	}
	return s.walk(fd, r, e.Path+"/", depth)
}

// visitAll looks at names of the directory fd, at most statBlock, given as paths that begin with prefix. was are their indices in
// then, nil when they are not known from there.
func (s *scanner) visitAll(fd int, r Role, prefix string, depth int, paths []string, was []int) error {
	var ahead []statted
	if r == RoleData {
		if ahead = statAll(s.ahead[depth], fd, paths, len(prefix)); ahead != nil {
			s.ahead[depth] = ahead
		}
	}
	var one statted
	for i, rel := range paths {
		if s.steps++; s.steps%checkEvery == 0 && s.ctx.Err() != nil {
			return context.Cause(s.ctx)
		}
		if s.ended != nil {
			return s.ended
		}
		name := rel[len(prefix):]
		var st *statted
		switch {
		case ahead != nil:
			st = &ahead[i]
		case was != nil:
			st = &one
			st.err = st.st.at(fd, name)
		}
		if was != nil && st.err == nil && s.unchanged(was[i], &st.st) {
			continue
		}
		if err := s.visit(fd, r, rel, name, depth, st); err != nil {
			return err
		}
	}
	return nil
}

// classify adds to rules.classify that an unfinished keystone stands for the finished one. rel is a valid path.
func (s *scanner) classify(r Role, rel string, isDir bool) (home Role, class Class, real string, part bool) {
	if real, ok := strings.CutSuffix(rel, PartSuffix); ok && !isDir {
		if home, class := s.rules.classify(r, real, false); class.Props().Keystone {
			return home, class, real, true
		}
	}
	home, class = s.rules.classifyValid(r, rel, isDir)
	return home, class, rel, false
}

// visit looks at a name of the directory, which makes the path rel. known is what it is, nil when nobody has asked yet.
func (s *scanner) visit(dir int, r Role, rel, name string, depth int, known *statted) error {
	if ValidPath(rel) != nil {
		s.notes.add("names that cannot be sent", strconv.Quote(s.d.Path(r, rel)))
		return nil
	}
	if r != RoleData {
		// Nothing but the role's own files matters here, and asking for the others may be forbidden.
		if _, class, _, _ := s.classify(r, rel, false); class == Foreign {
			if _, class, _, _ = s.classify(r, rel, true); class == Foreign {
				s.misplaced(r, rel)
				return nil
			}
		}
	}
	if known == nil {
		known = new(statted)
		known.err = known.st.at(dir, name)
	}
	if known.err != nil {
		return s.vanished("stat", r, rel, known.err)
	}
	st := &known.st
	if st.isLink() && depth == 0 {
		return s.link(dir, r, name, st)
	}
	home, class, real, part := s.classify(r, rel, st.isDir())
	if st.isDir() && s.isRoot(st.dirID()) {
		class = RootDir // mounted here and there
	}
	if !st.isDir() && !st.isFile() {
		s.special(home, rel, class, st, part)
		return nil
	}
	if r != RoleData && class == Foreign {
		return nil
	}
	e := st.entry()
	e.Role, e.Path, e.Class, e.Part = home, real, class, part
	s.add(&e, st)
	if !e.Dir || !descend(class) {
		return nil
	}
	sub, err := openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err == unix.ENOTDIR || err == unix.ELOOP {
		return nil // replaced since: the same as vanished
	}
	if err != nil {
		return s.vanished("open", r, rel, err)
	}
	defer unix.Close(sub)
	if _, err := s.device(sub, st.dev()); err != nil {
		return s.d.fail("statfs", r, rel, err)
	}
	return s.below(sub, r, &e, depth+1)
}

func descend(class Class) bool { return class == Database || class == Directory || class == RedoDir }

// link follows a symbolic link at the top of the datadir when it leads to a directory and would be a database.
func (s *scanner) link(dir int, r Role, name string, st *stat) error {
	var target unix.Stat_t
	err := retry(func() error { return unix.Fstatat(dir, name, &target, 0) })
	home, class, _, part := s.classify(r, name, err == nil && target.Mode&unix.S_IFMT == unix.S_IFDIR)
	if err != nil {
		if _, asDir, _, _ := s.classify(r, name, true); asDir == Database && class == Foreign {
			s.notes.add("symbolic links that lead nowhere, not copied", s.d.Path(r, name))
			return nil
		}
	}
	if class == Marker {
		// No directory of ours, which would stand here itself, but a file that somebody has put elsewhere, or meant to.
		home, class, _, part = s.classify(r, name, false)
	}
	if class != Database {
		s.special(home, name, class, st, part)
		return nil
	}
	fd, err := openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return s.vanished("open", r, name, err)
	}
	defer unix.Close(fd)
	var real stat
	if err := real.at(fd, ""); err != nil {
		return s.d.fail("stat", r, name, err)
	}
	e := real.entry()
	e.Role, e.Path, e.Class = home, name, class
	if s.isRoot(real.dirID()) {
		// Another way to a directory that is walked in its own right, or to the datadir itself.
		e.Class = RootDir
		s.add(&e, &real)
		return nil
	}
	held, err := openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return s.d.fail("open", r, name, err)
	}
	s.d.setLink(name, held, real.dirID())
	s.links[name] = true
	s.add(&e, &real)
	if _, err := s.device(fd, real.dev()); err != nil {
		return s.d.fail("statfs", r, name, err)
	}
	return s.below(fd, r, &e, 1)
}

// systemBelow lists the directories in the names of system tablespace files under the role of these files. In the
// datadir the walk has met them as databases; a joiner whose InnoDB home lies elsewhere needs them there.
func (s *scanner) systemBelow() error {
	for dir := range s.rules.systemDirs {
		e, err := s.d.Lstat(RoleInnoDBHome, dir)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return err
		}
		if e.Class = Directory; e.Dir {
			s.list(&e, -1)
		}
	}
	return nil
}

func (s *scanner) add(e *Entry, st *stat) {
	if !e.Dir {
		e.Suspect = e.Class.Props().Suspect || e.Size < SmallFile || st.direct() ||
			!s.tree.Devs[e.ID.Dev].Trusted || e.Role == RoleData && strings.HasPrefix(e.Path, "mysql/")
	}
	s.judge(e, st)
	s.list(e, -1)
}

// firstEntries is for how many entries memory is taken at first.
const firstEntries = 256

// list takes note of an entry, which is that numbered was of then if that is not negative. Which binary logs count is known only
// when all have been seen.
func (s *scanner) list(e *Entry, was int) {
	if s.each == nil || e.Class == Binlog {
		list := s.found[e.Role]
		if len(list) == cap(list) {
			list = slices.Grow(list, max(firstEntries, len(list))) // append's own steps leave five times as much garbage
		}
		s.found[e.Role] = append(list, *e)
	} else if s.ended == nil {
		s.one = *e
		s.ended = s.each(s.tree, &s.one, was)
	}
}

// device notes the file system of a directory when its device is new.
func (s *scanner) device(fd int, dev uint64) (FSInfo, error) {
	if info, ok := s.tree.Devs[dev]; ok {
		return info, nil
	}
	info, err := fsInfo(fd, dev)
	if err == nil {
		s.tree.Devs[dev] = info
	}
	return info, err
}

func (s *scanner) isRoot(id dirID) bool {
	for _, r := range s.d.roots {
		if r.fd >= 0 && r.id == id {
			return true
		}
	}
	return false
}

// vanished lets a file disappear (R-COPY-6) and reports everything else.
func (s *scanner) vanished(op string, r Role, rel string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return s.d.fail(op, r, rel, err)
}

// owner warns when files made here would not belong to the server.
func (s *scanner) owner() {
	var st unix.Stat_t
	if fstat(s.d.roots[RoleData].fd, &st) == nil && int(st.Uid) != os.Geteuid() {
		s.notes.add(fmt.Sprintf("datadir belongs to user %d, this program runs as user %d, the server may not be able to "+
			"open what is written here", st.Uid, os.Geteuid()), s.d.Path(RoleData, ""))
	}
}

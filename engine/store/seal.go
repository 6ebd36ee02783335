package store

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"trireme/engine/tree"
)

// cancelStep is how many entries are handled between two looks at the context.
const cancelStep = 64

// EndPass makes every entry of the catalog exist with its size and mode, also those
// that got no data in this pass.
func (s *Store) EndPass(ctx context.Context) error {
	s.calls.Lock()
	defer s.calls.Unlock()
	if err := s.need("end pass", statePrepared, stateSealed); err != nil {
		return err
	}
	return s.settle(ctx)
}

func (s *Store) settle(ctx context.Context) error {
	for i, e := range s.entries {
		if i%cancelStep == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !e.live {
			continue
		}
		var err error
		if e.spec.Dir {
			err = s.settleDir(e)
		} else {
			err = s.settleFile(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// settleFile costs no system call for a file that is as it should be.
func (s *Store) settleFile(e *entry) error {
	e.mu.Lock()
	right, moded := e.onDisk && e.size == e.spec.Size && !e.holes, e.mode == e.spec.Mode
	e.mu.Unlock()
	if right && moded {
		return nil
	}
	if !right {
		f, err := s.files.acquire(e)
		if err != nil {
			return s.because(err)
		}
		defer s.files.release(e)
		e.mu.Lock()
		err = s.resize(e, f)
		if err == nil && e.holes {
			err = s.fill(e, f)
		}
		e.mu.Unlock()
		if err != nil {
			return err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mode != e.spec.Mode {
		if err := s.chmod(e.spec.Role, e.name, e.spec.Mode); err != nil {
			return err
		}
		e.mode = e.spec.Mode
		e.dirty = true
	}
	return nil
}

// Summary describes a sealed tree.
type Summary struct {
	// Entries is Files plus Dirs, the size of the catalog; Bytes the sum of file sizes.
	Entries, Files, Dirs int
	Bytes                int64
	// Removed counts what this node had and the donor has not. Kept counts files and
	// directories of this node that were left alone.
	Removed, Kept int
	// Written is how many bytes of data reached files so far, zeroes not counted.
	Written int64
}

// Seal makes the tree equal to the catalog (consistency 3.2): what lies on disk and
// not in the catalog is deleted unless it belongs to this node, and a second scan must
// find exactly the catalog. Entries may change again afterwards; then Seal must be
// called again before Commit.
func (s *Store) Seal(ctx context.Context) (Summary, error) {
	s.calls.Lock()
	defer s.calls.Unlock()
	if err := s.need("seal", statePrepared, stateSealed); err != nil {
		return Summary{}, err
	}
	if err := s.checkParents(); err != nil {
		return Summary{}, err
	}
	if err := s.settle(ctx); err != nil {
		return Summary{}, err
	}
	v, err := s.survey(ctx)
	if err != nil {
		return Summary{}, err
	}
	var sum Summary
	if err := s.removeExtra(ctx, v, &sum); err != nil {
		return Summary{}, err
	}
	if sum.Removed > 0 {
		if v, err = s.survey(ctx); err != nil {
			return Summary{}, err
		}
	}
	if err := s.compare(v, &sum); err != nil {
		return Summary{}, err
	}
	sum.Entries, sum.Written = sum.Files+sum.Dirs, s.written.Load()
	s.basis.forget()
	s.state = stateSealed
	return sum, nil
}

// checkParents finds files whose directory the donor removed.
func (s *Store) checkParents() error {
	for _, e := range s.entries {
		if e.live && !s.hasParent(e.spec.Role, e.spec.Path) {
			return fmt.Errorf("catalog entry %d, %q (%s), lies in a directory that the donor removed", e.spec.ID, e.spec.Path, e.spec.Role)
		}
	}
	return nil
}

// survey is what lies on disk against the catalog. What is as it should be takes one bit of it.
type survey struct {
	seen  []bool       // by id: it is there under its name
	wrong error        // the first one that is there and not as it should be
	extra []tree.Entry // what the catalog has not
}

// survey looks at the whole tree. The mode of a file that was made by its mode alone is put right: a default ACL of
// the directory may have taken some of it.
func (s *Store) survey(ctx context.Context) (*survey, error) {
	v := &survey{seen: make([]bool, len(s.entries))}
	var unfit []*entry
	s.sealLedger()
	err := s.dirs.WalkAgain(ctx, s.basis.scan, func(t *tree.Tree, e *tree.Entry, was int) error {
		c := s.claimant(was)
		same := c != nil
		if !same {
			c = s.lookup(e.Role, e.Path, e.Dir)
		}
		if c == nil || c.keystone() != e.Part {
			x := *e
			x.Path = strings.Clone(x.Path) // not with all the others' beside it
			v.extra = append(v.extra, x)
			return nil
		}
		v.seen[c.spec.ID] = true
		if c.unfit(e) {
			e.Mode, unfit = c.spec.Mode, append(unfit, c)
		}
		if v.wrong == nil {
			v.wrong = s.same(c, e)
		}
		if v.wrong == nil && !same {
			v.wrong = s.strange(c, e)
		}
		s.stampOurs(c, e, t, same)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("scan the joiner's directories: %w", err)
	}
	for _, c := range unfit {
		if err := s.fit(c); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// claimant is the live entry that has claimed what lay under an index of Prepare's scan; nil without.
func (s *Store) claimant(was int) *entry {
	if was < 0 || s.basis.of[was] >= unclaimed {
		return nil
	}
	if e := s.entry(s.basis.of[was]); e.live && int(e.was) == was {
		return e
	}
	return nil
}

// unfit says that a file lacks permissions that it should have had when it was made. Others than those are somebody's doing.
func (c *entry) unfit(e *tree.Entry) bool {
	return c.fitted && e.Mode != c.spec.Mode && e.Mode&^c.spec.Mode == 0
}

// fit gives it what it lacks.
func (s *Store) fit(c *entry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.chmod(c.spec.Role, c.name, c.spec.Mode); err != nil {
		return err
	}
	c.mode, c.dirty, c.fitted = c.spec.Mode, true, false
	return nil
}

// removeExtra deletes what the donor has not: files first, then directories from the
// bottom up. A directory that holds something of this node stays.
func (s *Store) removeExtra(ctx context.Context, v *survey, sum *Summary) error {
	holders := holders(v)
	var dirs []key
	for i := range v.extra {
		e := &v.extra[i]
		if i%cancelStep == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch {
		case e.Class == tree.Marker:
			// Commit removes it.
		case e.Class.Props().Joiner == tree.Keep:
			sum.Kept++
		case e.Dir && holders[key{e.Role, e.Path}]:
			sum.Kept++
		case e.Dir:
			dirs = append(dirs, key{e.Role, e.Path})
		default:
			if err := s.discard(*e); err != nil {
				return err
			}
			sum.Removed++
		}
	}
	sortDeepestFirst(dirs)
	for _, k := range dirs {
		if err := s.remove(k.role, k.path); err != nil {
			return err
		}
		sum.Removed++
	}
	return nil
}

// holders are the directories above something that is kept.
func holders(v *survey) map[key]bool {
	h := map[key]bool{}
	for i := range v.extra {
		e := &v.extra[i]
		if e.Class.Props().Joiner != tree.Keep {
			continue
		}
		for p := path.Dir(e.Path); p != "."; p = path.Dir(p) {
			h[key{e.Role, p}] = true
		}
	}
	return h
}

// compare checks the last survey against the catalog, both ways.
func (s *Store) compare(v *survey, sum *Summary) error {
	if v.wrong != nil {
		return v.wrong
	}
	holders := holders(v)
	for i := range v.extra {
		if e := &v.extra[i]; e.Class.Props().Joiner != tree.Keep && !(e.Dir && holders[key{e.Role, e.Path}]) {
			return fmt.Errorf("%s (%s) is still there or came back after it was removed: something else writes into the directory",
				s.abs(e.Role, e.Path), e.Class)
		}
	}
	for _, c := range s.entries {
		if !c.live {
			continue
		}
		if !v.seen[c.spec.ID] {
			// Two roles may list one directory, and a scan may take the donor's binary
			// log for somebody's file; both are there all the same.
			e, err := s.dirs.Lstat(c.spec.Role, c.name)
			if err != nil {
				return fmt.Errorf("%s of the donor is missing here: %w", s.abs(c.spec.Role, c.name), bare(err))
			}
			if err := s.same(c, &e); err != nil {
				return err
			}
		}
		if c.spec.Dir {
			sum.Dirs++
			continue
		}
		sum.Files++
		sum.Bytes += c.spec.Size
	}
	return nil
}

// same compares an entry with what lies on disk under its name.
func (s *Store) same(c *entry, e *tree.Entry) error {
	if c.spec.Dir == e.Dir && (e.Dir || c.spec.Size == e.Size) && c.spec.Mode == e.Mode {
		return nil // without the path, which is made for a message only
	}
	name := s.abs(c.spec.Role, c.name)
	switch {
	case c.spec.Dir != e.Dir:
		return fmt.Errorf("%s is %s here and %s at the donor", name, kind(e.Dir), kind(c.spec.Dir))
	case !e.Dir && c.spec.Size != e.Size:
		return fmt.Errorf("%s has %d bytes here and %d at the donor: something else writes into the directory", name, e.Size, c.spec.Size)
	}
	return fmt.Errorf("%s has mode %04o here and %04o at the donor", name, e.Mode, c.spec.Mode)
}

func kind(dir bool) string {
	if dir {
		return "a directory"
	}
	return "a file"
}

// errNotSealed is a programming mistake of the caller.
var errNotSealed = errors.New("the tree was not sealed since its last change")

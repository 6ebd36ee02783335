package tree

import (
	"context"
	"slices"
	"sort"
	"time"
)

// Again is Scan for who has looked at d before: then is what an earlier Scan or Again of d found, unchanged. Every file is asked
// what it is as in Scan; the names in a directory of tables are taken from then where the directory itself proves them, by its
// identity and its times (see believed), which saves reading, sorting and judging them. same says that nothing differs, to the last
// field; t.Entries are those of then then. Warnings are then's own.
func (d *Dirs) Again(ctx context.Context, then *Tree) (t *Tree, same bool, err error) {
	s := &scanner{ctx: ctx, d: d, then: then}
	if t, err = s.scan(); err != nil {
		return nil, false, err
	}
	t.Warnings = then.Warnings
	if same = len(t.Refusals) == 0 && sameMounts(t, then) && slices.Equal(t.Entries, then.Entries); same {
		t.Entries = then.Entries // one of the two can go
	}
	return t, same, nil
}

// sameMounts says that the file systems are those of then, mounted once.
func sameMounts(t, then *Tree) bool {
	for dev, now := range t.Devs {
		if old := then.Devs[dev]; now.Type != old.Type || now.ID != old.ID || now.Mount != old.Mount {
			return false
		}
	}
	return true
}

// WalkAgain is to Walk what Again is to Scan. was is the index in then of an entry that has not changed since in any field; -1: f finds
// out itself. An unchanged entry need not get one.
func (d *Dirs) WalkAgain(ctx context.Context, then *Tree, f func(t *Tree, e *Entry, was int) error) error {
	s := &scanner{ctx: ctx, d: d, then: then, each: f}
	return s.walkAll()
}

// clockStep is how much the wall clock may have been stepped between two looks at a directory: a time of change comes back only if the
// clock is put back to the very tick in which it was made.
const clockStep = 10 * time.Millisecond

// believed returns which entries of then lie in the directory e, or below it, and says whether its names are still those. POSIX moves
// both times of a directory with each name that is made, removed or changed, and nobody can put back the time of change; it must have
// rested when it was read then, or a name of the same tick could have come after. A mount over the directory has another identity.
//
// Other than those of tables, directories are few, and what their names mean depends on more.
func (s *scanner) believed(r Role, e *Entry) (first, end int, ok bool) {
	t := s.then
	if t == nil || r != RoleData || e.Role != RoleData || e.Class != Database && e.Class != Directory || s.rules.systemDirs[e.Path] {
		return 0, 0, false
	}
	if step := time.Duration(s.tree.clock - t.clock); step > clockStep || step < -clockStep || len(t.Refusals) > 0 {
		return 0, 0, false
	}
	if !t.Devs[e.ID.Dev].Trusted || e.ID.Birth == 0 || e.coarse() || !e.Rested(t.At, Granule) {
		return 0, 0, false
	}
	if at := t.from(RoleData, e.Path); at == len(t.Entries) || t.Entries[at] != *e {
		return 0, 0, false
	}
	// What comes next after "/" ends them.
	return t.from(RoleData, e.Path+"/"), t.from(RoleData, e.Path+"0"), true
}

// from returns the index of the first entry that is not before a path.
func (t *Tree) from(r Role, path string) int {
	return sort.Search(len(t.Entries), func(i int) bool {
		e := &t.Entries[i]
		return e.Role > r || e.Role == r && e.Path >= path
	})
}

// revisit is walk for a directory whose names are those of then.Entries[first:end], as far as they lie in it and not deeper.
func (s *scanner) revisit(fd int, r Role, prefix string, depth int, first, end int) error {
	for first < end {
		paths, was := s.paths[depth][:0], s.was[depth][:0]
		for ; first < end && len(paths) < statBlock; first++ {
			if e := &s.then.Entries[first]; !deeper(e.Path, len(prefix)) {
				paths, was = append(paths, e.Path), append(was, first)
			}
		}
		s.paths[depth], s.was[depth] = paths, was
		if err := s.visitAll(fd, r, prefix, depth, paths, was); err != nil {
			return err
		}
	}
	return nil
}

// deeper says whether a path has a slash after its first n bytes.
func deeper(path string, n int) bool {
	for ; n < len(path); n++ {
		if path[n] == '/' {
			return true
		}
	}
	return false
}

// unchanged takes over the entry numbered was of then if st says that nothing about it differs. Directories are always visited.
func (s *scanner) unchanged(was int, st *stat) bool {
	old := &s.then.Entries[was]
	if old.Dir || old.Part {
		return false
	}
	now := st.entry()
	now.Role, now.Path, now.Class, now.Suspect = old.Role, old.Path, old.Class, old.Suspect
	if now != *old {
		return false
	}
	s.list(&now, was)
	return true
}

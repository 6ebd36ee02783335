package clone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trireme/engine/innodb"
	"trireme/engine/tree"
)

// source is a datadir that is about to be read.
type source struct {
	lay  tree.Layout
	dirs *tree.Dirs
	tree *tree.Tree // as it was before anybody was called
	hold *hold      // nil when only a basis is made

	remarks []string // what is odd about it, for people
}

const notQuiet = "; stop it, or give a snapshot of the datadir, or make a basis now with --live-basis and the exact copy later, when it is stopped"

// openSource looks at everything that can be wrong with the source before the other end is called, so that a ticket is
// not used up for nothing. known says that the other end may know the table definitions from the last transfer: package proto
// reads those that it does not, and before that end has changed anything.
func openSource(ctx context.Context, lay tree.Layout, basis, known bool) (*source, error) {
	if info, err := os.Stat(lay.Data); err != nil {
		return nil, coded(exitSource, fmt.Errorf("open the source: %w", err))
	} else if !info.IsDir() {
		return nil, coded(exitSource, fmt.Errorf("the source %s is not a directory", lay.Data))
	}
	for _, name := range []string{tree.MarkerName, tree.JournalName} {
		if _, err := os.Lstat(filepath.Join(lay.Data, name)); err == nil {
			return nil, coded(exitSource, fmt.Errorf("the source %s holds the remains of a transfer that was cut off (%s), not a datadir to copy; let that transfer be completed first", lay.Data, name))
		}
	}
	if !looksLikeDatadir(&lay) {
		return nil, coded(exitSource, fmt.Errorf(
			"the source %s has neither a system tablespace nor the tables of the server: not a datadir, or its parts lie elsewhere (name its option file with --defaults-file)", lay.Data))
	}
	s := &source{lay: lay}
	var err error
	if !basis {
		if s.hold, err = holdStill(&lay); err != nil {
			if errors.Is(err, errInUse) {
				return nil, coded(exitSource, fmt.Errorf("%w%s", err, notQuiet))
			}
			return nil, withCode(err)
		}
	}
	if s.dirs, err = tree.Open(lay); err != nil {
		return nil, errors.Join(withCode(fmt.Errorf("open the source: %w", err)), s.close())
	}
	if s.tree, err = s.dirs.Scan(ctx); err != nil {
		return nil, errors.Join(withCode(fmt.Errorf("scan the source: %w", err)), s.close())
	}
	if err := s.refusals(ctx, known); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.startable(basis); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// startable finds what would keep a server from starting on a copy: parts that are not where we look for them, and a system
// tablespace that is damaged. A server that works may be about to write its first page, so a basis is not judged by that.
func (s *source) startable(basis bool) error {
	has := func(c tree.Class) bool {
		return slices.ContainsFunc(s.tree.Entries, func(e tree.Entry) bool { return e.Class == c })
	}
	if has(tree.System) && !has(tree.Redo) {
		return coded(exitSource, fmt.Errorf(
			"the source has a system tablespace and no redo log in %s, so no server could start on a copy; name its option file with --defaults-file, or its directory with --innodb-log-group-home-dir", s.lay.Dir(tree.RoleRedo)))
	}
	if here := filepath.Join(s.lay.Data, "aria_log_control"); !has(tree.AriaControl) && s.lay.Dir(tree.RoleAria) != s.lay.Data {
		if _, err := os.Lstat(here); err == nil {
			return coded(exitSource, fmt.Errorf(
				"aria_log_dir_path is %s, where no aria_log_control is, and there is one at %s, which would be left behind; correct the option file or --aria-log-dir-path", s.lay.Dir(tree.RoleAria), here))
		}
	}
	if basis {
		return nil
	}
	return s.whole()
}

// whole looks at the files of the system tablespace.
func (s *source) whole() error {
	page := 0
	for i, name := range s.dirs.Layout().SystemFiles {
		if rel, err := filepath.Rel(s.lay.Dir(tree.RoleInnoDBHome), name); filepath.IsAbs(name) && err == nil {
			name = rel
		}
		f, err := s.dirs.OpenFile(tree.RoleInnoDBHome, name, os.O_RDONLY, 0)
		switch {
		case errors.Is(err, fs.ErrNotExist) && page == 0:
			return nil // a datadir without InnoDB
		case errors.Is(err, fs.ErrNotExist):
			return coded(exitSource, fmt.Errorf("innodb_data_file_path names %s, which is not there; correct the option file or --innodb-data-file-path", s.dirs.Path(tree.RoleInnoDBHome, name)))
		}
		if err != nil {
			return withCode(fmt.Errorf("look at the system tablespace: %w", err))
		}
		info, err := f.Stat()
		head := make([]byte, innodb.HeaderSize)
		if err == nil && i == 0 {
			_, err = f.ReadAt(head, 0)
		}
		if err = errors.Join(err, f.Close()); err != nil && !errors.Is(err, io.EOF) {
			return withCode(fmt.Errorf("look at the system tablespace: %w", err))
		}
		path := s.dirs.Path(tree.RoleInnoDBHome, name)
		if i == 0 {
			if _, page, _, err = innodb.PageSize(head); err != nil {
				return coded(exitRefused, fmt.Errorf("the source is damaged: %s does not begin as a system tablespace does (%w), and no server starts on it", path, err))
			}
		}
		if info.Size()%int64(page) != 0 {
			// A server that was killed while it let the file grow leaves this too, and starts on it.
			s.remarks = append(s.remarks, fmt.Sprintf("%s has %d bytes, which is no multiple of its page of %d: it was cut off, or its server was killed; see that a server starts on the source", path, info.Size(), page))
		}
	}
	return nil
}

// refusals says what of the source cannot be copied, but for what only the definitions tell if they are known.
func (s *source) refusals(ctx context.Context, known bool) error {
	const shown = 5
	var lines []string
	all := slices.Clone(s.tree.Refusals)
	if !known {
		all = append(all, tree.CheckEngines(ctx, s.dirs, s.tree)...)
	}
	for _, r := range all {
		if r.Unsure {
			continue // package proto looks again
		}
		if len(lines) == shown {
			lines = append(lines, "and more")
			break
		}
		lines = append(lines, r.String())
	}
	if len(lines) == 0 {
		return nil
	}
	return coded(exitRefused, fmt.Errorf("the source cannot be copied: %s", strings.Join(lines, "; ")))
}

// quiet is the source as it was found when no server could run on it any more, nil when one may.
func (s *source) quiet() *tree.Tree {
	if s.hold == nil {
		return nil
	}
	return s.tree
}

// unchanged compares the source with what it was at the beginning. The rounds of package proto end when one of them sees nothing
// move, and somebody who writes now and then would have a copy made of a moment that no server ever left behind.
// Both lists are in the order of Scan.
func (s *source) unchanged(now *tree.Tree) error {
	var moved []string
	name := func(e *tree.Entry) string { return s.dirs.Path(e.Role, e.Path) }
	then, next := sentOf(s.tree), sentOf(now)
	old, e := then(), next()
	for old != nil || e != nil {
		switch {
		case e == nil || old != nil && old.Before(e):
			moved = append(moved, name(old))
			old = then()
		case old == nil || e.Before(old):
			moved = append(moved, name(e))
			e = next()
		default:
			// The time of a change of the inode alone moves with a backup that makes links, which harms nothing.
			if old.Dir != e.Dir || !e.Dir && (old.ID != e.ID || old.Size != e.Size || old.Mtime != e.Mtime) {
				moved = append(moved, name(e))
			}
			old, e = then(), next()
		}
	}
	if len(moved) == 0 {
		return nil
	}
	slices.Sort(moved)
	return fmt.Errorf("the source changed while it was read (%s): something other than a server writes into it; stop that and copy again, which sends only what differs", some(moved))
}

// sentOf returns a function that goes through what a donor sends of t, nil at the end.
func sentOf(t *tree.Tree) func() *tree.Entry {
	at := 0
	return func() *tree.Entry {
		for at < len(t.Entries) {
			e := &t.Entries[at]
			at++
			if e.Sent() {
				return e
			}
		}
		return nil
	}
}

func (s *source) close() error {
	var errs []error
	if s.dirs != nil {
		errs = append(errs, s.dirs.Close())
	}
	if s.hold != nil {
		errs = append(errs, s.hold.release())
	}
	return errors.Join(errs...)
}

// looksLikeDatadir reports whether a server's files lie in the directories.
func looksLikeDatadir(l *tree.Layout) bool {
	for _, name := range lockFiles(l) {
		for _, name := range []string{name, name + tree.PartSuffix} {
			if info, err := os.Lstat(name); err == nil && (info.Mode().IsRegular() || info.IsDir()) {
				return true
			}
		}
	}
	// Without InnoDB's and Aria's files, the server's own tables: a directory of that name alone is found in /etc as well.
	for _, pattern := range []string{"*.frm", "*.MAI", "*.MYI", "*.ibd"} {
		if found, err := filepath.Glob(filepath.Join(l.Data, "mysql", pattern)); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

// links lists the symbolic links at the top of a directory, with where they lead.
func links(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if e.Type()&fs.ModeSymlink == 0 {
			continue
		}
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		found = append(found, e.Name()+" -> "+to)
	}
	return found, nil
}

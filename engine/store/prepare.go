package store

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"trireme/engine/tree"
)

// Prepare turns the directories from an old state into a mere basis (consistency 7.3,
// steps 1 and 2). It refuses while the server may still want the old state; nothing
// has been changed then. Afterwards no server can start on these directories until
// Commit. It may be run over the remains of a transfer that was cut off anywhere.
func (s *Store) Prepare(ctx context.Context) error {
	s.calls.Lock()
	defer s.calls.Unlock()
	if err := s.need("prepare", stateOpen); err != nil {
		return err
	}
	if s.cfg.CheckGrastate {
		if err := s.waitGrastate(ctx); err != nil {
			return err
		}
	}
	if err := s.dirs.Create(); err != nil {
		return s.fail(fmt.Errorf("make the configured directories: %w", err))
	}
	s.compareRoles()
	s.classes = s.dirs.Classifier()
	s.expect()
	t, err := s.dirs.Scan(ctx)
	if err != nil {
		return fmt.Errorf("scan the joiner's directories: %w", err)
	}
	if err := s.refuseLinks(t); err != nil {
		return err
	}
	if err := refuse(append(s.aliases(t), t.Refusals...)); err != nil {
		return err
	}
	if err := s.watchFilesystems(t); err != nil {
		return err
	}
	s.basis = newBasis(t)
	s.openLedger(t)
	if err := s.mark(t); err != nil {
		return err
	}
	if err := s.hideKeystones(t); err != nil {
		return err
	}
	if err := s.block(); err != nil {
		return err
	}
	if err := s.removeStale(t); err != nil {
		return err
	}
	if err := s.syncDirs(); err != nil {
		return err
	}
	s.state = statePrepared
	return nil
}

// refuseLinks stops before anything is changed when a keystone is a link or a device:
// replacing it by a file would undo what an administrator arranged, and hiding it
// would follow it.
func (s *Store) refuseLinks(t *tree.Tree) error {
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Class != tree.Special {
			continue
		}
		if _, class := s.dirs.Classify(e.Role, e.Path, false); class.Props().Keystone {
			return fmt.Errorf("%s (%s) is not a regular file; set %s to the directory where the file shall be and remove the link (nothing has been changed)",
				s.abs(e.Role, e.Path), class, class.Props().Role.Option())
		}
	}
	return nil
}

// RefusedError says what lies in this node's directories that must not meet new data.
// Nothing has been changed.
type RefusedError struct{ Refusals []tree.Refusal }

func (e *RefusedError) Error() string {
	lines := make([]string, len(e.Refusals))
	for i, r := range e.Refusals {
		lines[i] = r.String()
	}
	return "these directories cannot take a copy (nothing has been changed): " + strings.Join(lines, "; and ")
}

// refuse stops before anything is changed for data that would stay where they are and
// that the new server would take for its own (R-META-3).
func refuse(all []tree.Refusal) error {
	var found []tree.Refusal
	for _, r := range all {
		if r.Joiner {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return &RefusedError{found}
}

// Magic numbers of the file systems whose syncfs is known to report write errors.
var reportsErrors = []int64{
	unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC,
	unix.TMPFS_MAGIC, // has nothing to write back
}

// watchFilesystems opens a descriptor on every file system before the first write. A
// descriptor reports the errors that happened since it was opened, so these cover the
// whole transfer whatever file was closed in between.
func (s *Store) watchFilesystems(t *tree.Tree) error {
	fds, err := s.dirs.OpenFilesystems()
	if err != nil {
		return s.fail(fmt.Errorf("open the file systems of the configured directories: %w", err))
	}
	s.syncfds = fds
	watched := map[uint64]bool{}
	all := !syncfsReports()
	for _, f := range fds {
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			return s.fail(fmt.Errorf("stat %s: %w", f.Name(), err))
		}
		watched[st.Dev] = true
	}
	memory := len(t.Devs) > 0
	for dev, info := range t.Devs {
		memory = memory && info.Type == unix.TMPFS_MAGIC
		if !watched[dev] || !slices.Contains(reportsErrors, info.Type) {
			all = true
		}
	}
	s.fsyncAll.Store(all)
	s.inMemory.Store(memory)
	return nil
}

// syncfsReports tells whether syncfs returns write errors: Linux 5.8 and later.
func syncfsReports() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 5 || major == 5 && minor >= 8
}

// mark writes marker and journal durably, and removes what would speak of another state. Nothing reads them back to trust it: they
// tell people and monitoring what they look at.
func (s *Store) mark(t *tree.Tree) error {
	text := fmt.Sprintf("trireme journal 1\ntransfer %s\ndonor %s\n", oneLine(s.cfg.TransferID), oneLine(s.cfg.DonorID))
	for _, m := range []struct{ name, text string }{
		{tree.MarkerName, "a state transfer by trireme is under way or was cut off; the data here is not usable\n"},
		{tree.JournalName, text},
	} {
		s.marked, s.touched = true, true
		if err := s.writeSmall(tree.RoleData, m.name, []byte(m.text), 0o600); err != nil {
			return err
		}
	}
	if err := s.dropManifest(t); err != nil {
		return err
	}
	return s.syncDirs()
}

// writeSmall replaces a small file and fsyncs it. The old one is unlinked first, so
// that a link planted under the name leads nowhere.
func (s *Store) writeSmall(r tree.Role, name string, text []byte, mode uint32) error {
	if err := s.remove(r, name); err != nil {
		return err
	}
	f, err := s.open(r, name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return s.ioError(opCreate, r, name, err)
	}
	err = s.pass(opWrite, r, name)
	if err == nil {
		_, err = f.WriteAt(text, 0)
	}
	if err != nil {
		err = s.ioError(opWrite, r, name, err)
	} else {
		err = s.syncFile(r, name, f)
	}
	if cerr := f.Close(); err == nil && cerr != nil {
		err = s.ioError("close", r, name, cerr)
	}
	return err
}

// oneLine keeps the journal's lines what they are, whatever the donor calls itself.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, s)
}

// hideKeystones takes every keystone from its real name, redo first: without redo
// InnoDB refuses whatever else is still there (consistency 7.2). See wave for what lies between. Redo is kept as a
// basis like the others: a node that was copied before has the donor's log wherever
// neither has written since, and otherwise the whole of it would cross the wire each
// time. Where both forms exist, the real one was made by a server that started on
// nothing, and the part of the cut-off transfer is the better basis.
func (s *Store) hideKeystones(t *tree.Tree) error {
	parts := map[key]bool{}
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Part {
			parts[key{e.Role, e.Path}] = true
		}
	}
	var shown []int
	devs := devices{}
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Dir || e.Part || !e.Class.Props().Keystone {
			continue
		}
		devs.add(e.Class, e.ID.Dev)
		shown = append(shown, i)
	}
	wave := func(i int) int { return int(waveOf(t.Entries[i].Class)) }
	slices.SortStableFunc(shown, func(a, b int) int { return wave(b) - wave(a) })
	for i, at := range shown {
		e := &t.Entries[at]
		if i > 0 && devs.apart() && wave(shown[i-1]) != wave(at) {
			if err := s.syncDirs(); err != nil {
				return err
			}
		}
		var err error
		if parts[key{e.Role, e.Path}] || e.Linked {
			err = s.remove(e.Role, e.Path)
		} else {
			err = s.rename(e.Role, e.Path, e.Path+tree.PartSuffix)
			s.basis.keep(at)
		}
		if err != nil {
			return err
		}
	}
	return s.syncDirs()
}

// removeStale removes what must be gone before commit in any case (R-JOIN-4) and
// remembers the rest as basis, but for files with several names: what the copy writes into one would stand
// under all of them, be they others of the copy or a backup's. It runs after hideKeystones, so that a server which
// starts after a crash right here cannot find its keystones without, say, the DDL log
// that belongs to them.
func (s *Store) removeStale(t *tree.Tree) error {
	var gone key // the last directory that was removed as a whole
	for i := range t.Entries {
		e := &t.Entries[i]
		if gone.path != "" && e.Role == gone.role && strings.HasPrefix(e.Path, gone.path+"/") {
			continue
		}
		props := e.Class.Props()
		switch {
		case e.Dir && e.Class == tree.Marker:
			// Not a basis for the file whose place it has; see block.
		case props.Keystone && !e.Part && !e.Dir:
			// hideKeystones has dealt with it.
		case props.Joiner == tree.Remove, props.Joiner == tree.Mirror && e.Linked:
			if e.Dir {
				gone = key{e.Role, e.Path}
			}
			if err := s.discard(*e); err != nil {
				return err
			}
		default:
			s.basis.keep(i)
		}
	}
	return nil
}

// discard removes what a scan found.
func (s *Store) discard(e tree.Entry) error {
	if e.Dir {
		return s.removeAll(e.Role, e.Path)
	}
	name := e.Path
	if e.Part {
		name += tree.PartSuffix
	}
	return s.remove(e.Role, name)
}

// sortDeepestFirst orders directories so that each comes before its parent.
func sortDeepestFirst(dirs []key) {
	depth := func(k key) int {
		if k.path == "." {
			return -1
		}
		return strings.Count(k.path, "/")
	}
	slices.SortFunc(dirs, func(a, b key) int {
		if d := depth(b) - depth(a); d != 0 {
			return d
		}
		if a.role != b.role {
			return int(a.role) - int(b.role)
		}
		return strings.Compare(a.path, b.path)
	})
}

package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"trireme/engine/tree"
)

// syncWorkers is how many files are fsynced at once where that is needed: enough to
// fill a journal commit, few enough for a server with other work.
const syncWorkers = 4

// Commit makes a sealed tree durable and then startable (consistency 7.3, steps 4 to
// 8): an index of the binary logs, data, directories, keystones under their real names
// with redo last, and at the very end journal and marker away. When it returns nil all that is on stable storage.
// An error is final; keystones that already had their real names are hidden again as
// far as the disk still allows (R-JOIN-8). ctx is not looked at once keystones move.
func (s *Store) Commit(ctx context.Context) error {
	s.calls.Lock()
	defer s.calls.Unlock()
	if err := s.failed(); err != nil {
		return err
	}
	if s.state == statePrepared {
		return fmt.Errorf("commit: %w", errNotSealed)
	}
	if err := s.need("commit", stateSealed); err != nil {
		return err
	}
	if err := s.writeIndex(); err != nil {
		return err
	}
	if err := s.durable(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	moved, err := s.showKeystones()
	if err == nil {
		err = s.unmark()
	}
	if err != nil {
		return errors.Join(err, s.hideAgain(moved))
	}
	s.state = stateCommitted
	s.writeManifest()
	return nil
}

// durable puts all data and all directory entries on stable storage. Every error is
// final: after a failed fsync the kernel may have dropped the pages (R-JOIN-5).
func (s *Store) durable(ctx context.Context) error {
	if s.fsyncAll.Load() {
		if err := s.syncAllFiles(ctx); err != nil {
			return err
		}
	}
	// From here on nothing may be written any more: it would not be durable.
	if err := s.files.closeAll(); err != nil {
		return s.fail(fmt.Errorf("close the copied files: %w", err))
	}
	watched := s.syncfds
	if s.untouched() {
		watched = nil
	}
	for _, f := range watched {
		err := s.pass(opSyncFS, 0, f.Name())
		if err == nil {
			err = unix.Syncfs(int(f.Fd()))
		}
		if err != nil {
			return s.fail(fmt.Errorf("write the file system of %s to disk: %w%s", f.Name(), err, hint(err)))
		}
	}
	return s.syncDirs()
}

// syncAllFiles fsyncs every file that was changed, for file systems whose syncfs does
// not report errors.
func (s *Store) syncAllFiles(ctx context.Context) error {
	g, running := errgroup.WithContext(ctx)
	g.SetLimit(min(syncWorkers, s.files.max))
	for _, e := range s.entries {
		if running.Err() != nil {
			break
		}
		if !e.live || e.spec.Dir || !e.dirty {
			continue
		}
		g.Go(func() error {
			if running.Err() != nil {
				return context.Cause(running)
			}
			f, err := s.files.acquire(e)
			if err != nil {
				return s.because(err)
			}
			defer s.files.release(e)
			if err := s.syncFile(e.spec.Role, e.name, f); err != nil {
				return err
			}
			e.mu.Lock()
			defer e.mu.Unlock()
			e.dirty = false
			// Opening may have lent the file a write bit.
			if e.mode != e.spec.Mode {
				if err := s.chmod(e.spec.Role, e.name, e.spec.Mode); err != nil {
					return err
				}
				e.mode = e.spec.Mode
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// showKeystones gives the keystones their real names: redo after all others, since
// without redo no server starts. What kept servers away goes with them. It returns what it renamed.
func (s *Store) showKeystones() (moved []*entry, err error) {
	var hidden []*entry
	devs := devices{}
	for _, e := range s.entries {
		if !e.live || !e.keystone() {
			continue
		}
		at, err := s.dirs.Lstat(e.spec.Role, e.name)
		if err != nil {
			return nil, s.ioError("stat", e.spec.Role, e.name, err)
		}
		devs.add(e.class, at.ID.Dev)
		hidden = append(hidden, e)
	}
	slices.SortStableFunc(hidden, func(a, b *entry) int { return int(waveOf(a.class) - waveOf(b.class)) })
	for i, e := range hidden {
		if i > 0 && devs.apart() && waveOf(hidden[i-1].class) != waveOf(e.class) {
			if err := s.syncDirs(); err != nil {
				return moved, err
			}
		}
		if err := s.unblock(e); err != nil {
			return moved, err
		}
		if err := s.rename(e.spec.Role, e.name, e.spec.Path); err != nil {
			return moved, err
		}
		moved = append(moved, e)
	}
	if err := s.unblockAll(); err != nil {
		return moved, err
	}
	return moved, s.syncDirs()
}

// unmark removes journal and marker, the marker last and durably.
func (s *Store) unmark() error {
	for _, name := range []string{tree.JournalName, tree.MarkerName} {
		s.marked = false
		if err := s.remove(tree.RoleData, name); err != nil {
			return err
		}
	}
	return s.syncDirs()
}

// hideAgain takes keystones from their real names after a failed Commit, redo first.
// It goes on after errors: every name less is one less to mislead a server. Errors
// are those of the disk that has failed already; the first one is reported beside.
func (s *Store) hideAgain(moved []*entry) error {
	var first error
	note := func(err error) {
		if first == nil && err != nil {
			first = fmt.Errorf("hide the files that make the server startable: %w; remove them by hand or let the next transfer do it", bare(err))
		}
	}
	for _, e := range slices.Backward(moved) {
		err := s.pass(opRename, e.spec.Role, e.name)
		if err == nil {
			err = s.dirs.Rename(e.spec.Role, e.spec.Path, e.name)
		}
		note(err)
	}
	note(s.block())
	if len(moved) > 0 && !s.marked {
		note(s.remark())
	}
	for _, e := range moved {
		s.touch(e.spec.Role, e.name)
	}
	note(s.syncDirs())
	return first
}

// remark puts the marker back after Commit failed behind its removal.
func (s *Store) remark() error {
	if err := s.pass(opCreate, tree.RoleData, tree.MarkerName); err != nil {
		return err
	}
	s.touch(tree.RoleData, tree.MarkerName)
	f, err := s.dirs.OpenFile(tree.RoleData, tree.MarkerName, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

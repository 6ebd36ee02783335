package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"trireme/engine/tree"
)

// op is one kind of change to the disk.
type op string

const (
	opCreate   op = "create"
	opWrite    op = "write"
	opTruncate op = "truncate"
	opAllocate op = "allocate"
	opPunch    op = "punch"
	opZero     op = "zero"
	opChmod    op = "chmod"
	opMkdir    op = "mkdir"
	opRemove   op = "remove"
	opRename   op = "rename"
	opSync     op = "fsync"
	opSyncDir  op = "fsync directory"
	opSyncFS   op = "syncfs"
)

// gate sees every change before it happens and may stop it. Tests use it to fail, to
// crash and to record at a chosen operation; production has none. It must be safe for
// concurrent use.
type gate interface {
	pass(o op, r tree.Role, name string) error
}

func (s *Store) pass(o op, r tree.Role, name string) error {
	if s.gate == nil {
		return nil
	}
	return s.gate.pass(o, r, name)
}

// ioError gives err its place and makes it final.
func (s *Store) ioError(o op, r tree.Role, name string, err error) error {
	err = bare(err)
	return s.fail(fmt.Errorf("%s %s: %w%s", o, s.abs(r, name), err, hint(err)))
}

// bare takes the path off err where the message around it names the path already.
func bare(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}

// hint says what to do about the errors that have an obvious remedy.
func hint(err error) string {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return " (free space on this file system and start the transfer again)"
	case errors.Is(err, unix.EDQUOT):
		return " (raise the quota of this user and start the transfer again)"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return " (the user that runs the server must own the directory and everything in it)"
	case errors.Is(err, unix.EROFS):
		return " (the file system is mounted read-only)"
	}
	return ""
}

// touch remembers that the directory of name must be fsynced.
func (s *Store) touch(r tree.Role, name string) {
	s.changedMu.Lock()
	s.changed[key{r, path.Dir(name)}] = struct{}{}
	s.changedMu.Unlock()
}

// open opens an existing or, with O_CREATE in flag, a new file. A symbolic link at
// name is never followed. "Does not exist" and "exists" come back undressed and are
// not final: callers branch on them.
func (s *Store) open(r tree.Role, name string, flag int, perm uint32) (*tree.Handle, error) {
	if flag&os.O_CREATE != 0 {
		if err := s.pass(opCreate, r, name); err != nil {
			return nil, s.ioError(opCreate, r, name, err)
		}
		s.touch(r, name)
	}
	f, err := s.dirs.Handle(r, name, flag, perm)
	switch {
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist):
		return nil, err
	case err != nil:
		return nil, s.ioError("open", r, name, err)
	}
	return f, nil
}

// remove unlinks a file or an empty directory; one that is gone already is fine.
func (s *Store) remove(r tree.Role, name string) error {
	return s.change(opRemove, r, name, func() error { return missingIsFine(s.dirs.Remove(r, name)) })
}

// removeAll removes a directory with all that is in it, never following links.
func (s *Store) removeAll(r tree.Role, name string) error {
	return s.change(opRemove, r, name, func() error { return missingIsFine(s.dirs.RemoveAll(r, name)) })
}

func missingIsFine(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// rename moves a file within its directory.
func (s *Store) rename(r tree.Role, from, to string) error {
	return s.change(opRename, r, to, func() error { return s.dirs.Rename(r, from, to) })
}

func (s *Store) change(o op, r tree.Role, name string, f func() error) error {
	err := s.pass(o, r, name)
	if err == nil {
		s.touch(r, name)
		err = f()
	}
	if err != nil {
		return s.ioError(o, r, name, err)
	}
	return nil
}

// mkdir makes a directory. "Exists" comes back undressed.
func (s *Store) mkdir(r tree.Role, name string, mode uint32) error {
	err := s.pass(opMkdir, r, name)
	if err == nil {
		s.touch(r, name)
		err = s.dirs.Mkdir(r, name, mode)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return err
	case err != nil:
		return s.ioError(opMkdir, r, name, err)
	}
	return nil
}

func (s *Store) chmod(r tree.Role, name string, mode uint32) error {
	err := s.pass(opChmod, r, name)
	if err == nil {
		err = s.dirs.Chmod(r, name, mode)
	}
	if err != nil {
		return s.ioError(opChmod, r, name, err)
	}
	return nil
}

// syncDirs makes the entries of all changed directories durable, deepest first: a
// parent that is durable before its child names nothing that does not exist.
func (s *Store) syncDirs() error {
	s.changedMu.Lock()
	dirs := make([]key, 0, len(s.changed))
	for k := range s.changed {
		dirs = append(dirs, k)
	}
	clear(s.changed)
	s.changedMu.Unlock()
	sortDeepestFirst(dirs)
	for _, k := range dirs {
		err := s.pass(opSyncDir, k.role, k.path)
		if err == nil {
			// A directory that was removed since needs no fsync; its parent is in the list.
			err = missingIsFine(s.dirs.SyncDir(k.role, k.path))
		}
		if err != nil {
			return s.ioError(opSyncDir, k.role, k.path, err)
		}
	}
	return nil
}

// syncFile makes one open file durable.
func (s *Store) syncFile(r tree.Role, name string, f *tree.Handle) error {
	err := s.pass(opSync, r, name)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return s.ioError(opSync, r, name, err)
	}
	return nil
}

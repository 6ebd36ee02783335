package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"trireme/engine/tree"
)

// block puts a directory in the place of the first file of the system tablespace, which
// every server refuses to start on ("not a regular file"). It stays when the transfer
// fails. A tablespace in a directory of its own, which need not exist yet, is not blocked.
func (s *Store) block() error {
	name := s.blockName()
	if !s.cfg.Block || name == "" {
		return nil
	}
	switch e, err := s.dirs.Lstat(tree.RoleInnoDBHome, name); {
	case err == nil && e.Dir:
		return nil // from a transfer that was cut off
	case err == nil:
		return s.fail(fmt.Errorf("%s is there again after it was hidden: something else writes into the directory", s.abs(tree.RoleInnoDBHome, name)))
	case !errors.Is(err, fs.ErrNotExist):
		return s.fail(err)
	}
	return s.mkdir(tree.RoleInnoDBHome, name, 0o700)
}

// blockName is where a block stands; "": none does.
func (s *Store) blockName() string {
	files := s.dirs.Layout().SystemFiles
	switch {
	case len(files) == 0:
		return "ibdata1"
	case strings.Contains(files[0], "/"):
		return ""
	}
	return files[0]
}

// unblockAll takes a block away that no file of the copy needs the place of: its donor has no system tablespace of that name.
func (s *Store) unblockAll() error {
	name := s.blockName()
	if name == "" || s.lookup(tree.RoleInnoDBHome, name, true) != nil {
		return nil // there is none, or it is a directory of the copy
	}
	if there, err := s.dirs.Lstat(tree.RoleInnoDBHome, name); err != nil || !there.Dir {
		return nil // where something else is wrong the server says so
	}
	return s.remove(tree.RoleInnoDBHome, name)
}

// unblock makes way for a system tablespace file, whoever blocked it.
func (s *Store) unblock(e *entry) error {
	if e.class != tree.System {
		return nil
	}
	there, err := s.dirs.Lstat(e.spec.Role, e.spec.Path)
	if err != nil || !there.Dir {
		return nil // the rename says what is wrong, if anything is
	}
	return s.remove(e.spec.Role, e.spec.Path)
}

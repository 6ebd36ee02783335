package ends

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"trireme/cmd/internal/settings"
	"trireme/engine/tree"
)

// Outside refuses tablespaces that lie where innodb_directories lets them. MariaDB keeps a file for each of them in the datadir, which the look at
// the tree finds; MySQL 8 keeps their places in its dictionary, and they would be left out without a word.
// lay is that of s.
func Outside(s *settings.Settings, lay tree.Layout) error {
	if len(s.InnoDBDirs) == 0 {
		return nil
	}
	real := lay
	real.Data, real.InnoDBHome, real.Redo, real.Undo, real.Aria = resolved(lay.Data), resolved(lay.InnoDBHome), resolved(lay.Redo), resolved(lay.Undo), resolved(lay.Aria)
	for _, dir := range s.InnoDBDirs {
		dir = resolved(dir)
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
				return nil // nor can the server have anything there
			case err != nil:
				return fmt.Errorf("look for tablespaces in %s: %w", dir, err)
			case path == real.Data || strings.HasPrefix(path, real.Data+"/"):
				if e.IsDir() {
					return fs.SkipDir // the look at the tree judges what lies there
				}
			case !e.IsDir() && (strings.HasSuffix(path, ".ibd") || strings.HasSuffix(path, ".ibu")) && !copied(real, path):
				return fmt.Errorf("%s lies outside the directories that are copied (innodb_directories, %s); move the tablespace back into the datadir, or take the directory out of the option when it is none of this server's",
					path, Origin(s, "innodb-directories"))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// copied says whether a file outside the datadir is among those that a donor sends.
func copied(lay tree.Layout, path string) bool {
	for _, role := range []tree.Role{tree.RoleInnoDBHome, tree.RoleUndo} {
		if rel, ok := strings.CutPrefix(path, lay.Dir(role)+"/"); ok {
			if _, class := lay.Classify(role, rel, false); class.Props().Send != tree.Never {
				return true
			}
		}
	}
	return false
}

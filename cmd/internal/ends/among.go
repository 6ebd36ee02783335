package ends

import (
	"path/filepath"
	"strings"

	"trireme/engine/tree"
)

// AmongData says whether path, with links followed, is one of the files that a transfer
// copies, writes or removes, and in which directory of the layout. Such a place is none
// for keys or for files of our own.
func AmongData(lay tree.Layout, path string) (dir string, yes bool) {
	path = resolved(path)
	for _, root := range []struct {
		role tree.Role
		dir  string
	}{
		{tree.RoleData, lay.Data}, {tree.RoleInnoDBHome, lay.InnoDBHome}, {tree.RoleRedo, lay.Redo},
		{tree.RoleUndo, lay.Undo}, {tree.RoleAria, lay.Aria}, {tree.RoleBinlog, lay.Binlog},
	} {
		if root.dir == "" {
			continue
		}
		rel, ok := strings.CutPrefix(path, resolved(root.dir)+"/")
		if !ok {
			continue
		}
		_, class := lay.Classify(root.role, rel, false)
		if p := class.Props(); p.Send != tree.Never || p.Joiner != tree.Keep {
			return root.dir, true
		}
	}
	return "", false
}

// resolved follows links as far as the path exists.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return filepath.Clean(path)
}

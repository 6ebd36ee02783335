package keyring

import (
	"fmt"
	"path/filepath"
	"strings"

	"trireme/engine/tree"
)

// Apart makes sure that the keyring file is not one of those that are copied or removed
// like any other of the datadir: keys have a way of their own.
func (r Ring) Apart(lay tree.Layout) error {
	if r.Path == "" {
		return nil
	}
	path := resolved(r.Path)
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
			return fmt.Errorf("the keyring %s lies among the data of the server in %s; move it to a directory of its own, as the server's manual demands", r.Path, root.dir)
		}
	}
	return nil
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

package clone

import (
	"os"

	"trireme/engine/manifest"
	"trireme/engine/tree"
)

// definitionsIn says which table definitions the last transfer into a target was about, by the manifest that it has left; zero when
// nothing is known. Nothing is believed of the manifest but that, which the source compares with its own: see proto.FactDefinitions.
func definitionsIn(lay *tree.Layout, setting string) (definitions [16]byte) {
	if setting != "auto" {
		return
	}
	dirs, err := tree.Open(*lay)
	if err != nil {
		return // whoever opens it to write will say what is wrong
	}
	defer dirs.Close()
	f, err := dirs.OpenFile(tree.RoleData, tree.ManifestName, os.O_RDONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return
	}
	r, err := manifest.NewReader(f, st.Size())
	if err != nil {
		return
	}
	return r.Header.Definitions
}

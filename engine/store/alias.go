package store

import "trireme/engine/tree"

// aliases finds directories of tables that are here under two names, by links or mounts: two databases of the donor would be written
// over each other, and what is removed under one name would be gone under the other.
func (s *Store) aliases(t *tree.Tree) (found []tree.Refusal) {
	first := map[tree.FileID]*tree.Entry{}
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Class != tree.Database && e.Class != tree.Directory && e.Class != tree.RedoDir || !e.Dir {
			continue
		}
		other := first[e.ID]
		switch {
		case other == nil:
			first[e.ID] = e
		case other.Path != e.Path: // else one that is listed under two roles
			found = append(found, tree.Refusal{
				Path: s.abs(e.Role, e.Path), What: "is the same directory as " + s.abs(other.Role, other.Path),
				Hint: "remove one of the names", Joiner: true,
			})
		}
	}
	return found
}

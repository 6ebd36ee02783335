package store

import (
	"cmp"
	"iter"
	"sort"
	"strings"

	"trireme/engine/tree"
)

// basisFile is what Prepare found under one name and the catalog has not claimed.
type basisFile struct {
	size, allocated int64
	mode            uint32
	dir             bool
	class           tree.Class
}

// basis is what lies on disk and is not claimed by the catalog: most of it in the list that Prepare's scan has made, which is in order, as
// catalogs are. It is guarded by Store.calls.
type basis struct {
	scan  *tree.Tree // nil before Prepare
	of    []uint32   // by index in scan: unclaimed, taken, or the id of the catalog's entry
	next  int        // where the last search ended
	later map[key]basisFile
}

// What basis.of holds in place of an id.
const (
	taken     = ^uint32(0) // not in the basis, and no entry's
	unclaimed = taken - 1
)

// nowhere is the index of what has none.
const nowhere = -1

func newBasis(t *tree.Tree) basis {
	b := basis{scan: t, of: make([]uint32, len(t.Entries)), later: map[key]basisFile{}}
	for i := range b.of {
		b.of[i] = taken
	}
	return b
}

// keep puts what the scan has found under an index into the basis.
func (b *basis) keep(at int) { b.of[at] = unclaimed }

// put adds what the scan has not found.
func (b *basis) put(k key, f basisFile) { b.later[k] = f }

// near is how many entries a search goes on by before it begins anew: those between one of a catalog and the next are this node's own.
const near = 8

// find returns the index of the first entry that does not come before k.
func (b *basis) find(k key) int {
	all := b.scan.Entries
	before := func(i int) bool {
		e := &all[i]
		return cmp.Or(cmp.Compare(e.Role, k.role), strings.Compare(e.Path, k.path)) < 0
	}
	at := b.next
	if at > 0 && !before(at-1) {
		at = len(all) // it lies behind us
	}
	for end := min(at+near, len(all)); at < end && before(at); {
		at++
	}
	if at == len(all) || before(at) {
		at = sort.Search(len(all), func(i int) bool { return !before(i) })
	}
	b.next = at
	return at
}

// get returns what lies under k, and its index in the scan, nowhere for what came later.
func (b *basis) get(k key) (f basisFile, at int, ok bool) {
	if len(b.later) > 0 {
		if f, ok := b.later[k]; ok {
			return f, nowhere, true
		}
	}
	for at = range b.all(k) {
		if b.of[at] == unclaimed {
			e := &b.scan.Entries[at]
			return basisFile{size: e.Size, allocated: e.Allocated, mode: e.Mode, dir: e.Dir, class: e.Class}, at, true
		}
	}
	return basisFile{}, nowhere, false
}

// all are the indices in the scan that k has, claimed or not. A real file and its part have one key, and one of them at most is in the
// basis.
func (b *basis) all(k key) iter.Seq[int] {
	return func(yield func(int) bool) {
		if b.scan == nil {
			return
		}
		for at := b.find(k); at < len(b.of); at++ {
			if e := &b.scan.Entries[at]; e.Role != k.role || e.Path != k.path || !yield(at) {
				return
			}
		}
	}
}

// class is what the scan took a file for that lies under the path of spec and is one of tables, as nearly all are. Its path is
// valid then, the role its own, and this what the name alone decides: judge, which the scan has asked as well, would say no other.
func (b *basis) class(spec Spec) (class tree.Class, ok bool) {
	for at := range b.all(key{spec.Role, spec.Path}) {
		switch e := &b.scan.Entries[at]; e.Class {
		case tree.Table, tree.Tablespace, tree.AriaData, tree.MyISAMData, tree.MyISAMMapped:
			return e.Class, !e.Dir && !spec.Dir
		}
	}
	return 0, false
}

// drop takes what get has found out of the basis; id is the entry that claims it, or taken.
func (b *basis) drop(k key, at int, id uint32) {
	if at == nowhere {
		delete(b.later, k)
		return
	}
	b.of[at] = id
}

// inside calls f for everything in the basis below the directory k.
func (b *basis) inside(k key, f func(key, basisFile, int) error) error {
	prefix, at := k.path+"/", 0
	if b.scan != nil {
		at = b.find(key{k.role, prefix})
	}
	for ; at < len(b.of); at++ {
		e := &b.scan.Entries[at]
		if e.Role != k.role || !strings.HasPrefix(e.Path, prefix) {
			break
		}
		if b.of[at] != unclaimed {
			continue
		}
		if err := f(key{e.Role, e.Path}, basisFile{dir: e.Dir, class: e.Class}, at); err != nil {
			return err
		}
	}
	for o, file := range b.later {
		if o.role == k.role && strings.HasPrefix(o.path, prefix) {
			if err := f(o, file, nowhere); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget empties the basis. What the entries of the catalog have claimed is still known.
func (b *basis) forget() {
	for i, id := range b.of {
		if id == unclaimed {
			b.of[i] = taken
		}
	}
	clear(b.later)
}

// path returns the text of a path that the scan has under an index: one string for both.
func (b *basis) path(at int, path string) string {
	if at == nowhere {
		return path
	}
	return b.scan.Entries[at].Path
}

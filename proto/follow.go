package proto

import (
	"os"
	"strings"
	"sync"

	"trireme/engine/tree"
)

// names finds tablespaces that have had another name since the lock: a RENAME changes no page, so what the check after the lock says
// of them is as good as ever. They are known by inode and time of birth; the number alone is another file's as soon as one is dropped.
// It takes some 100 bytes for each tablespace, once a name is missed. Safe for concurrent use.
type names struct {
	d     *donor
	mu    sync.Mutex
	looks int
	now   map[tree.FileID]place
}

type place struct {
	role tree.Role
	path string
}

// mostLooks bounds what names that change all the time, and tables that are dropped, may cost: each look is one at all files.
const mostLooks = 8

// open opens the file of r under the name it has now; nil if it has none, or has changed it again in the meantime.
func (n *names) open(r *row) *tree.Handle {
	if r.ID.Birth == 0 {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for fresh := false; ; fresh = true {
		if at, ok := n.now[r.ID]; ok {
			if f, err := n.d.c.Dirs.Handle(at.role, at.path, os.O_RDONLY, 0); err == nil {
				if now, dropped, err := tree.StatFile(f); err == nil && !dropped && now.ID == r.ID {
					return f
				}
				f.Close()
			}
		}
		if fresh || n.looks == mostLooks || !n.look() {
			return nil
		}
	}
}

// look goes through all names. What it fails at was a name that went meanwhile, or is found by whoever reads in earnest.
func (n *names) look() bool {
	n.looks++
	n.now = map[tree.FileID]place{}
	return nil == n.d.c.Dirs.Walk(n.d.s.ctx, func(_ *tree.Tree, e *tree.Entry) error {
		if !e.Dir && !e.Part && n.d.byLSN(e.Class) {
			n.now[e.ID] = place{e.Role, strings.Clone(e.Path)}
		}
		return nil
	})
}

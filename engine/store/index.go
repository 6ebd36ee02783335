package store

import (
	"hash/maphash"

	"trireme/engine/tree"
)

// index finds entries by role and path. A map would keep each path's header and role a second time; this one keeps
// numbers, some six bytes for each entry, and asks the entries. It is guarded by Store.calls.
type index struct {
	spec  func(id uint32) *Spec
	seed  maphash.Seed // a donor cannot choose paths that collide
	slots []uint32     // id+firstID, or one of the two below; a power of two
	taken int          // slots that are not free, dropped ones included
}

const (
	freeSlot    = 0
	droppedSlot = 1
	firstID     = 2

	firstSlots = 1 << 8
)

func (x *index) init(spec func(id uint32) *Spec) { x.spec, x.seed = spec, maphash.MakeSeed() }

func (x *index) hash(r tree.Role, path string) uint64 {
	return maphash.String(x.seed, path) + uint64(r)*0x9e3779b97f4a7c15
}

// find returns the slot of a path, or one where the search for it ends.
func (x *index) find(r tree.Role, path string) (at uint64, found bool) {
	mask := uint64(len(x.slots) - 1)
	for at = x.hash(r, path) & mask; ; at = (at + 1) & mask {
		switch v := x.slots[at]; v {
		case freeSlot:
			return at, false
		case droppedSlot:
		default:
			if s := x.spec(v - firstID); s.Role == r && s.Path == path {
				return at, true
			}
		}
	}
}

// get returns the id of a path.
func (x *index) get(r tree.Role, path string) (id uint32, ok bool) {
	if x.slots == nil {
		return 0, false
	}
	at, ok := x.find(r, path)
	if !ok {
		return 0, false
	}
	return x.slots[at] - firstID, true
}

// put adds the entry id, whose path must not be there.
func (x *index) put(id uint32) {
	if (x.taken+1)*4 > len(x.slots)*3 {
		x.grow()
	}
	s := x.spec(id)
	at, _ := x.find(s.Role, s.Path)
	x.slots[at] = id + firstID
	x.taken++
}

// grow makes room, and forgets what was dropped.
func (x *index) grow() {
	live := 0
	for _, v := range x.slots {
		if v >= firstID {
			live++
		}
	}
	size := firstSlots
	for size < 2*(live+1) {
		size *= 2
	}
	old := x.slots
	x.slots, x.taken = make([]uint32, size), 0
	for _, v := range old {
		if v >= firstID {
			s := x.spec(v - firstID)
			at, _ := x.find(s.Role, s.Path)
			x.slots[at] = v
			x.taken++
		}
	}
}

// drop takes the entry id out if it is there.
func (x *index) drop(id uint32) {
	s := x.spec(id)
	if x.slots == nil {
		return
	}
	if at, ok := x.find(s.Role, s.Path); ok && x.slots[at] == id+firstID {
		x.slots[at] = droppedSlot
	}
}

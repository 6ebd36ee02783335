package store

import (
	"hash/maphash"

	"trireme/engine/tree"
)

// index finds entries by role and path that were not claimed from the basis, where they are found without. A map would keep each path's header and role a second time; this one keeps
// numbers, some six bytes for each entry, and asks the entries. It is guarded by Store.calls.
type index struct {
	spec  func(id uint32) *Spec
	seed  maphash.Seed // a donor cannot choose paths that collide
	slots []uint32     // id+firstID below a tag, or one of the two below; a power of two
	taken int          // slots that are not free, dropped ones included
}

const (
	freeSlot    = 0
	droppedSlot = 1
	firstID     = 2

	firstSlots = 1 << 8

	// The upper bits of a slot are some of the path's hash, so that asking for another entry, which lies anywhere in memory, is rare.
	idBits = 25
	idMask = 1<<idBits - 1
)

// Every id has room below the tag.
const _ = uint(idMask - (MaxEntries - 1 + firstID))

// tagOf are the bits of a hash that a slot keeps, where it keeps them. The lower bits have chosen the slot.
func tagOf(hash uint64) uint32 { return uint32(hash>>32) &^ idMask }

func (x *index) init(spec func(id uint32) *Spec) { x.spec, x.seed = spec, maphash.MakeSeed() }

func (x *index) hash(r tree.Role, path string) uint64 {
	return maphash.String(x.seed, path) + uint64(r)*0x9e3779b97f4a7c15
}

// find returns the slot of a path, or one where the search for it ends, and the path's tag.
func (x *index) find(r tree.Role, path string) (at uint64, tag uint32, found bool) {
	mask := uint64(len(x.slots) - 1)
	hash := x.hash(r, path)
	tag = tagOf(hash)
	for at = hash & mask; ; at = (at + 1) & mask {
		switch v := x.slots[at]; {
		case v == freeSlot:
			return at, tag, false
		case v == droppedSlot || v&^idMask != tag:
		default:
			if s := x.spec(idIn(v)); s.Role == r && s.Path == path {
				return at, tag, true
			}
		}
	}
}

func idIn(slot uint32) uint32 { return slot&idMask - firstID }

// get returns the id of a path.
func (x *index) get(r tree.Role, path string) (id uint32, ok bool) {
	if x.slots == nil {
		return 0, false
	}
	at, _, ok := x.find(r, path)
	if !ok {
		return 0, false
	}
	return idIn(x.slots[at]), true
}

// put adds the entry id, whose path must not be there.
func (x *index) put(id uint32) {
	if (x.taken+1)*4 > len(x.slots)*3 {
		x.grow()
	}
	s := x.spec(id)
	at, tag, _ := x.find(s.Role, s.Path)
	x.slots[at] = tag | (id + firstID)
	x.taken++
}

func slotsFor(n int) int {
	size := firstSlots
	for size < 2*(n+1) {
		size *= 2
	}
	return size
}

// grow makes room, and forgets what was dropped.
func (x *index) grow() {
	live := 0
	for _, v := range x.slots {
		if v >= firstID {
			live++
		}
	}
	old := x.slots
	x.slots, x.taken = make([]uint32, slotsFor(live)), 0
	for _, v := range old {
		if v >= firstID {
			s := x.spec(idIn(v))
			at, _, _ := x.find(s.Role, s.Path)
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
	if at, _, ok := x.find(s.Role, s.Path); ok && idIn(x.slots[at]) == id {
		x.slots[at] = droppedSlot
	}
}

package store

import "trireme/engine/tree"

// wave orders the keystones for the moments in which they change their names. They
// get their real names wave by wave and lose them in the opposite order.
//
// With some of InnoDB's files under their real names and some not, a server refuses
// to start, and goes on refusing: it uses no mixture, but never comes to the point
// where it would ask for another transfer (consistency 7.2). So these renames follow
// each other without anything between them, and Aria's files, which hold up nobody,
// stay outside. A file system keeps the order of its own renames across a power cut.
// Only where InnoDB's files lie on several does each wave wait for the one before it.
type wave int

const (
	waveAria wave = iota
	waveInnoDB
	waveRedo
)

func waveOf(c tree.Class) wave {
	switch c {
	case tree.AriaLog, tree.AriaControl:
		return waveAria
	case tree.Redo:
		return waveRedo
	}
	return waveInnoDB
}

// devices collects where InnoDB's keystones lie.
type devices map[uint64]struct{}

func (d devices) add(c tree.Class, dev uint64) {
	if waveOf(c) != waveAria {
		d[dev] = struct{}{}
	}
}

// apart says whether InnoDB's keystones lie on more than one file system.
func (d devices) apart() bool { return len(d) > 1 }

package tree

import "strings"

// Names that donor and joiner share. None of them is ever copied.
const (
	// PartSuffix is appended to a keystone's name while the copy is not complete (R-JOIN-3).
	PartSuffix = ".sstpart"
	// MarkerName is the file that says that a transfer is under way.
	MarkerName = "sst_in_progress"
	// JournalName is the engine's own record of the transfer that wrote here last.
	JournalName = "trireme.journal"
)

// SmallFile is the size below which a file is hashed again under the lock without asking for reasons: that is cheaper
// than proving that it did not change (consistency 2.3).
const SmallFile = 1 << 20

// FileID is the identity of a file below one root: inode numbers are used again at once, so the birth time belongs to
// it (R-COPY-5). Birth is 0 where the file system does not know it.
type FileID struct {
	Dev, Ino uint64
	Birth    int64
}

// Entry is one file or directory found by Scan.
// There may be millions of them: the order of the fields leaves no gaps.
type Entry struct {
	// Path is a slash path relative to the role's directory.
	Path string
	// Size is the length in bytes, 0 for directories; Allocated is what the file system says it occupies, a hint.
	Size, Allocated int64
	ID              FileID
	// Mtime and Ctime are nanoseconds since 1970.
	Mtime, Ctime int64
	// Mode holds permission bits only.
	Mode uint32
	// UID and GID are to whom it belongs.
	UID, GID uint32

	Role  Role
	Class Class
	Dir   bool
	// Irregular says that it is neither a file nor a directory: a link, socket, pipe or device.
	Irregular bool
	// Part says that the joiner found the file under its name plus PartSuffix; Path is the real name. A real file
	// and a part of one name may both exist and are then two entries, the real one first.
	Part bool
	// Suspect says that time stamps prove nothing for this file: its class, its place below mysql/, its small size,
	// its file system, or direct access mapping.
	Suspect bool
	// Direct says that the file is mapped without a page cache in between (DAX).
	Direct bool
	// Linked says that the file has other names, here or elsewhere: what is written into it is written there too.
	Linked bool
}

// Sent reports whether a donor sends the entry at all, under the lock or before.
func (e *Entry) Sent() bool { return !e.Part && e.Class.Props().Send != Never }

// Sparse reports whether the file occupies visibly less than its length. It is a hint: delayed allocation,
// compression and shared extents all bend the number (consistency 4).
func (e *Entry) Sparse() bool {
	return !e.Dir && !e.Class.Props().Allocate && e.Allocated+sparseSlack <= e.Size
}

// sparseSlack ignores the rounding of a tail and small preallocation differences.
const sparseSlack = 4096

// Same reports whether both entries are the same unchanged file as far as a stat can say: identity, type, size and
// both times. See consistency 2.3 for what else is needed before the contents count as unchanged.
func (e *Entry) Same(o *Entry) bool {
	return e.ID == o.ID && e.Dir == o.Dir && e.Size == o.Size && e.Mtime == o.Mtime && e.Ctime == o.Ctime
}

// name is the path under which the entry lies on disk.
func (e *Entry) name() string {
	if e.Part {
		return e.Path + PartSuffix
	}
	return e.Path
}

// Before reports whether e comes before o in a Tree.
func (e *Entry) Before(o *Entry) bool { return compareEntries(e, o) < 0 }

// compareEntries orders by role, path and Part. Comparing whole strings puts a directory before what lies in it.
func compareEntries(a, b *Entry) int {
	if a.Role != b.Role {
		return int(a.Role) - int(b.Role)
	}
	if c := strings.Compare(a.Path, b.Path); c != 0 {
		return c
	}
	switch {
	case a.Part == b.Part:
		return 0
	case b.Part:
		return -1
	}
	return 1
}

// Refusal is one reason why this datadir cannot be transferred: where, what is wrong, and what to do about it. Joiner
// says that it forbids receiving into the datadir too; the others concern data that a joiner is about to replace. Unsure says
// that nothing is known against the file, only nothing for it either: a running server may be in the middle of writing it,
// and under the lock it will be whole. Whoever looks before the lock may go on, whoever looks under it may not.
type Refusal struct {
	Path, What, Hint string
	Joiner, Unsure   bool
}

// String returns the refusal as one line.
func (r Refusal) String() string {
	s := r.Path + ": " + r.What
	if r.Hint != "" {
		s += "; " + r.Hint
	}
	return s
}

// FSInfo describes a file system.
type FSInfo struct {
	// Type is the magic number of statfs, Name its usual name or a hexadecimal number.
	Type int64
	Name string
	Dev  uint64
	// ID is what statfs calls the file system, Mount the number of the mount, which the kernel gives once in a boot; 0
	// where it gives none (before Linux 6.8).
	ID, Mount uint64
	// Trusted file systems keep the promises about time stamps that skipping a file relies on.
	Trusted bool
	// CanPunch says that holes can be punched, CanClone that extents can be shared (FICLONE).
	CanPunch, CanClone bool
	// Free and Total are bytes available to this user and in all.
	Free, Total int64
}

// Tree is what Scan found.
type Tree struct {
	// Entries are sorted by (Role, Path, Part) and name every file once.
	Entries  []Entry
	Refusals []Refusal
	Warnings []string
	// At is what the wall clock showed before the scan, in nanoseconds since 1970.
	At int64
	// FS maps each role that is in use to the file system of its directory, Devs every device met on the way.
	FS   map[Role]FSInfo
	Devs map[uint64]FSInfo

	clock int64 // Host.Clock at that time
}

// FSOf returns the file system on which e lies. That is not always the one of its role's directory: a database may be a
// symbolic link or a mount point. Safe for concurrent use as long as nobody changes t.
func (t *Tree) FSOf(e *Entry) FSInfo {
	if info, ok := t.Devs[e.ID.Dev]; ok {
		return info
	}
	return t.FS[e.Role]
}

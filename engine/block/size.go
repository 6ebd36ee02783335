package block

// The grid. The four sizes have four reasons: system call cost, the page of a
// tablespace, the table of digests of everything else, and what file systems
// allocate.
const (
	// Unit is the length of a group and of one read, write and message. Smaller
	// units pay for system calls, larger ones spill the second-level cache.
	Unit = 1 << 20
	// LeafPage is the leaf of tablespaces: the default InnoDB page.
	LeafPage = 16 << 10
	// LeafOther is the leaf of all other files.
	LeafOther = 64 << 10
	// Sector is the grain at which holes are rebuilt.
	Sector = 4 << 10
)

// MaxLeaves is the number of leaf digests one group can have when no leaf is
// smaller than LeafPage.
const MaxLeaves = Unit / LeafPage

package galera

import "context"

// ServerVersion finds out what the server is.
func ServerVersion(ctx context.Context, a Args) (family, series, full string) { return "", "", "" }

// Features are the habits of a server version that change what an SST program does (sst-contract 12).
type Features struct {
	ErrorFile       bool // a failed flush leaves the file sst_error
	FileFirst       bool // tables_flushed appears before InnoDB is frozen (freeze flavour)
	NeedsRedo       bool // the snapshot needs crash recovery: every redo file must be copied
	AriaMoves       bool // the Aria checkpoint goes on under the lock
	BinlogHeld      bool // the binary log is locked until continue
	GTIDDecides     bool // the joiner's final line is its position; elsewhere the data files decide
	ExitCodeChecked bool // a non-zero exit fails the joiner after a good final line
	AuthInAddress   bool // the donor's server accepts an @ in the joiner's address
}

// FeaturesOf returns the habits of a server of family f at version full.
func FeaturesOf(f Family, full string) Features { return Features{} }

package tree

import "strconv"

// Class is the kind of a file or directory. The class decides everything that scanning, comparing and deleting do.
type Class uint8

// The classes. The zero value is not a class.
const (
	System       Class = iota + 1 // system tablespace file named by innodb_data_file_path
	Undo                          // undo001, undo_001
	UndoSpace                     // explicit undo tablespace *.ibu
	Redo                          // ib_logfileN, #innodb_redo/#ib_redoN
	RedoDir                       // #innodb_redo
	TruncateLog                   // undo_N_trunc.log, ib_N_N_trunc.log: a truncation that recovery must finish
	Doublewrite                   // #ib_*.dblwr
	Dictionary                    // mysql.ibd of MySQL 8
	Tablespace                    // *.ibd
	AriaData                      // *.MAI, *.MAD
	AriaLog                       // aria_log.NNNNNNNN
	AriaControl                   // aria_log_control
	MyISAMData                    // *.MYD, *.MYI
	MyISAMMapped                  // *.MYD that the server may have mapped
	LogTable                      // mysql/general_log.*, mysql/slow_log.*: they grow under the lock
	Table                         // any other file in a database directory
	Database                      // directory at the top of the datadir
	Directory                     // directory further down
	Binlog                        // a binary log that is sent
	OldBinlog                     // a binary log that is not among the newest
	BinlogIndex                   // the list of binary logs
	Debris                        // #sql-* left by a crashed DDL; the dictionary may name it
	Temp                          // ibtmp*, #innodb_temp, internal temporary tables
	Stale                         // logs and notes of a past life that harm new data
	Marker                        // our own marker and journal
	Private                       // belongs to this node: identity, keys, provider state, logs, sockets
	Kept                          // protected by Layout.Keep
	RootDir                       // the directory of another role, walked in its own right
	Special                       // a symbolic link, device, socket or pipe among tables
	Unsupported                   // data of an engine that cannot be copied as files
	Foreign                       // a top-level file that nothing here knows
	numClasses
)

// Send says when a donor sends the files of a class.
type Send uint8

// Live files are sent in every pass, Locked ones only while the server is locked, Never ones not at all.
const (
	Live Send = iota + 1
	Locked
	Never
)

// Fate says what happens on the joiner to a file that the donor did not send.
type Fate uint8

// Mirror files are removed when the donor has none, Remove files go before commit in any case, Keep files are never
// touched.
const (
	Mirror Fate = iota + 1
	Remove
	Keep
)

// The sizes of a comparison leaf: pages of InnoDB are 16 KiB, other files change in larger pieces.
const (
	leafPage  = 16 << 10
	leafOther = 64 << 10
)

// Props are the properties of a class.
type Props struct {
	// Name is the class in messages and logs.
	Name string
	// Send and Joiner say what the donor and the joiner do.
	Send   Send
	Joiner Fate
	// Keystone files make a server startable; they have their real names only after commit (R-JOIN-3).
	Keystone bool
	// Role is the home of the class; 0 means any directory in which such a file may lie.
	Role Role
	// Order is the place in the locked pass (R-COPY-4): 0 tables and tablespaces, 1 Aria tables, 2 Aria logs,
	// 3 the Aria control file, 4 redo.
	Order uint8
	// Suspect files are hashed again under the lock whatever their time stamps say (consistency 2.3).
	Suspect bool
	// Allocate files are never sparse: InnoDB must not run out of space inside them (R-HOLE-2).
	Allocate bool
	// Leaf is the comparison unit in bytes.
	Leaf int
}

// table is the one table of R-COPY-9. An entry without a leaf gets leafOther.
var table = [numClasses]Props{
	System:       {Name: "system tablespace", Send: Live, Joiner: Mirror, Keystone: true, Role: RoleInnoDBHome, Suspect: true, Allocate: true, Leaf: leafPage},
	Undo:         {Name: "undo tablespace", Send: Live, Joiner: Mirror, Keystone: true, Role: RoleUndo, Suspect: true, Allocate: true, Leaf: leafPage},
	UndoSpace:    {Name: "explicit undo tablespace", Send: Live, Joiner: Mirror, Suspect: true, Allocate: true, Leaf: leafPage},
	Redo:         {Name: "redo log", Send: Live, Joiner: Mirror, Keystone: true, Role: RoleRedo, Order: 4, Suspect: true, Allocate: true},
	RedoDir:      {Name: "redo log directory", Send: Live, Joiner: Mirror, Role: RoleRedo, Order: 4},
	TruncateLog:  {Name: "truncation log", Send: Locked, Joiner: Mirror, Role: RoleRedo, Suspect: true},
	Doublewrite:  {Name: "doublewrite file", Send: Live, Joiner: Mirror, Suspect: true, Leaf: leafPage},
	Dictionary:   {Name: "data dictionary", Send: Live, Joiner: Mirror, Keystone: true, Role: RoleData, Suspect: true, Leaf: leafPage},
	Tablespace:   {Name: "tablespace", Send: Live, Joiner: Mirror, Role: RoleData, Leaf: leafPage},
	AriaData:     {Name: "Aria table", Send: Live, Joiner: Mirror, Role: RoleData, Order: 1},
	AriaLog:      {Name: "Aria log", Send: Live, Joiner: Mirror, Keystone: true, Role: RoleAria, Order: 2, Suspect: true},
	AriaControl:  {Name: "Aria control file", Send: Live, Joiner: Mirror, Keystone: true, Role: RoleAria, Order: 3, Suspect: true},
	MyISAMData:   {Name: "MyISAM table", Send: Live, Joiner: Mirror, Role: RoleData},
	MyISAMMapped: {Name: "mapped MyISAM table", Send: Live, Joiner: Mirror, Role: RoleData, Suspect: true},
	LogTable:     {Name: "log table", Send: Live, Joiner: Mirror, Role: RoleData, Suspect: true},
	Table:        {Name: "table file", Send: Live, Joiner: Mirror, Role: RoleData},
	Database:     {Name: "database", Send: Live, Joiner: Mirror, Role: RoleData},
	Directory:    {Name: "directory", Send: Live, Joiner: Mirror},
	Binlog:       {Name: "binary log", Send: Locked, Joiner: Mirror, Role: RoleBinlog, Suspect: true},
	OldBinlog:    {Name: "old binary log", Send: Never, Joiner: Mirror, Role: RoleBinlog},
	// The joiner writes an index of its own: names and directories in the donor's mean nothing there.
	BinlogIndex: {Name: "binary log index", Send: Never, Joiner: Mirror, Role: RoleBinlog},
	Debris:      {Name: "debris of a DDL statement", Send: Locked, Joiner: Mirror, Role: RoleData, Suspect: true},
	Temp:        {Name: "temporary file", Send: Never, Joiner: Remove},
	Stale:       {Name: "stale file", Send: Never, Joiner: Remove},
	Marker:      {Name: "marker", Send: Never, Joiner: Keep},
	Private:     {Name: "private file", Send: Never, Joiner: Keep},
	Kept:        {Name: "kept file", Send: Never, Joiner: Keep},
	RootDir:     {Name: "directory of another role", Send: Never, Joiner: Keep},
	Special:     {Name: "special file", Send: Never, Joiner: Remove},
	Unsupported: {Name: "unsupported engine", Send: Never, Joiner: Keep},
	Foreign:     {Name: "foreign file", Send: Never, Joiner: Keep},
}

// Props returns the properties of c. A number that is no class has those of Foreign: never sent, never touched.
func (c Class) Props() Props {
	if c == 0 || c >= numClasses {
		c = Foreign
	}
	p := table[c]
	if p.Leaf == 0 {
		p.Leaf = leafOther
	}
	return p
}

// String returns the name of the class.
func (c Class) String() string {
	if c == 0 || c >= numClasses {
		return "class(" + strconv.Itoa(int(c)) + ")"
	}
	return table[c].Name
}

package tree

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Role says which configured directory a file belongs to. Donor and joiner match files by role and relative path;
// the directories behind a role may differ between them.
type Role uint8

// The numbers are part of the wire format and never change.
const (
	RoleData       Role = 1 // datadir
	RoleInnoDBHome Role = 2 // innodb_data_home_dir
	RoleRedo       Role = 3 // innodb_log_group_home_dir
	RoleUndo       Role = 4 // innodb_undo_directory
	RoleAria       Role = 5 // aria_log_dir_path
	RoleBinlog     Role = 6 // the directory part of log_bin
)

// Roles lists every role in ascending order.
var Roles = [...]Role{RoleData, RoleInnoDBHome, RoleRedo, RoleUndo, RoleAria, RoleBinlog}

var roleInfo = map[Role]struct{ name, option string }{
	RoleData:       {"data", "datadir"},
	RoleInnoDBHome: {"innodb-home", "innodb_data_home_dir"},
	RoleRedo:       {"redo", "innodb_log_group_home_dir"},
	RoleUndo:       {"undo", "innodb_undo_directory"},
	RoleAria:       {"aria", "aria_log_dir_path"},
	RoleBinlog:     {"binlog", "log_bin"},
}

// Valid reports whether r is one of the defined roles.
func (r Role) Valid() bool { return r >= RoleData && r <= RoleBinlog }

// String returns a short name for messages; an undefined role gives "role(N)".
func (r Role) String() string {
	if !r.Valid() {
		return "role(" + strconv.Itoa(int(r)) + ")"
	}
	return roleInfo[r].name
}

// Option returns the server option that sets the directory of r, for messages.
func (r Role) Option() string { return roleInfo[r].option }

// Layout describes one node's directories. The zero value of a field means what its comment says. A Layout is not
// modified by this package and must not be modified by the caller once it was given to Open.
type Layout struct {
	// Data is the datadir, absolute. The other directories are absolute too, or empty.
	Data string
	// InnoDBHome, Redo, Undo and Aria default to Data when empty.
	InnoDBHome, Redo, Undo, Aria string
	// Binlog is the directory of the binary logs; empty means that binary logging is off and that no file counts
	// as a binary log.
	Binlog string
	// SystemFiles are the names in innodb_data_file_path without their sizes, relative to InnoDBHome (a name may
	// contain directories) or absolute below it; nil means ibdata1. When the server's list is spread over several
	// absolute directories, set InnoDBHome to a directory above all of them: that directory itself is never walked
	// unless it is also the datadir.
	SystemFiles []string
	// BinlogBase and BinlogIndex are file names, not paths: "mysql-bin" and "mysql-bin.index". An empty index name
	// means BinlogBase + ".index".
	BinlogBase, BinlogIndex string
	// RelayBase is the base name of relay logs; names of the form *-relay-bin.* count as relay logs in any case.
	RelayBase string
	// MaxBinlogs is the number of newest binary logs that a donor sends: 0 none, negative all. A joiner sets -1, so
	// that it does not judge what a donor with another setting has sent.
	MaxBinlogs int
	// Keep are patterns of paths that a joiner's cleaning leaves alone, matched on absolute paths. They protect
	// databases and the files in them; stale logs and the files that make a server startable cannot be kept, because
	// old ones beside new data destroy it (R-JOIN-4). A donor leaves Keep empty.
	Keep []*regexp.Regexp
	// Own are absolute paths of files that belong to this node alone, whatever they are called and wherever below the datadir options have put
	// them: logs, Galera's cache, keys.
	Own []string
	// Identity says that auto.cnf travels like a table's file, because the node moves and is not cloned. Donor and
	// joiner must have the same here.
	Identity bool
	// MyISAMMmap says that the server maps MyISAM data files, or that nobody knows: stores through a mapping do not
	// move time stamps, so these files are compared again under the lock (consistency 2.1).
	MyISAMMmap bool
}

// Dir returns the directory of a role as configured, with the defaults applied; "" for a binlog directory that is off
// and for an undefined role.
func (l *Layout) Dir(r Role) string {
	dir := ""
	switch r {
	case RoleData:
		dir = l.Data
	case RoleInnoDBHome:
		dir = l.InnoDBHome
	case RoleRedo:
		dir = l.Redo
	case RoleUndo:
		dir = l.Undo
	case RoleAria:
		dir = l.Aria
	case RoleBinlog:
		if l.Binlog == "" {
			return ""
		}
		return filepath.Clean(l.Binlog)
	default:
		return ""
	}
	if dir == "" {
		dir = l.Data
	}
	if dir == "" {
		return ""
	}
	return filepath.Clean(dir)
}

// systemNames returns SystemFiles as slash paths relative to InnoDBHome. Names that cannot be expressed so (absolute
// elsewhere, or leaving the directory) are left out here and refused by Scan.
func (l *Layout) systemNames() []string {
	if l.SystemFiles == nil {
		return []string{"ibdata1"}
	}
	names := make([]string, 0, len(l.SystemFiles))
	for _, f := range l.SystemFiles {
		if name, ok := l.systemName(f); ok {
			names = append(names, name)
		}
	}
	return names
}

func (l *Layout) systemName(f string) (string, bool) {
	if filepath.IsAbs(f) {
		rel, err := filepath.Rel(l.Dir(RoleInnoDBHome), f)
		if err != nil {
			return "", false
		}
		f = rel
	}
	name := filepath.ToSlash(filepath.Clean(f))
	return name, ValidPath(name) == nil
}

// below reports the slash path of dir relative to parent when dir lies strictly below it.
func below(parent, dir string) (string, bool) {
	if parent == "" || dir == "" || parent == dir {
		return "", false
	}
	prefix := parent
	if !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return strings.CutPrefix(dir, prefix)
}

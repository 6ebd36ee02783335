package tree

import (
	"regexp"
	"strings"
)

// The names at the top of a role's directory. Exact names and patterns stand apart because the lists are long and are
// looked up for every file there; files inside databases never reach them.
var (
	undoName     = regexp.MustCompile(`^undo_?\d{3}$`)
	redoName     = regexp.MustCompile(`^ib_logfile(0|[1-9]\d{0,2})$`)
	redoDirName  = regexp.MustCompile(`^#ib_redo\d{1,19}$`)
	truncateName = regexp.MustCompile(`^(undo|ib)_\d+(_\d+)?_trunc\.log$`)
	dblwrName    = regexp.MustCompile(`^#ib_\d+_\d+\.b?dblwr$`)
	ariaLogName  = regexp.MustCompile(`^aria_log\.\d{8}$`)
	sequenceExt  = regexp.MustCompile(`^(.+)\.\d{6,10}$`)
	systemLike   = regexp.MustCompile(`^ibdata\d+$`)
)

// redoResizeName is the log that a server is resizing into (10.9+) or creating; startup deletes it (consistency 1.3).
const redoResizeName = "ib_logfile101"

// identityName is the file in which a MySQL server keeps its UUID.
const identityName = "auto.cnf"

// StatusName is the file in a datadir in which a transfer says how it stands.
const StatusName = "trireme-status.json"

// ManifestName is the file in which a joiner keeps what its copy was made of, and ManifestPart the same while it is written.
const (
	ManifestName = "trireme-manifest.bin"
	ManifestPart = ".trireme-manifest.bin.tmp" // private by its first character
)

// staleNames harm data they do not belong to: recovery replays ddl_recovery.log, tc.log and ddl_log.log onto it, the
// upgrade notes hide a needed upgrade, and notes of earlier transfers mislead scripts (R-JOIN-4, sst-contract 8.3, 8.6).
var staleNames = set(
	"ddl_recovery.log", "ddl_recovery-backup.log", "ddl_log.log", "tc.log",
	"sst_error", "wsrep_sst_binlog.tar",
	"xtrabackup_galera_info", "xtrabackup_ist", "donor_galera_info", "mariadb_backup_galera_info",
	"rsync_sst.pid", "rsync_sst.conf",
)

var stalePattern = regexp.MustCompile(`^tables_flushed|upgrade_info$|_sst_complete$`)

// privateNames and privatePattern belong to this node alone: its identity, the provider's state, keys and
// certificates, logs and sockets of running processes, replication set-up (consistency 1.5, sst-contract 8.3).
var privateNames = set(
	identityName, StatusName, ManifestName, "mysqld-auto.cnf", "grastate.dat", "gvwstate.dat", "galera.cache",
	"master.info", "relay-log.info", "multi-master.info", "wsrep_sst.pid", "donor-keyring", "keyring",
	"ib_lru_dump", "RPM_UPGRADE_MARKER", "RPM_UPGRADE_HISTORY", "mysql_upgrade_history", "lost+found", "sst-xb-tmpdir",
)

var privatePattern = regexp.MustCompile(`^(gcache\.page\.|master-.*\.info$|relay-log-.*\.info$|ib_buffer_pool|innodb_status\.|` +
	`wsrep_recovery|debian-.*\.flag$|keyring|component_keyring|keyring-|aws-kms-key)|` +
	`\.(pem|key|crt|csr|srl|p12|pid|sock|lock|err|log|cnf|conf)$|\.(err|log)[.-]`)

// hostDirs are directories at the top of a datadir that are no databases although their names could be.
var hostDirs = set("lost+found", "sst-xb-tmpdir")

// reservedDirs are names that files of this node have at the top of a datadir and that a database could have as well:
// all their characters are legal in one. A directory so called is nobody's database here, because a peer that sends one
// would have it in the place of that file (R-JOIN-2). Only whole names stand here: a database may well be called
// keyring_app or begin with wsrep_recovery.
var reservedDirs = set(
	MarkerName, "ib_buffer_pool", "ib_lru_dump", "tables_flushed", "sst_error", "rsync_sst_complete",
	"mysql_upgrade_info", "mariadb_upgrade_info", "mysql_upgrade_history", "RPM_UPGRADE_MARKER", "RPM_UPGRADE_HISTORY",
	"xtrabackup_galera_info", "xtrabackup_ist", "donor_galera_info", "mariadb_backup_galera_info",
)

// keyExt are the endings of keys and certificates: they belong to this node wherever in the datadir they lie.
var keyExt = [...]string{".pem", ".key", ".crt", ".p12", ".pfx"}

// keyFirst are the letters with which they begin.
const keyFirst = "pkcPKC"

// isKey says whether an ending is one of them, however it is written.
func isKey(ext string) bool {
	if len(ext) != len(keyExt[0]) || !strings.Contains(keyFirst, ext[1:2]) {
		return false // of nearly all files
	}
	for _, k := range keyExt {
		if strings.EqualFold(ext, k) {
			return true
		}
	}
	return false
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// providerName reports whether name is that of a file in which Galera keeps a node's own state, wherever options put it: no table can have
// it.
func providerName(name string) bool {
	switch name {
	case "grastate.dat", "gvwstate.dat", "galera.cache":
		return true
	}
	return strings.HasPrefix(name, "gcache.page.")
}

// relayExt are the endings of relay logs and of what lies beside them.
var relayExt = regexp.MustCompile(`^\.(\d{6,10}|index|info)$`)

// isRelayLog is isRelay for a name among those of tables: relay_log may have the name of one.
func (l *Layout) isRelayLog(name string) bool {
	if rest, ok := strings.CutPrefix(name, l.RelayBase); ok && l.RelayBase != "" {
		return relayExt.MatchString(rest) || strings.HasPrefix(rest, "-")
	}
	return l.isRelay(name)
}

// isRelay reports whether name is a relay log or a file beside one.
func (l *Layout) isRelay(name string) bool {
	if l.RelayBase != "" {
		if rest, ok := strings.CutPrefix(name, l.RelayBase); ok && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "-")) {
			return true
		}
	}
	i := strings.Index(name, "-relay-bin")
	if i <= 0 {
		return false
	}
	rest := name[i+len("-relay-bin"):]
	return strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "-")
}

// unsupportedName returns the engine whose data a name gives away, or "".
func unsupportedName(name string, isDir bool) string {
	switch {
	case isDir && (name == "#rocksdb" || name == ".rocksdb"):
		return "MyRocks"
	case strings.HasPrefix(name, "tokudb.") || strings.HasSuffix(name, ".tokudb") || strings.Contains(name, ".tokulog") ||
		strings.HasPrefix(name, "__tokudb_lock"):
		return "TokuDB"
	case !isDir && (strings.HasSuffix(name, ".mrn") || strings.Contains(name, ".mrn.")):
		return "Mroonga"
	}
	return ""
}

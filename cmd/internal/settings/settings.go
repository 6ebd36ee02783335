package settings

import (
	"regexp"
	"strings"
	"time"

	"trireme/cmd/internal/mycnf"
)

// Method is the name under which the server called us; it decides which option rules hold.
type Method uint8

// The methods. All use the same engine.
const (
	MethodTrireme     Method = 1 // our own name
	MethodTunnel      Method = 2 // rsync_tunnel: only its t* options count
	MethodSecureRsync Method = 3 // secure_rsync: a directory with fixed certificate names
)

// String gives the method as in wsrep_sst_method.
func (m Method) String() string {
	switch m {
	case MethodTunnel:
		return "rsync_tunnel"
	case MethodSecureRsync:
		return "secure_rsync"
	}
	return "trireme"
}

// MethodOf picks the option rules of the method the program is installed as.
func MethodOf(name string) Method {
	switch strings.TrimSuffix(name, "_wan") {
	case "rsync_tunnel":
		return MethodTunnel
	case "secure_rsync":
		return MethodSecureRsync
	}
	return MethodTrireme
}

// Role is the side of the transfer this process is on.
type Role uint8

// The roles.
const (
	Joiner Role = 1 // receives, listens
	Donor  Role = 2 // sends, connects
)

// String gives the role as in --role.
func (r Role) String() string {
	if r == Donor {
		return "donor"
	}
	return "joiner"
}

// Origins that are not a place in a file.
const (
	OriginFlag       = "command line"
	OriginArgument   = "argument"
	OriginMysqldArgs = "command line (--mysqld-args)"
	OriginEnv        = "environment"
	OriginDefault    = "default"
)

// Setting is one value and where it came from. The zero value means that it was not set.
type Setting struct{ Name, Value, Origin string }

// IsSet reports whether the value was given anywhere.
func (s Setting) IsSet() bool { return s.Name != "" }

// Input is everything Resolve looks at. Nothing in it is changed.
type Input struct {
	Method        Method              // zero means MethodTrireme
	WAN           bool                // the method name ended in _wan: spend processor to save line
	Role          Role                // zero means Joiner
	PXC           bool                // called by Percona XtraDB Cluster: that script's groups and defaults
	ServerVersion string              // "10.11"; decides the versioned groups. Empty: those are left out
	Files         *mycnf.File         // nil means no option files
	Defaults      *mycnf.File         // MethodTunnel, server started with --defaults-file: the default locations, where that script looked; else nil
	MysqldArgs    []string            // the server's argv[1:], after --mysqld-args
	Env           func(string) string // nil means an empty environment
	Datadir       string              // --datadir
	Binlog        string              // --binlog
	BinlogIndex   string              // --binlog-index
	Arguments     map[string]string   // other server options given to us directly, by their server name
	Auth          string              // user:password received on standard input; beats the environment
	CPUs          int                 // what backup-threads=0 stands for; 0 counts as 1
	Flags         map[string]string   // our own flags, by their name in the group [trireme]

	defaultsErr error // why Defaults could not be read
}

// SystemFile is one entry of innodb_data_file_path.
type SystemFile struct {
	Name       string // relative to the InnoDB home unless absolute
	Size       int64  // bytes
	AutoExtend bool
	Raw        bool // a raw device; Resolve rejects it
}

// Settings is the result of Resolve. Directories and file names are absolute and clean.
type Settings struct {
	Method Method
	Role   Role

	Datadir, InnoDBHome, RedoDir, UndoDir, AriaDir, TmpDir string

	WsrepDataHome string   // holds grastate.dat and gvwstate.dat
	GCacheDir     string   // holds gcache.page.* files
	OwnFiles      []string // the provider's cache, logs and key files: they belong to this node wherever they lie
	GCacheFile    string   // galera.cache, or what gcache.name says
	RecvQueueMax  int64    // gcs.recv_q_hard_limit, bytes; 0 when it is not set

	// GroupTLS says whether wsrep_provider_options encrypt the cluster's own traffic, which carries the secret of
	// every state request. It is not used by a transfer.
	GroupTLS bool

	InnoDBDirs   []string // innodb_directories: where MySQL 8 looks for further tablespaces
	SystemFiles  []SystemFile
	BinlogBase   string // without extension; empty when log-bin is off
	BinlogIndex  string // empty when log-bin is off
	RelayLogBase string

	// MaxBinlogs is the number of newest binary logs to ship: 0 none, -1 all. The stock default
	// was 1; shipping a freshly rotated log can give duplicate GTIDs (consistency 6), so ours is 0.
	MaxBinlogs int

	PageSize            int // bytes
	LowerCaseTableNames int
	EncryptionPlugin    string // at rest; empty when none is configured
	EncryptionKeyFile   string
	KeyringFile         string // keyring_file_data; empty when no keyring file is configured
	VaultConfig         string // keyring_vault_config; empty when no vault is configured
	BaseDir, PluginDir  string // where the server's program and plugins lie; empty when not written down
	MyISAMUseMmap       bool
	BufferPool          int64 // bytes of pages that InnoDB keeps in memory
	Debug               bool  // wsrep-debug

	TLS TLS

	InitialTimeout time.Duration // wait for the first contact; 0 means without limit
	IdleTimeout    time.Duration // longest time without progress; 0 means without limit
	IdleTimeoutSet bool          // somebody wrote it down
	DonorTimeout   time.Duration // the donor's limit for reaching the joiner
	Reconnect      time.Duration // how long a lost connection is tried again; 0 means never
	ReconnectFrom  string        // the same with its origin, for errors

	RateLimit     int64 // bytes per second; 0 means none
	Streams       int   // most data connections: the lower of streams and backup-threads, where they are set; 0 means automatic
	Compress      string
	CompressLevel int    // zstd level asked for by a compressor command; 0 means the codec's own
	Transport     string // tls, quic or auto; empty when not set, which is tls at the joiner and whatever the joiner offers at the donor
	Delta         string
	Verify        string
	Paranoid      bool
	Manifest      string // auto or off; for transfers by hand

	LockTarget time.Duration
	LockMax    time.Duration // 0 means without limit
	Passes     int           // most live passes; 0 means everything is sent under the lock
	PassesTime time.Duration // 0 means without limit

	Keep         []*regexp.Regexp // from cpat; each is anchored and meant for the whole path
	ProgressFile string
	ProgressOff  bool
	LogFormat    string
	StatusFile   string // empty: the usual one in the datadir
	StatusOff    bool   // no status file at all
	MetricsFile  string
	Syslog       bool
	SyslogTag    string

	ExtraAddress string // HOST:PORT of the server for such questions; empty: its socket

	// Credentials for optional questions to the donor's server. Never logged, not in Table.
	SQLUser, SQLPassword string

	sock  SockOpts
	table []Setting
}

// Table returns every resolved value with its origin, in a fixed order and without secrets. The slice is the caller's.
func (s *Settings) Table() []Setting { return append([]Setting(nil), s.table...) }

// SockOpts returns the socket options taken from sockopt.
func (s *Settings) SockOpts() SockOpts { return s.sock }

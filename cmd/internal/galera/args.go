package galera

import "errors"

// Roles of an SST program.
const (
	RoleJoiner = "joiner"
	RoleDonor  = "donor"
)

// Defaults are the option files that the server itself was told to read; empty means that it was not told.
type Defaults struct {
	File        string // --defaults-file
	ExtraFile   string // --defaults-extra-file
	GroupSuffix string // --defaults-group-suffix
}

// Args is the command line of one call by the server. Fields that the server did not give are zero.
type Args struct {
	Role          string // RoleJoiner or RoleDonor
	Address       string // joiner: what to advertise; donor: what the joiner's ready line said
	Datadir       string // absolute, usually with a trailing slash
	Defaults      Defaults
	NoDefaults    bool   // the server was started with --no-defaults
	Parent        int    // pid of the server; joiner only, 0 when not given
	Progress      bool   // value of --progress
	ProgressKnown bool   // --progress was among the options at all
	LocalPort     string // donor's own client port
	Socket        string // donor's own client socket
	GTID          string // uuid:seqno; position to report for a bypass
	GTIDDomain    string // wsrep_gtid_domain_id
	HasDomain     bool   // --gtid-domain-id was given
	LocalGTID     string // Codership 8.0: the server's own uuid:seqno
	ServerID      string // Codership 8.0
	Binlog        string // base name of the binary log; empty when the log is off
	BinlogIndex   string
	Bypass        bool     // an IST follows, no data is sent
	MysqldArgs    []string // the server's own words after its program name, unparsed
	Host          string   // --host; only by hand
	Port          string   // --port; must not contradict the address
	Auth          string   // --auth user:password, Codership 5.7; a secret
	User          string   // --user; only by hand
	Password      string   // --password; only by hand, a secret
	MysqldVersion string   // --mysqld-version
	Basedir       string
	PluginDir     string
	Unknown       []string // options that no known server emits, with their values; may hold secrets
	Family        Family
}

// ParseArgs reads the words after the program name.
func ParseArgs(argv []string) (Args, error) { return Args{}, errors.ErrUnsupported }

// MayReportProgress says whether the server wants and understands total and complete lines.
func (a Args) MayReportProgress() bool { return false }

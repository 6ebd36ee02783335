package serveremul

import (
	"os"
	"time"
)

// Options are the settings of the emulated server and the test's hooks into it. The zero value of a field means that the
// server does not have the setting.
type Options struct {
	Datadir     string // existing directory; passed with a trailing slash
	Address     string // joiner: what to advertise; donor: the address of the joiner's ready line
	Method      string // wsrep_sst_method, "" = trireme
	Allowed     []string
	Bypass      bool
	GTID        string // uuid:seqno
	Domain      string // wsrep_gtid_domain_id, "" = 0
	Progress    bool   // wsrep_debug
	Auth        string // wsrep_sst_auth
	Socket      string // "" = DATADIR/mysqld.sock
	LocalPort   int    // 0 = 3306
	Binlog      string
	BinlogIndex string
	MysqldArgs  []string

	DefaultsFile        string
	DefaultsExtraFile   string
	DefaultsGroupSuffix string

	InnoDBDataHome string   // INNODB_DATA_HOME_DIR
	PATH           string   // a directory that comes first in the program's PATH
	Env            []string // more of the server's environment
	Stdin          *os.File // what the server itself has there, where it is inherited; nil = /dev/null
	ExtraArgs      []string // words that no known server emits, put before --mysqld-args

	// OnFlush runs while the server takes the global read lock. It returns the position to report, "" = GTID, or the
	// error that makes the flush fail.
	OnFlush func() (position string, err error)
	// First is the position of the first of two versions, "" = the same as the second.
	First string
	// SecondDelay lies between the two versions.
	SecondDelay time.Duration
	// Freeze runs when InnoDB stops, before or after the report as the profile has it, and Thaw when it goes on.
	Freeze func()
	Thaw   func()
	// OnLine sees every line when it was read, before the server acts on it.
	OnLine func(line string)

	// Mortal runs a stand-in for the server between the test and the program, so that KillServer can end it. It needs
	// a call of Main at the top of the package's TestMain.
	Mortal bool
	// Server is the program of the stand-in, for a program under test that asks its server for the version: a file of another
	// name, with the content of the test's own. "" = the test's own. It makes sense with Mortal only.
	Server string
	// Tolerate records violations without failing the test.
	Tolerate bool
	// Timeout kills everything, 0 = one minute.
	Timeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.Method == "" {
		o.Method = "trireme"
	}
	if o.Domain == "" {
		o.Domain = "0"
	}
	if o.Socket == "" {
		o.Socket = o.Datadir + "/mysqld.sock"
	}
	if o.LocalPort == 0 {
		o.LocalPort = 3306
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Allowed == nil {
		o.Allowed = []string{o.Method}
	}
	return o
}

// Lock is one lock window of a donor.
type Lock struct {
	Position  string    // what the server reported last
	Requested time.Time // flush tables was read
	Reported  time.Time // the last version of the report was in place; zero when the flush failed
	Released  time.Time // continue was read, or the conversation ended
	Continued bool      // by continue
}

// Result is what the server makes of the program.
type Result struct {
	Ready      string   // joiner: address of the ready line
	Line       string   // joiner: the final line
	Done       string   // donor: what followed done
	Locks      []Lock   // donor
	Progress   []string // total and complete lines
	Err        error    // why the server says that the transfer failed
	ExitCode   int      // of the program; -1 when a signal ended it or the server was killed before
	Violations []string
	Leftovers  []string // the server's answer files that the donor left in the datadir
	Stderr     string
}

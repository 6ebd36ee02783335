package serveremul

// AddressRule says how a donor's server validates the state request it got from the joiner's.
type AddressRule uint8

const (
	// AddressAny checks nothing.
	AddressAny AddressRule = iota
	// AddressNoAuth is the alphabet of early MariaDB, without @.
	AddressNoAuth
	// AddressAuth is the same alphabet after the last @; what stands before it is split off.
	AddressAuth
	// AddressPXC is a word alphabet without @, and the method must be allowed by name.
	AddressPXC
)

// Profile is what one server version does differently from the others.
type Profile struct {
	Name    string
	Family  string // mariadb, codership57, codership80, pxc
	Version string

	// Command line.
	PassProgress  bool // --progress
	PassLocalPort bool // --local-port
	PassParent    bool // --parent for joiners
	PassDomain    bool // --gtid-domain-id
	PassMysqld    bool // --mysqld-args

	// Channels.
	EnvAuth     bool // WSREP_SST_OPT_AUTH in the environment
	ArgAuth     bool // --auth on the command line
	DonorStdin  bool // credentials through a pipe
	JoinerStdin bool // a pipe that ends at once
	StderrPipe  bool // standard error is read in pieces of 1024 bytes

	// Reading.
	Reports      bool // total and complete lines are understood
	DonorBuffer  int  // bytes, terminator included
	JoinerBuffer int
	Address      AddressRule
	ExitChecked  bool // a joiner's exit code counts after its final line

	// Lock.
	ErrorFile  bool // sst_error after a failed flush
	FileFirst  bool // tables_flushed before the freeze
	Twice      bool // tables_flushed is written, then replaced
	LocalGTIDs bool // Codership 8.0's longer position

	// Process.
	KeepReadEnd bool // the program inherits the reading end of its own standard output
	OwnSession  bool // setsid, and the server can cancel the program
}

// Profiles are the servers that are known, oldest first. The table is sst-contract 12 and 2.1 in code.
var Profiles = []Profile{
	mariadb("M10.3", "10.3.34-MariaDB", func(p *Profile) {
		p.FileFirst, p.Twice, p.Address = true, false, AddressNoAuth
		p.PassProgress, p.PassLocalPort, p.Reports = false, false, false
	}),
	mariadb("M10.4e", "10.4.18-MariaDB", func(p *Profile) {
		p.FileFirst, p.Address = true, AddressNoAuth
		p.PassProgress, p.PassLocalPort, p.Reports = false, false, false
	}),
	mariadb("M10.5", "10.5.23-MariaDB", func(*Profile) {}),
	mariadb("M10.11", "10.11.19-MariaDB", func(*Profile) {}),
	mariadb("M11.8", "11.8.6-MariaDB", func(p *Profile) {
		p.EnvAuth, p.DonorStdin, p.KeepReadEnd = false, true, false
	}),
	{
		Name: "W57", Family: "codership57", Version: "5.7.33",
		PassParent: true, ArgAuth: true,
		DonorBuffer: 128, JoinerBuffer: 512, Address: AddressAny, ExitChecked: true,
		FileFirst: true, KeepReadEnd: true,
	},
	{
		Name: "W80", Family: "codership80", Version: "8.0.32-26.14",
		PassParent: true, PassLocalPort: true, EnvAuth: true,
		Reports: true, DonorBuffer: 128, JoinerBuffer: 512, Address: AddressAuth,
		ErrorFile: true, LocalGTIDs: true, KeepReadEnd: true,
	},
	{
		Name: "PXC", Family: "pxc", Version: "8.0.36-28.1",
		PassParent: true, DonorStdin: true, JoinerStdin: true, StderrPipe: true,
		DonorBuffer: 1024, JoinerBuffer: 512, Address: AddressPXC, ExitChecked: true,
		FileFirst: true, OwnSession: true,
	},
}

// mariadb returns the profile of MariaDB 10.11 under another name, changed by edit.
func mariadb(name, version string, edit func(*Profile)) Profile {
	p := Profile{
		Name: name, Family: "mariadb", Version: version,
		PassProgress: true, PassLocalPort: true, PassParent: true, PassDomain: true, PassMysqld: true,
		EnvAuth: true, Reports: true, DonorBuffer: 128, JoinerBuffer: 512, Address: AddressAuth,
		ErrorFile: true, Twice: true, KeepReadEnd: true,
	}
	edit(&p)
	return p
}

// ByName returns the profile of that name and panics when there is none: the name is a constant of a test.
func ByName(name string) Profile {
	for _, p := range Profiles {
		if p.Name == name {
			return p
		}
	}
	panic("serveremul: no profile " + name)
}

package galera

import (
	"strconv"
	"strings"
)

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
	MysqldArgs    []string // the server's own words after its program name, unparsed; shares the array of argv
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

// ParseArgs reads the words after the program name. "--opt value" and "--opt=value" are the same; --mysqld-args ends the
// list, because what follows are the server's options and not ours. Empty words are skipped, since some servers emit ”
// for every absent value, and unknown options are collected in Unknown instead of being refused, since every family adds
// some (sst-contract 1.8, 1.9). The errors are ExitErrors with ExitInvalid, and their text names options and never values
// of those that carry secrets. A missing role is not an error here: the caller knows what it was called as.
func ParseArgs(argv []string) (Args, error) {
	var a Args
	seen := make(map[string]bool)
	for i := 0; i < len(argv); i++ {
		word := argv[i]
		if word == "" {
			continue
		}
		name, value, attached := strings.Cut(word, "=")
		if !strings.HasPrefix(name, "--") || name == "--" {
			// A stray positional: keep it for the debug log.
			a.Unknown = append(a.Unknown, word)
			continue
		}
		switch name {
		case "--mysqld-args":
			a.MysqldArgs = argv[i+1:]
			if attached {
				return Args{}, exitf(ExitInvalid, "read argument --mysqld-args: takes no value, the server's arguments follow it as separate words")
			}
			seen[name] = true
			i = len(argv)
			continue
		case "--bypass":
			a.Bypass = true
			continue
		}
		set, known := setters[name]
		if !known {
			a.Unknown = append(a.Unknown, word)
			if !attached && i+1 < len(argv) && !strings.HasPrefix(argv[i+1], "--") {
				i++
				a.Unknown = append(a.Unknown, argv[i])
			}
			continue
		}
		if !attached && i+1 < len(argv) && !isOption(argv[i+1]) {
			// An unquoted empty value vanishes in the shell; then the next word is an option and not our value.
			i++
			value = argv[i]
		}
		seen[name] = true
		if err := set(&a, value); err != nil {
			return Args{}, exitf(ExitInvalid, "read argument %s: %w", name, err)
		}
	}
	a.Family = familyOf(seen)
	return a, nil
}

// isOption reports whether word is one of the options a server emits, alone or with an attached value.
func isOption(word string) bool {
	name, _, _ := strings.Cut(word, "=")
	return name == "--bypass" || name == "--mysqld-args" || setters[name] != nil
}

// familyOf tells the servers apart by the options they emit (sst-contract 12). Presence counts, not the value: the same
// servers emit them empty, too.
func familyOf(seen map[string]bool) Family {
	switch {
	case seen["--basedir"] && (seen["--plugindir"] || seen["--plugin-dir"]):
		return PXC
	case seen["--progress"], seen["--gtid-domain-id"], seen["--defaults-extra-file"], seen["--mysqld-args"]:
		return MariaDB
	case seen["--mysqld-version"]:
		return Codership80
	case seen["--auth"]:
		return Codership57
	}
	return MariaDB
}

// MayReportProgress says whether total and complete lines may be printed: the option must have been given with 1. Servers
// that do not know the option take such a line for the final one; those that passed 0 gain nothing from it. PXC and
// Codership 5.7 never read them, whatever the command line says (sst-contract 7.1).
func (a Args) MayReportProgress() bool {
	return a.ProgressKnown && a.Progress && a.Family != PXC && a.Family != Codership57
}

// setters maps every option with a value to what it sets. An empty value is the same as an absent option, except where
// presence itself says something.
var setters = map[string]func(*Args, string) error{
	"--role":                  setRole,
	"--address":               text(func(a *Args) *string { return &a.Address }),
	"--datadir":               text(func(a *Args) *string { return &a.Datadir }),
	"--defaults-file":         text(func(a *Args) *string { return &a.Defaults.File }),
	"--defaults-extra-file":   text(func(a *Args) *string { return &a.Defaults.ExtraFile }),
	"--defaults-group-suffix": text(func(a *Args) *string { return &a.Defaults.GroupSuffix }),
	"--parent":                setParent,
	"--progress":              setProgress,
	"--local-port":            text(func(a *Args) *string { return &a.LocalPort }),
	"--socket":                text(func(a *Args) *string { return &a.Socket }),
	"--gtid":                  text(func(a *Args) *string { return &a.GTID }),
	"--gtid-domain-id":        setDomain,
	"--local-gtid":            text(func(a *Args) *string { return &a.LocalGTID }),
	"--server-id":             text(func(a *Args) *string { return &a.ServerID }),
	"--binlog":                text(func(a *Args) *string { return &a.Binlog }),
	"--log-bin":               text(func(a *Args) *string { return &a.Binlog }),
	"--binlog-index":          text(func(a *Args) *string { return &a.BinlogIndex }),
	"--log-bin-index":         text(func(a *Args) *string { return &a.BinlogIndex }),
	"--host":                  text(func(a *Args) *string { return &a.Host }),
	"--port":                  text(func(a *Args) *string { return &a.Port }),
	"--auth":                  text(func(a *Args) *string { return &a.Auth }),
	"--user":                  text(func(a *Args) *string { return &a.User }),
	"--password":              text(func(a *Args) *string { return &a.Password }),
	"--mysqld-version":        text(func(a *Args) *string { return &a.MysqldVersion }),
	"--basedir":               text(func(a *Args) *string { return &a.Basedir }),
	"--plugindir":             text(func(a *Args) *string { return &a.PluginDir }),
	"--plugin-dir":            text(func(a *Args) *string { return &a.PluginDir }),
}

// text makes the setter of a plain string field.
func text(field func(*Args) *string) func(*Args, string) error {
	return func(a *Args, value string) error {
		*field(a) = value
		return nil
	}
}

func setRole(a *Args, value string) error {
	switch value {
	case RoleJoiner, RoleDonor:
		a.Role = value
		return nil
	}
	return exitf(ExitInvalid, "unknown role %q, expected joiner or donor", value)
}

func setParent(a *Args, value string) error {
	if value == "" {
		return nil
	}
	pid, err := strconv.Atoi(value)
	if err != nil || pid < 1 {
		return exitf(ExitInvalid, "%q is not a process number", value)
	}
	a.Parent = pid
	return nil
}

func setProgress(a *Args, value string) error {
	switch value {
	case "0", "1":
		a.Progress, a.ProgressKnown = value == "1", true
		return nil
	}
	return exitf(ExitInvalid, "%q, expected 0 or 1", value)
}

func setDomain(a *Args, value string) error {
	a.GTIDDomain, a.HasDomain = value, value != ""
	return nil
}

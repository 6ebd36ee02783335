package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"trireme/cmd/internal/cli"
	"trireme/cmd/internal/settings"
)

// ExitBad is the exit code when something was found that would make a transfer fail. Doubtful findings alone end with cli.ExitOK.
const ExitBad = 3

// badError ends the command when the report has red lines.
type badError int

func (e badError) Error() string {
	if e == 1 {
		return "1 problem found"
	}
	return fmt.Sprintf("%d problems found", int(e))
}

func (badError) ExitCode() int { return ExitBad }

// flags are the words of the command line.
type flags struct {
	defaultsFile, extraFile, suffix string
	noDefaults                      bool
	method, role, family, version   string
	datadir, address, user          string
	donorSize                       string
	json, brief                     bool
	mysqldArgs                      []string
	root                            string // see question
}

const long = `What this node would do as joiner and as donor of a state snapshot transfer:
every setting with its place, the certificates, the port, room, rights.

Give it the options that the server is started with. It reads the option files
that the server reads, changes nothing, and asks nobody but this host. Run it
as root or as the server's user: others may not see the keys.`

var exits = []cli.Exit{
	{Code: "0", Meaning: "a transfer may start; there may be warnings"},
	{Code: "1", Meaning: "the check itself could not be done: an option file is missing or unreadable"},
	{Code: "2", Meaning: "the command line could not be understood"},
	{Code: "3", Meaning: "a transfer would fail, or the server would refuse it"},
}

// Command returns the command.
func Command() *cobra.Command { return command(&flags{}) }

func command(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "check [flags]", Short: "show what a transfer would do on this node, and what is in its way", Long: long,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := f.question()
			if err != nil {
				return cli.Usage(err)
			}
			r := examine(cmd.Context(), q)
			out := cmd.OutOrStdout()
			if f.json {
				err = r.writeJSON(out)
			} else {
				err = r.writeText(out, style{colour: colourful(out), brief: f.brief})
			}
			if err != nil {
				return fmt.Errorf("write the report: %w", err)
			}
			if unread(q.err) {
				return fmt.Errorf("the check could not be done: %w", q.err)
			}
			if n := r.bad(); n > 0 {
				return badError(n)
			}
			return nil
		},
	}
	cli.SetExits(cmd, exits)
	s := cmd.Flags()
	s.SortFlags = false
	s.StringVar(&f.defaultsFile, "defaults-file", "", "option file the server reads instead of the default ones")
	s.StringVar(&f.extraFile, "defaults-extra-file", "", "option file the server reads as well")
	s.StringVar(&f.suffix, "defaults-group-suffix", "", "suffix of groups the server reads as well")
	s.BoolVar(&f.noDefaults, "no-defaults", false, "the server reads no option file")
	s.StringVar(&f.method, "method", "", "trireme, rsync_tunnel or secure_rsync (default: wsrep_sst_method of the option file, else trireme)")
	s.StringVar(&f.role, "role", "both", "joiner, donor or both")
	s.StringVar(&f.datadir, "datadir", "", "the server's datadir (default: that of the option file, else "+customaryDatadir+")")
	s.StringVar(&f.address, "address", "", "address to join at, HOST[:PORT] (default: wsrep_sst_receive_address, wsrep_node_address)")
	s.StringVar(&f.donorSize, "donor-size", "", "size of the donor's data, such as 120g: is there room for it?")
	s.StringVar(&f.user, "user", "", "user the server runs as (default: option user, else the datadir's owner)")
	s.StringVar(&f.family, "server", "mariadb", "kind of server: mariadb, pxc or codership")
	s.StringVar(&f.version, "server-version", "", "its series, such as 10.11, for groups like [mysqld-10.11]")
	s.StringArrayVar(&f.mysqldArgs, "mysqld-args", nil, "one word of the server's own command line; may be repeated")
	s.BoolVar(&f.json, "json", false, "the report as JSON")
	s.BoolVar(&f.brief, "brief", false, "only settings that somebody has set")
	for flag, words := range map[string][]string{"role": roles, "server": families, "method": methods} {
		// The flags exist, and each has no other completion.
		if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic("check: internal error: " + err.Error())
		}
	}
	return cmd
}

// unread says that an option file could not be opened or read: then nothing is known, while a file with a mistake in it is read by
// a server as well, and found wrong.
func unread(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path)
}

// question is what is asked, checked.
type question struct {
	in        settings.Input // without role
	family    string         // of the server
	method    string         // as asked for; empty means by the option file
	roles     []settings.Role
	address   string
	donorSize int64 // 0: not given
	user      string
	root      string // in front of /proc and /sys; empty but in tests
	err       error  // the option files cannot be read
}

func (f *flags) question() (question, error) {
	q := question{family: f.family, method: f.method, address: f.address, user: f.user, root: f.root}
	switch f.role {
	case "joiner":
		q.roles = []settings.Role{settings.Joiner}
	case "donor":
		q.roles = []settings.Role{settings.Donor}
	case "both":
		q.roles = []settings.Role{settings.Joiner, settings.Donor}
	default:
		return question{}, fmt.Errorf("--role %q is not one of %s", f.role, strings.Join(roles, ", "))
	}
	if !slices.Contains(families, f.family) {
		return question{}, fmt.Errorf("--server %q is not one of %s", f.family, strings.Join(families, ", "))
	}
	if f.method != "" && !slices.Contains(methods, strings.TrimSuffix(f.method, "_wan")) {
		return question{}, fmt.Errorf("--method %q is not one of %s", f.method, strings.Join(methods, ", "))
	}
	if f.donorSize != "" {
		n, err := settings.ParseSize(f.donorSize)
		if err != nil {
			return question{}, fmt.Errorf("--donor-size: %w", err)
		}
		q.donorSize = n
	}
	argv := f.mysqldArgs
	if f.noDefaults {
		argv = append([]string{"--no-defaults"}, argv...)
	}
	q.in = settings.Input{
		Datadir: f.datadir, MysqldArgs: argv, Env: environment, CPUs: runtime.NumCPU(),
		PXC: f.family == "pxc", ServerVersion: f.version,
	}
	source := settings.Source(f.defaultsFile, f.extraFile, f.suffix, argv, environment)
	if q.err = q.in.Read(source); q.err != nil {
		return q, nil
	}
	name := q.method
	if name == "" {
		if name = settings.ServerOption(q.in, "wsrep-sst-method").Value; !slices.Contains(methods, strings.TrimSuffix(name, "_wan")) {
			name = "trireme"
		}
		q.method = name
	}
	if q.in.Method = settings.MethodOf(name); q.in.Method == settings.MethodTunnel {
		q.err = q.in.Read(source) // for this method other files count as well
	}
	q.in.WAN = strings.HasSuffix(name, "_wan")
	return q, nil
}

// customaryDatadir is what the packages of all servers have compiled in.
const customaryDatadir = "/var/lib/mysql"

// roles and families are what --role and --server take.
var (
	roles    = []string{"joiner", "donor", "both"}
	families = []string{"mariadb", "pxc", "codership"}
)

// methods are the names this program may be installed under.
var methods = []string{"trireme", "rsync_tunnel", "secure_rsync"}

// environment hides what belongs to our own shell and not to the server: a HOME of root is not that of the server.
func environment(name string) string {
	switch name {
	case "HOME", "MYSQL_HOME", "MARIADB_HOME", "TMPDIR":
		return ""
	}
	return os.Getenv(name)
}

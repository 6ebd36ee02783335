package clone

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra" // the tree of commands

	"trireme/cmd/internal/cli"
	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/mycnf"
	"trireme/cmd/internal/settings"
	"trireme/cmd/internal/show"
	"trireme/engine/tree"
	"trireme/proto"
	"trireme/proto/msg"
)

// options are the flags of all three commands. A command has those that it registers.
type options struct {
	// What both ends have.
	progress      string
	quiet, events bool
	verbose       bool
	defaultsFile  string
	groupSuffix   string
	ca, cert, key string
	own           map[string]*string // flags of the settings' own names
	places        map[string]*string // directories, by the server's option

	// The source's.
	basis bool
	// The target's.
	intoExisting, keepIdentity, dryRun bool
	ownerText                          string
	targetDefaults                     string // clone only
}

// placeFlags are the server's options that say where the parts of a datadir lie.
var placeFlags = []string{
	"innodb-data-home-dir", "innodb-data-file-path", "innodb-log-group-home-dir", "innodb-undo-directory", "aria-log-dir-path",
}

// ownFlags are settings of the group [trireme] that have a flag, and what people are told of them.
var ownFlags = []struct {
	name, help string
	source     bool // for the end that reads only
}{
	{"streams", "most data connections", false},
	{"rate-limit", "most bytes a second read from the source (k, m, g)", true},
	{"delta", "auto, on, or off: send everything without comparing", true},
	{"manifest", "auto, or off: read every file, also those that neither end has touched since the last transfer", false},
	{"status-file", "file that says how the transfer stands; \"none\" for no such file (default: trireme-status.json in the directory)", false},
	{"metrics-file", "file with figures for Prometheus's text file collector", false},
}

// common registers what every command has.
func (o *options) common(cmd *cobra.Command, whose string) {
	f := cmd.Flags()
	f.StringVar(&o.progress, "progress", show.Auto, "auto, bar, log or none")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "say nothing but errors")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "say more about what happens")
	f.BoolVar(&o.events, "json", false, "print events as JSON on standard output, one on a line")
	f.StringVar(&o.defaultsFile, "defaults-file", "", "option file of the "+whose+"'s server; without it none is read")
	f.StringVar(&o.groupSuffix, "defaults-group-suffix", "", "read groups with this suffix too")
	o.places, o.own = map[string]*string{}, map[string]*string{}
	for _, name := range placeFlags {
		o.places[name] = f.String(name, "", "the "+whose+"'s "+strings.ReplaceAll(name, "-", "_"))
	}
	for _, own := range ownFlags {
		if whose == "source" || !own.source {
			o.own[own.name] = f.String(own.name, "", own.help)
		}
	}
	words := func(list ...string) cobra.CompletionFunc {
		return cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)
	}
	_ = cmd.RegisterFlagCompletionFunc("manifest", words("auto", "off"))
	_ = cmd.RegisterFlagCompletionFunc("progress", words(show.Auto, show.Bar, show.Log, show.None)) // fails for unknown flags only
	if whose == "source" {
		_ = cmd.RegisterFlagCompletionFunc("delta", words("auto", "on", "off"))
	}
}

// certificates registers how the two ends of a connection meet and what they show each other.
func (o *options) certificates(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.ca, "ca", "", "CA, or list of certificates, that the other end's must chain to")
	f.StringVar(&o.cert, "cert", "", "own certificate, with its key or beside --key")
	f.StringVar(&o.key, "key", "", "own key")
	o.own["transport"] = f.String("transport", "", "tls (over TCP), quic, or auto: whichever suits the path (default: tls for receive, what the ticket says for send)")
	_ = cmd.RegisterFlagCompletionFunc("transport", cobra.FixedCompletions([]string{"tls", "quic", "auto"}, cobra.ShellCompDirectiveNoFileComp)) // fails for unknown flags only
}

// target registers what only an end that writes has.
func (o *options) target(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.intoExisting, "into-existing", false, "overwrite the datadir that is there; what the source does not have is deleted")
	f.BoolVar(&o.keepIdentity, "keep-identity", false, "take auto.cnf along: the server moves and is not cloned")
	f.StringVar(&o.ownerText, "owner", "", "USER[:GROUP] the copy shall belong to (root only; default: who owns the directory)")
	f.BoolVar(&o.dryRun, "dry-run", false, "check everything, say what would move, and change nothing")
}

// source registers what only an end that reads has.
func (o *options) source(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.basis, "live-basis", false, "copy from a server that runs: no server can start on the result until an exact copy has completed it")
}

// command completes cmd: its run begins with a transfer and ends it, whatever run does.
func (o *options) command(program string, cmd *cobra.Command, run func(t *transfer, cmd *cobra.Command, args []string) error) *cobra.Command {
	cli.SetExits(cmd, exits)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, end, err := o.start(cmd, program)
		if err != nil {
			return err
		}
		defer end()
		return inOurWords(run(t, cmd, args))
	}
	return cmd
}

// end finds settings and layout of an end that is described by the flags for directories and by --defaults-file.
func (o *options) end(t *transfer, role settings.Role, dir string) (*settings.Settings, tree.Layout, error) {
	set, err := o.resolve(role, dir, o.defaultsFile, true, t.show.Note)
	if err != nil {
		return nil, tree.Layout{}, err
	}
	lay, err := layout(set)
	return set, lay, err
}

// check finds what flags cannot check themselves.
func (o *options) check() error {
	if !slices.Contains([]string{show.Auto, show.Bar, show.Log, show.None}, o.progress) {
		return cli.Usage(fmt.Errorf("flag --progress %q: expected auto, bar, log or none", o.progress))
	}
	if (o.ca == "") != (o.cert == "") {
		return cli.Usage(fmt.Errorf("--ca and --cert belong together: what the other end must show, and what this end shows"))
	}
	if o.key != "" && o.cert == "" {
		return cli.Usage(fmt.Errorf("--key needs --cert"))
	}
	return nil
}

// absolute is a directory named on the command line.
func absolute(dir string) (string, error) {
	if dir == "" {
		return "", cli.Usage(fmt.Errorf("the name of a directory is empty"))
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the directory %s: %w", dir, err)
	}
	return abs, nil
}

// resolve finds the settings of one end. defaults is its option file, "" for none, and flags says whether the flags for
// directories are about this end.
func (o *options) resolve(role settings.Role, dir, defaults string, flags bool, note func(string)) (*settings.Settings, error) {
	in := settings.Input{Role: role, Datadir: dir, CPUs: runtime.NumCPU(), Arguments: map[string]string{}, Flags: map[string]string{}}
	flag := "--defaults-file"
	if !flags {
		flag = "--target-defaults-file"
	}
	// The server reads nothing from a directory and says nothing; by hand it is a mistyped name, and tca may stand in the file meant.
	if st, err := os.Stat(defaults); defaults != "" && (err != nil || !st.Mode().IsRegular()) {
		if err == nil {
			err = fmt.Errorf("%s is no regular file", defaults)
		}
		return nil, cli.Usage(fmt.Errorf("flag %s: %w; name the option file of this server", flag, err))
	}
	files, err := mycnf.Read(mycnf.Source{DefaultsFile: defaults, GroupSuffix: o.groupSuffix, NoDefaults: defaults == ""})
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("flag %s: %w", flag, err))
	}
	in.Files = files
	if at := settings.ServerOption(in, "datadir"); at.IsSet() && !sameDirectory(at.Value, dir) {
		note(fmt.Sprintf("warning: %s sets datadir=%s, and this is about %s; see that it is the right option file", at.Origin, at.Value, dir))
	}
	for name, value := range o.places {
		if flags && *value != "" {
			in.Arguments[name] = *value
		}
	}
	for name, value := range o.own {
		if *value != "" {
			in.Flags[name] = *value
		}
	}
	for _, name := range []string{"status-file", "metrics-file"} {
		// Settings count relative names from the datadir; on a command line they count from where it is typed.
		if v := in.Flags[name]; v != "" && v != settings.NoFile {
			if in.Flags[name], err = filepath.Abs(v); err != nil {
				return nil, fmt.Errorf("find the file %s: %w", v, err)
			}
		}
	}
	set, warnings, err := settings.Resolve(in)
	for _, w := range warnings {
		note("warning: " + w)
	}
	if err != nil {
		return nil, cli.Usage(err)
	}
	if o.cert != "" {
		given := func(name, value string) settings.Setting {
			if value == "" {
				return settings.Setting{}
			}
			return settings.Setting{Name: "--" + name, Value: value, Origin: settings.OriginFlag}
		}
		decider := given("cert", o.cert)
		set.TLS = settings.TLS{Mode: settings.VerifyIdentity, NameCheck: true, Decider: decider, CA: given("ca", o.ca), Cert: decider, Key: given("key", o.key)}
	}
	return set, nil
}

// sameDirectory says whether two names lead to one directory, or are the same where there is none.
func sameDirectory(a, b string) bool {
	x, aerr := os.Stat(a)
	y, berr := os.Stat(b)
	if aerr == nil && berr == nil {
		return os.SameFile(x, y)
	}
	return filepath.Clean(a) == filepath.Clean(b)
}

// layout is where the parts of one end lie.
func layout(set *settings.Settings) (tree.Layout, error) {
	l, err := ends.Layout(set)
	if err == nil && set.Role == settings.Donor {
		err = ends.Outside(set, l)
	}
	if err != nil {
		return tree.Layout{}, coded(exitRefused, err)
	}
	return l, nil
}

// facts are what both ends must have in common (proto/SPEC.md section 3), as far as this one knows: an option nobody has
// written down is not a fact, except for the files of the system tablespace, without which nothing works.
func facts(set *settings.Settings, dirs *tree.Dirs) []msg.Fact {
	written := func(name, value string) msg.Fact {
		f := msg.Fact{Value: value, From: ends.Origin(set, name)}
		if f.From == settings.OriginDefault {
			f.Value, f.From = "", ""
		}
		return f
	}
	page := written("innodb-page-size", fmt.Sprint(set.PageSize))
	if n, path := ends.PageSize(dirs); n != 0 {
		page = msg.Fact{Value: fmt.Sprint(n), From: path}
	}
	page.Name = "page-size"
	lower := written("lower-case-table-names", fmt.Sprint(set.LowerCaseTableNames))
	lower.Name = "lower-case-table-names"
	home, _, err := ends.SystemFiles(set)
	if err != nil {
		home = "" // layout has reported it
	}
	out := []msg.Fact{
		page, lower,
		{Name: "data-file-path", Value: ends.SystemShape(home, set.SystemFiles), From: ends.Origin(set, "innodb-data-file-path")},
		{Name: "byte-order", Value: "little"},
	}
	if set.Role == settings.Joiner && set.BinlogBase == "" {
		out = append(out, msg.Fact{Name: proto.FactBinlogs, Value: proto.FactOff, From: ends.Origin(set, "log-bin")})
	}
	return out
}

package settings

import (
	"fmt"
	"strings"

	"trireme/cmd/internal/mycnf"
)

// argument is one word, or pair of words, of the server's own command line.
type argument struct {
	name  string // folded
	value string
	bare  bool // no value was given
}

// takesNext lists the long options used here whose value may stand in the next word. Options with an optional
// value, log-bin among them, never take the next word: so the server's parser has it.
var takesNext = map[string]bool{
	"datadir": true, "tmpdir": true, "aria-log-dir-path": true, "innodb-data-home-dir": true,
	"innodb-log-group-home-dir": true, "innodb-undo-directory": true, "innodb-data-file-path": true,
	"innodb-page-size": true, "log-basename": true, "log-bin-index": true, "relay-log": true,
	"plugin-load": true, "plugin-load-add": true, "early-plugin-load": true, "log-output": true,
	"file-key-management-filename": true, "wsrep-data-home-dir": true, "wsrep-provider-options": true,
	"wsrep-sst-auth": true, "ssl-ca": true, "ssl-capath": true, "ssl-cert": true, "ssl-key": true,
	"lower-case-table-names": true, "keyring-file-data": true, "keyring-vault-config": true,
}

// shortWithValue maps the server's one-letter options that need a value to their long names. Only datadir
// and tmpdir matter here; the others are known so that their value is not taken for more letters.
var shortWithValue = map[byte]string{
	'h': "datadir", 't': "tmpdir", 'b': "basedir", 'u': "user", 'P': "port", 'r': "chroot", 'C': "character-set-server", 'L': "lc-messages-dir",
}

// parseArgs reads the server's argv. It never fails: words that mean nothing here are skipped, because the
// server has accepted them.
func parseArgs(argv []string) []argument {
	var out []argument
	for i := 0; i < len(argv); i++ {
		word := argv[i]
		next := func() (string, bool) {
			if i+1 < len(argv) {
				i++
				return argv[i], true
			}
			return "", false
		}
		switch {
		case word == "--":
			return out
		case strings.HasPrefix(word, "--"):
			name, value, found := strings.Cut(word[2:], "=")
			a := argument{name: mycnf.Fold(name), value: value, bare: !found}
			if !found && takesNext[a.name] {
				if v, ok := next(); ok {
					a.value, a.bare = v, false
				}
			}
			out = append(out, a)
		case strings.HasPrefix(word, "-"):
			for j := 1; j < len(word); j++ {
				long, ok := shortWithValue[word[j]]
				if !ok {
					continue
				}
				value := word[j+1:]
				if value == "" {
					value, _ = next()
				}
				out = append(out, argument{name: long, value: value})
				break
			}
		}
	}
	return out
}

// lastArg is the last value of a name that is not empty.
func lastArg(args []argument, name string) Setting {
	for i := len(args) - 1; i >= 0; i-- {
		if args[i].name == name {
			if v := strings.TrimSpace(args[i].value); v != "" {
				return Setting{Name: name, Value: v, Origin: OriginMysqldArgs}
			}
			return Setting{}
		}
	}
	return Setting{}
}

// Source says which option files the server itself read: those of its defaults options, and none at all when it
// was started with --no-defaults, which can only be its first word (sst-options 1.4).
func Source(defaultsFile, extraFile, groupSuffix string, mysqldArgs []string, env func(string) string) mycnf.Source {
	s := mycnf.Source{DefaultsFile: defaultsFile, ExtraFile: extraFile, GroupSuffix: groupSuffix}
	s.NoDefaults = len(mysqldArgs) > 0 && mycnf.Fold(strings.TrimPrefix(mysqldArgs[0], "--")) == "no-defaults" && strings.HasPrefix(mysqldArgs[0], "--")
	if env == nil {
		return s
	}
	s.Home = env("HOME")
	if s.MySQLHome = env("MARIADB_HOME"); s.MySQLHome == "" {
		s.MySQLHome = env("MYSQL_HOME")
	}
	if s.GroupSuffix == "" {
		if s.GroupSuffix = env("MARIADB_GROUP_SUFFIX"); s.GroupSuffix == "" {
			s.GroupSuffix = env("MYSQL_GROUP_SUFFIX")
		}
	}
	return s
}

// Read reads the option files of a source, and for the method rsync_tunnel the default locations as well when the server was told to
// read a file of its own: that method's script looked nowhere else. Trouble in those is a warning of Resolve and no error, since
// the server does not read them.
func (in *Input) Read(s mycnf.Source) error {
	var err error
	if in.Files, err = mycnf.Read(s); err != nil {
		return fmt.Errorf("read option files: %w", err)
	}
	if in.Method != MethodTunnel || s.DefaultsFile == "" || s.NoDefaults {
		return nil
	}
	s.DefaultsFile, s.ExtraFile = "", ""
	if in.Defaults, err = mycnf.Read(s); err != nil {
		in.Defaults, in.defaultsErr = nil, err
	}
	return nil
}

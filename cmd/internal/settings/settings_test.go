package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"trireme/cmd/internal/mycnf"
)

// row is one case: what is configured, and what must come of it. get is compared as text with want. With bad, the
// resolver must refuse, and an option and a piece of the message must match it.
type row struct {
	name string
	cnf  string
	in   Input
	env  map[string]string
	get  func(*Settings) any
	want string
	warn string // a warning must contain it; "-" means that there must be none at all
	bad  string
}

// readFiles puts an option file into a directory of its own and reads it.
func readFiles(t *testing.T, cnf, suffix string) *mycnf.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "my.cnf")
	if err := os.WriteFile(name, []byte(cnf), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := mycnf.Read(mycnf.Source{DefaultsFile: name, GroupSuffix: suffix})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// shown gets what the table says of a setting.
func shown(name string) func(*Settings) any {
	return func(s *Settings) any {
		for _, at := range s.Table() {
			if at.Name == name {
				return at.Value
			}
		}
		return "nothing"
	}
}

func (c row) run(t *testing.T) {
	t.Helper()
	in := c.in
	if in.Files == nil {
		in.Files = readFiles(t, c.cnf, "")
	}
	if in.Datadir == "" {
		in.Datadir = "/d/"
	} else if in.Datadir == "-" {
		in.Datadir = ""
	}
	in.Env = func(name string) string { return c.env[name] }
	s, warnings, err := Resolve(in)
	all := strings.Join(warnings, "\n")
	for _, w := range warnings {
		if strings.Contains(w, "\n") {
			t.Errorf("warning of more than one line: %q", w)
		}
	}
	if c.bad != "" {
		if err == nil || s != nil {
			t.Fatalf("accepted; want an error with %q", c.bad)
		}
		var p *Problem
		if !errors.As(err, &p) || p.Option == "" {
			t.Errorf("error %v is no Problem naming an option", err)
		}
		if !strings.Contains(err.Error(), c.bad) {
			t.Errorf("error is\n%v\nwant %q in it", err, c.bad)
		}
	} else if err != nil {
		t.Fatalf("refused: %v", err)
	} else if c.get != nil {
		if got := fmt.Sprint(c.get(s)); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	switch {
	case c.warn == "-" && all != "":
		t.Errorf("unexpected warnings:\n%s", all)
	case c.warn != "" && c.warn != "-" && !strings.Contains(all, c.warn):
		t.Errorf("warnings are\n%s\nwant %q in them", all, c.warn)
	}
}

func runRows(t *testing.T, rows []row) {
	t.Helper()
	for _, c := range rows {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func TestEveryValueHasAnOrigin(t *testing.T) {
	cnf := "[mysqld]\ntmpdir=/t\n[sst]\nrlimit=2m\n[trireme]\npasses=3\n"
	in := Input{
		Files: readFiles(t, cnf, ""), Datadir: "/d/", Binlog: "b", MysqldArgs: []string{"--innodb-undo-directory=/u"},
		Env: func(n string) string {
			return map[string]string{"INNODB_DATA_HOME_DIR": "/i", "WSREP_SST_OPT_AUTH": "joe:hush"}[n]
		},
		Flags: map[string]string{"verify": "full"},
	}
	s, _, err := Resolve(in)
	if err != nil {
		t.Fatal(err)
	}
	origin := make(map[string]string)
	for _, row := range s.Table() {
		if row.Name == "" || row.Origin == "" {
			t.Errorf("row without name or origin: %+v", row)
		}
		if _, twice := origin[row.Name]; twice {
			t.Errorf("row %s appears twice", row.Name)
		}
		if strings.Contains(fmt.Sprint(row), "hush") {
			t.Errorf("the table shows a password: %+v", row)
		}
		origin[row.Name] = row.Origin
	}
	for name, want := range map[string]string{
		"datadir": OriginArgument, "log-bin": OriginArgument, "innodb-undo-directory": OriginMysqldArgs,
		"innodb-data-home-dir": OriginEnv, "aria-log-dir-path": OriginDefault, "verify": OriginFlag, "wsrep_sst_auth": OriginEnv,
		"tmpdir": in.Files.Files()[0] + ":2 [mysqld]", "rate-limit": in.Files.Files()[0] + ":4 [sst]", "passes": in.Files.Files()[0] + ":6 [trireme]",
	} {
		if origin[name] != want {
			t.Errorf("origin of %s is %q, want %q", name, origin[name], want)
		}
	}
	again, _, err := Resolve(in)
	if err != nil || !reflect.DeepEqual(again.Table(), s.Table()) {
		t.Errorf("the table differs from run to run: %v", err)
	}
	if s.SQLUser != "joe" || s.SQLPassword != "hush" {
		t.Errorf("credentials %q %q", s.SQLUser, s.SQLPassword)
	}
}

func TestSecretsStayOut(t *testing.T) {
	cnf := "[sst]\nwsrep-sst-auth=joe:hush\nencrypt=1\nencrypt-key=hush\nencrypt-key-file=/hush\n[mysqld]\nwsrep_provider_options=socket.ssl_password_file=hush\n"
	_, warnings, err := Resolve(Input{Files: readFiles(t, cnf, ""), Datadir: "/d"})
	if err == nil {
		t.Fatal("encrypt=1 was accepted")
	}
	if s := strings.Join(warnings, "\n") + err.Error(); strings.Contains(s, "hush") {
		t.Errorf("a secret is shown:\n%s", s)
	}
}

// TestLookup pins the rules of the scripts' lookup (sst-options 1.1, 1.2) on options that show them.
func TestLookup(t *testing.T) {
	threads := func(s *Settings) any { return s.Streams }
	runRows(t, []row{
		{name: "server group beats sst", cnf: "[sst]\nbackup-threads=2\n[mysqld]\nbackup-threads=3\n", get: threads, want: "3"},
		{name: "last in file order wins", cnf: "[galera]\nbackup-threads=2\n[mysqld]\nbackup-threads=3\n[server]\nbackup-threads=4\n", get: threads, want: "4"},
		{name: "empty is absent", cnf: "[mysqld]\nbackup-threads=3\nbackup-threads=\n[sst]\nbackup-threads=2\n", get: threads, want: "2"},
		{name: "underscores and loose", cnf: "[sst]\nloose_backup_threads = 7 \n", get: threads, want: "7"},
		{name: "third and fourth group", cnf: "[mariabackup]\nbackup-threads=5\n[xtrabackup]\nbackup-threads=6\n", get: threads, want: "6"},
		{name: "server command line first", cnf: "[mysqld]\nbackup-threads=3\n", in: Input{MysqldArgs: []string{"--backup_threads=9"}}, get: threads, want: "9"},
		{name: "sst options are not read from mysqld", cnf: "[mysqld]\nrlimit=5\n", get: func(s *Settings) any { return s.RateLimit }, want: "0"},
		{name: "versioned group", cnf: "[mysqld-10.11]\nbackup-threads=8\n", in: Input{ServerVersion: "10.11"}, get: threads, want: "8"},
		{name: "versioned group, version unknown", cnf: "[mysqld-10.11]\nbackup-threads=8\n", get: threads, want: "0", warn: "[mysqld-10.11] is not read"},
		{name: "percona knows mysqld only", cnf: "[mariadb]\nssl-ca=/x\n[mysqld]\npxc_encrypt_cluster_traffic=off\n", in: Input{PXC: true}, get: func(s *Settings) any { return s.TLS.Mode }, want: "pinned key"},
	})
	f := readFiles(t, "[sst1]\nsst-initial-timeout=11\n[sst]\nsst-initial-timeout=22\n[mysqld]\npxc-encrypt-cluster-traffic=0\n", "1")
	initial := func(s *Settings) any { return s.InitialTimeout }
	runRows(t, []row{
		{name: "suffix in file order", in: Input{Files: f}, get: initial, want: "22s"},
		{name: "percona suffix first", in: Input{Files: f, PXC: true}, get: initial, want: "11s"},
	})
}

func TestParseArgs(t *testing.T) {
	got := parseArgs([]string{"--datadir=/a", "--loose-log_bin", "foo", "-h", "/b", "-t/c", "-sT", "-sh/e", "--tmpdir", "/d", "--port", "3", "--log-bin=", "--", "--datadir=/z"})
	var s []string
	for _, a := range got {
		s = append(s, fmt.Sprintf("%s|%s|%v", a.name, a.value, a.bare))
	}
	want := "datadir|/a|false log-bin||true datadir|/b|false tmpdir|/c|false datadir|/e|false tmpdir|/d|false port||true log-bin||false"
	if strings.Join(s, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(s, " "), want)
	}
	for _, argv := range [][]string{nil, {""}, {"-"}, {"--datadir"}, {"-h"}, {"--="}, {"---"}} {
		parseArgs(argv)
	}
}

func TestSource(t *testing.T) {
	env := func(n string) string {
		return map[string]string{"HOME": "/h", "MYSQL_HOME": "/m", "MYSQL_GROUP_SUFFIX": "s"}[n]
	}
	if got, want := Source("f", "e", "", []string{"--no-defaults"}, env), (mycnf.Source{DefaultsFile: "f", ExtraFile: "e", GroupSuffix: "s", NoDefaults: true, Home: "/h", MySQLHome: "/m"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := Source("", "", "x", []string{"--port=1", "--no-defaults"}, nil); got.NoDefaults || got.GroupSuffix != "x" {
		t.Errorf("--no-defaults counts only as the first word: %+v", got)
	}
}

package galera

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseArgs(t *testing.T) {
	for _, tc := range []struct {
		name string
		line string // words separated by |, so that words may be empty
		want Args
	}{
		{"joiner 10.11", "--role|joiner|--address|127.0.0.1|--datadir|/d/|--parent|77|--progress|0|--binlog|b|--binlog-index|i",
			Args{Role: "joiner", Address: "127.0.0.1", Datadir: "/d/", Parent: 77, ProgressKnown: true, Binlog: "b", BinlogIndex: "i"}},
		{"equal signs", "--role=donor|--address=h:1/x=y|--progress=1|--gtid-domain-id=0",
			Args{Role: "donor", Address: "h:1/x=y", Progress: true, ProgressKnown: true, GTIDDomain: "0", HasDomain: true}},
		{"bypass takes no value", "--bypass|--role|donor", Args{Role: "donor", Bypass: true}},
		{"server's words", "--role|joiner|--mysqld-args|--no-defaults|--role=donor|--datadir=/x",
			Args{Role: "joiner", MysqldArgs: []string{"--no-defaults", "--role=donor", "--datadir=/x"}}},
		{"no-defaults must be first", "--mysqld-args|--x|--no-defaults", Args{MysqldArgs: []string{"--x", "--no-defaults"}}},
		{"no words of the server", "--mysqld-args", Args{MysqldArgs: []string{}}},
		{"lone quotes", "--role|joiner|||--binlog|b|", Args{Role: "joiner", Binlog: "b"}},
		{"empty values", "--defaults-file||--defaults-group-suffix||--role|joiner", Args{Role: "joiner"}},
		{"vanished value", "--gtid|--gtid-domain-id|5|--binlog|--bypass", Args{GTIDDomain: "5", HasDomain: true, Bypass: true}},
		{"vanished at the end", "--role|donor|--gtid", Args{Role: "donor"}},
		{"value like an option", "--defaults-group-suffix|--x", Args{Defaults: Defaults{GroupSuffix: "--x"}}},
		{"unknown", "--new|v|--role|donor|--newer|--bypass|--newest=1|--|stray",
			Args{Role: "donor", Bypass: true, Unknown: []string{"--new", "v", "--newer", "--newest=1", "--", "stray"}}},
		{"W57", "--role|joiner|--auth||--parent|5", Args{Role: "joiner", Parent: 5, Family: Codership57}},
		{"W80", "--role|donor|--mysqld-version|8.0.32|--local-gtid|u:1|--server-id|7|--plugin-dir|/p",
			Args{Role: "donor", MysqldVersion: "8.0.32", LocalGTID: "u:1", ServerID: "7", PluginDir: "/p", Family: Codership80}},
		{"PXC", "--role|donor|--basedir|/usr|--plugindir|/p|--mysqld-version|8.0.36||",
			Args{Role: "donor", Basedir: "/usr", PluginDir: "/p", MysqldVersion: "8.0.36", Family: PXC}},
		{"by hand", "--role|donor|--host|h|--port|5|--user|u|--password|p", Args{Role: "donor", Host: "h", Port: "5", User: "u", Password: "p"}},
		{"last wins", "--binlog|a|--log-bin|b", Args{Binlog: "b"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseArgs(strings.Split(tc.line, "|"))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

func TestParseArgsErrors(t *testing.T) {
	for _, line := range []string{"--role|arbiter", "--role", "--parent|x", "--parent|0", "--parent|-1", "--progress|2", "--progress", "--mysqld-args=--x"} {
		_, err := ParseArgs(strings.Split(line, "|"))
		name, _, _ := strings.Cut(strings.Split(line, "|")[0], "=")
		if ExitCode(err) != ExitInvalid || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestMayReportProgress(t *testing.T) {
	for _, tc := range []struct {
		args Args
		want bool
	}{
		{Args{}, false},
		{Args{Progress: true}, false},
		{Args{ProgressKnown: true}, false},
		{Args{Progress: true, ProgressKnown: true}, true},
		{Args{Progress: true, ProgressKnown: true, Family: Codership80}, true},
		{Args{Progress: true, ProgressKnown: true, Family: PXC}, false},
		{Args{Progress: true, ProgressKnown: true, Family: Codership57}, false},
	} {
		if got := tc.args.MayReportProgress(); got != tc.want {
			t.Errorf("%+v: %v", tc.args, got)
		}
	}
}

func FuzzParseArgs(f *testing.F) {
	f.Add("--role|donor|--address|h:1/x|--gtid|u:1|--gtid-domain-id|0|--bypass|--mysqld-args|--x=y")
	f.Add("--basedir|/|--plugindir|/|--parent|1||")
	f.Fuzz(func(t *testing.T, line string) {
		argv := strings.Split(line, "|")
		a, err := ParseArgs(argv)
		if err != nil {
			if ExitCode(err) != ExitInvalid {
				t.Errorf("exit code %d for %v", ExitCode(err), err)
			}
			return
		}
		if a.Role != "" && a.Role != RoleDonor && a.Role != RoleJoiner || a.Parent < 0 || len(a.Unknown)+len(a.MysqldArgs) > len(argv) {
			t.Errorf("impossible arguments %+v", a)
		}
	})
}

package tree

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRealDatadir lists what the installed MariaDB makes, with separate directories, and knows every file of it.
func TestRealDatadir(t *testing.T) {
	for _, program := range []string{"mariadb-install-db", "mariadbd"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: nothing proves the classes against a real server", program)
		}
	}
	base := t.TempDir()
	l := Layout{Data: base + "/data", InnoDBHome: base + "/home", Redo: base + "/data/redo", Undo: base + "/undo", Aria: base + "/aria",
		SystemFiles: []string{"ibdata1", "ibdata2"}}
	grow(t, base, "home/", "data/redo/", "undo/", "aria/", "else/")
	args := []string{"--datadir=" + l.Data, "--innodb-data-home-dir=" + l.InnoDBHome, "--innodb-log-group-home-dir=" + l.Redo,
		"--innodb-undo-directory=" + l.Undo, "--innodb-undo-tablespaces=3", "--aria-log-dir-path=" + l.Aria, "--innodb-log-file-size=8M",
		"--innodb-buffer-pool-size=24M", "--innodb-flush-method=nosync", "--innodb-data-file-path=ibdata1:12M;ibdata2:4M:autoextend", "--loose-user=root"}
	run := func(program, input string, more ...string) {
		t.Helper()
		cmd := exec.Command(program, slices.Concat([]string{"--no-defaults"}, more, args)...)
		cmd.Stdin = strings.NewReader(input)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", program, err, out[max(0, len(out)-3000):])
		}
	}
	run("mariadb-install-db", "", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	run("mariadbd", strings.Join([]string{
		"create database d;", "use d;",
		"create table i(a int primary key) engine=innodb;", "create table a(a int) engine=aria;", "create table m(a int) engine=myisam;",
		"create table c(a int not null) engine=csv;", "create table r(a int) engine=archive;", "create table e(a int) engine=memory;",
		"create table u(a int) engine=merge union=(m);", "create table b(a int) engine=blackhole;",
		"create table p(a int) engine=innodb partition by hash(a) partitions 2;", "create table q(a int) engine=aria partition by hash(a) partitions 2;",
		"create view v as select * from i;", "create sequence s;", "create sequence t engine=aria;",
	}, "\n")+"\n", "--bootstrap", "--plugin-load-add=ha_archive", "--plugin-load-add=ha_blackhole")

	d := open(t, l)
	tr := scan(t, d)
	wantLines(t, "refusals", tr.Refusals)
	wantLines(t, "refusals of engines", CheckEngines(t.Context(), d, tr))
	found := map[Class]int{}
	for _, e := range tr.Entries {
		found[e.Class]++
		if e.Class == Foreign {
			t.Errorf("%s is unknown", d.Path(e.Role, e.Path))
		}
		if e.Sent() && e.Role == RoleData && !strings.Contains(e.Path, "/") && !e.Dir {
			t.Errorf("%s lies at the top of the datadir and would be sent", e.Path)
		}
	}
	for class, least := range map[Class]int{System: 2, Undo: 3, Redo: 1, AriaLog: 1, AriaControl: 1, Tablespace: 5, AriaData: 20,
		MyISAMData: 2, LogTable: 4, Database: 4, Stale: 1, RootDir: 1, Table: 100} {
		if found[class] < least {
			t.Errorf("%d of class %v, want at least %d", found[class], class, least)
		}
	}
	if len(d.engines) < 100 {
		t.Errorf("only %d definitions were read", len(d.engines))
	}

	// Every definition names the engine that the statement asked for.
	for name, want := range map[string]string{"i": "InnoDB", "a": "Aria", "m": "MyISAM", "c": "CSV", "e": "MEMORY", "u": "MRG_MyISAM",
		"b": "BLACKHOLE", "p": "InnoDB", "q": "Aria", "v": "VIEW", "s": "InnoDB", "t": "Aria"} {
		b, err := os.ReadFile(filepath.Join(l.Data, "d", name+".frm"))
		must(t, err)
		if got, err := Engine(b); got != want || err != nil {
			t.Errorf("engine of %s = %q, %v, want %q", name, got, err, want)
		}
	}

	run("mariadbd", "use d;\ncreate table x(a int) engine=innodb data directory='"+base+"/else';\ncreate table y(a int) engine=myisam data directory='"+base+"/else';\n", "--bootstrap")
	wantLines(t, "refusals", scan(t, d).Refusals, "x.isl: .*DATA DIRECTORY", "y.MYD: .*symbolic link")
}

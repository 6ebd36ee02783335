package calm

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestVerbOf(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"alter table t add x int", "ALTER"},
		{" \t\n(SELECT 1)", "SELECT"},
		{"/* app */ -- note\n# more\nupdate t set a=1", "UPDATE"},
		{"/*!50000 INSERT*/ INTO t", "INSERT"},
		{"/*M!100100 DELETE FROM t */", "DELETE"},
		{"/* never ends", ""},
		{"-- never ends", ""},
		{"'secret'", ""},
		{"secretsecretsecretsecretsecret", "SECRETSECRETSECR"},
		{"(((;", ""},
		{"/*!", ""},
		{"ALTER`x`", "ALTER"},
	} {
		if got := verbOf(c.text); got != c.want {
			t.Errorf("verbOf(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

func TestHoldsUp(t *testing.T) {
	for _, c := range []struct {
		name             string
		s                statement
		mariadb, mysqlFT bool
	}{
		{"idle", statement{command: "Sleep", seconds: 100}, false, false},
		{"applier", statement{command: "Sleep", info: "ALTER TABLE t", user: "system user"}, false, false},
		{"binlog dump", statement{command: "Binlog Dump", seconds: 100}, false, false},
		{"young update", statement{command: "Query", info: "update t set a=1", seconds: 0}, false, false},
		{"old update", statement{command: "Query", info: "update t set a=1", seconds: 1}, true, true},
		{"prepared", statement{command: "Execute", info: "delete from t", seconds: 9}, true, true},
		{"young schema change", statement{command: "Query", info: "alter table t", seconds: 0}, true, true},
		{"old select", statement{command: "Query", info: "select 1", seconds: 9}, false, true},
		{"old lock", statement{command: "Query", info: "FLUSH TABLES WITH READ LOCK", seconds: 9}, false, false},
		{"our own", statement{command: "Query", info: "SHOW PROCESSLIST", seconds: 9}, false, false},
		{"no text", statement{command: "Query", seconds: 9}, false, false},
	} {
		if _, got := c.s.holdsUp(mariadbFamily); got != c.mariadb {
			t.Errorf("%s on MariaDB: %v, want %v", c.name, got, c.mariadb)
		}
		if _, got := c.s.holdsUp(mysqlFamily); got != c.mysqlFT {
			t.Errorf("%s on MySQL: %v, want %v", c.name, got, c.mysqlFT)
		}
	}
	if familyOf("10.11.19-MariaDB-log") != mariadbFamily || familyOf("8.0.36-28.1") != mysqlFamily {
		t.Error("family is not taken from the version")
	}
}

func TestTarget(t *testing.T) {
	for _, c := range []struct{ set, total, want int64 }{{0, 8064, 256}, {0, 100_000, 1000}, {7, 100_000, 7}} {
		if got := (&Calm{config: Config{Target: c.set}}).target(c.total); got != c.want {
			t.Errorf("target of %d pages, set to %d: %d, want %d", c.total, c.set, got, c.want)
		}
	}
}

func TestSettingValid(t *testing.T) {
	for _, c := range []struct {
		s  setting
		ok bool
	}{
		{setting{maxDirty, "90.000000"}, true}, {setting{maxDirtyLow, "0"}, true}, {setting{maxDirty, "99.999"}, true},
		{setting{"innodb_io_capacity", "1"}, false}, {setting{maxDirty, ""}, false}, {setting{maxDirty, "-1"}, false},
		{setting{maxDirty, "1;DROP"}, false}, {setting{maxDirty, "1e9"}, false}, {setting{maxDirty, "1\n"}, false},
	} {
		if err := c.s.valid(); (err == nil) != c.ok {
			t.Errorf("%+v: %v, want ok %v", c.s, err, c.ok)
		}
	}
}

var goodPlan = plan{
	Login:    login{Socket: "/run/x.sock", User: "sst", Password: "p\"a\ns s"},
	Settings: []setting{{maxDirty, "90.000000"}, {maxDirtyLow, "10.5"}},
}

func TestPlan(t *testing.T) {
	line, err := appendPlan(nil, goodPlan)
	if err != nil || strings.Count(string(line), "\n") != 1 {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := parsePlan(line); err != nil {
		t.Fatal(err)
	}
	big := goodPlan
	big.Login.Password = strings.Repeat("x", maxPlan)
	if _, err := appendPlan(nil, big); err == nil {
		t.Error("a plan that the guard cannot read was made")
	}
	for _, bad := range []string{
		"", "{}", "null", `{"login":{"socket":"/s"}}`, `{"settings":[{"name":"innodb_max_dirty_pages_pct","old":"1"}]}`,
		`{"login":{"socket":"/s"},"settings":[{"name":"innodb_max_dirty_pages_pct","old":"1;"}]}`,
		`{"login":{"socket":"/s"},"settings":[{"name":"x","old":"1"}]}`,
	} {
		if p, err := parsePlan([]byte(bad)); err == nil {
			t.Errorf("%q was taken as %+v", bad, p)
		}
	}
}

func FuzzPlan(f *testing.F) {
	line, err := appendPlan(nil, goodPlan)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte(`{"login":{"socket":"/s"},"settings":[]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		p, err := parsePlan(line)
		if err != nil {
			if p.Login.Socket != "" || p.Settings != nil {
				t.Fatal("an error with a result")
			}
			return
		}
		for _, s := range p.Settings {
			if s.valid() != nil {
				t.Fatalf("%+v got through", s)
			}
		}
	})
}

func FuzzVerbOf(f *testing.F) {
	f.Add("/*!50000 ALTER*/ TABLE t")
	f.Add("-- x\nselect 1")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range verbOf(text) {
			if r < 'A' || r > 'Z' {
				t.Fatalf("verbOf(%q) lets %q through", text, r)
			}
		}
	})
}

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		number uint16
		want   string
		denied bool
	}{{1227, "GRANT SUPER, PROCESS", true}, {1045, "user and password", true}, {1698, "user and password", true}, {1040, "", false}} {
		err := error(&mysql.MySQLError{Number: c.number, Message: "text"})
		if got := explain(err); !strings.Contains(got.Error(), c.want) || !errors.Is(got, err) || denied(got) != c.denied {
			t.Errorf("%d: %v", c.number, got)
		}
	}
}

func TestOpenWithoutServer(t *testing.T) {
	dead := filepath.Join(t.TempDir(), "dead.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, socket := range []string{"", filepath.Join(t.TempDir(), "none"), dead} {
		c, err := Open(t.Context(), Config{Socket: socket, User: "u", Password: "geheim"})
		if err == nil || c != nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("socket %q: %v", socket, err)
		}
		if socket != "" && !gone(err) {
			t.Errorf("socket %q: %v is not known as a server that is gone", socket, err)
		}
	}
}

// TestOpenSilentServer meets something that accepts and says nothing.
func TestOpenSilentServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	because := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, because)
	defer cancel()
	if _, err := Open(ctx, Config{Socket: path, User: "u"}); !errors.Is(err, because) {
		t.Fatalf("%v, want the cause", err)
	}
}

func TestStartGuardRefuses(t *testing.T) {
	noServer := goodPlan
	noServer.Login.Socket = filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		name, program string
		want          string
	}{
		{"missing program", "/nonexistent/trireme", "no such file"},
		{"another program", "/bin/false", "it ended"},
		{"a guard without a server", "/proc/self/exe", "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := startGuard(c.program, noServer)
			if err == nil {
				_ = g.dismiss()
				t.Fatal("a guard that cannot help was taken")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "p\\") {
				t.Errorf("%v, want %q in it", err, c.want)
			}
		})
	}
}

// TestGuardByHand calls the guard as a curious user would.
func TestGuardByHand(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, c := range []struct {
		name  string
		stdin func(*exec.Cmd)
		want  string
	}{
		{"no pipe", func(cmd *exec.Cmd) { cmd.Stdin = null }, "own use"},
		{"empty pipe", func(cmd *exec.Cmd) { cmd.Stdin = strings.NewReader("") }, "read plan"},
		{"endless line", func(cmd *exec.Cmd) { cmd.Stdin = strings.NewReader(strings.Repeat("x", 2*maxPlan)) }, "read plan"},
		{"nonsense", func(cmd *exec.Cmd) { cmd.Stdin = strings.NewReader("x\n") }, "parse plan"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe", GuardCommand)
			c.stdin(cmd)
			out, err := cmd.Output()
			var exit *exec.ExitError
			// The endless line may also break the writer's pipe; what counts is the guard's own answer.
			if err != nil && !errors.As(err, &exit) && !errors.Is(err, syscall.EPIPE) {
				t.Fatal(err)
			}
			if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), c.want) {
				t.Errorf("exit %d, %q; want 2 and %q", cmd.ProcessState.ExitCode(), out, c.want)
			}
		})
	}
}

// script makes a program that takes the plan, answers, and then does what body says.
func script(t *testing.T, body string) (program, dir string) {
	t.Helper()
	dir = t.TempDir()
	program = filepath.Join(dir, "guard.sh")
	text := "#!/bin/sh\nread -r plan; echo ready; exec >/dev/null\n" + body + "\n"
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return program, dir
}

func TestGuardIsTold(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*guard) error
		want string
	}{
		{"dismissed", (*guard).dismiss, "restored\n"},
		{"abandoned", func(g *guard) error { g.abandon(); return nil }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			program, dir := script(t, `cd "${0%/*}" && cat >said.tmp && mv said.tmp said`)
			g, err := startGuard(program, goodPlan)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.end(g); err != nil {
				t.Fatal(err)
			}
			// An abandoned guard is not waited for.
			said, err := os.ReadFile(filepath.Join(dir, "said"))
			for end := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				said, err = os.ReadFile(filepath.Join(dir, "said"))
			}
			if err != nil || string(said) != c.want {
				t.Errorf("the guard was told %q (%v), want %q", said, err, c.want)
			}
		})
	}
}

func TestDismissEndsAnyGuard(t *testing.T) {
	program, _ := script(t, "trap '' TERM; exec sleep 1000")
	g, err := startGuard(program, goodPlan)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.dismiss(); err == nil {
		t.Error("a guard that had to be killed ended well")
	}
}

func TestGuardWait(t *testing.T) {
	for said, want := range map[string]bool{"restored\n": true, "restored": false, "": false, "restored\nrestored\n": false, "\x00": false} {
		if got := guardWait(strings.NewReader(said)); got != want {
			t.Errorf("told %q: %v, want %v", said, got, want)
		}
	}
}

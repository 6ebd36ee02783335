//go:build integration

package calm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trireme/bench/cluster"
)

// account is given exactly what the package documentation asks for.
const (
	account = "calm"
	secret  = "open sesame"
)

// rig is one real node of a cluster of one.
type rig struct {
	*testing.T
	ctx  context.Context
	node *cluster.Node
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) exec(statement string) {
	r.Helper()
	r.must(r.node.Exec(r.ctx, statement))
}

// settings returns both settings as the server shows them.
func (r *rig) settings() [2]string {
	r.Helper()
	rows, err := r.node.Query(r.ctx, "SHOW GLOBAL VARIABLES LIKE 'innodb_max_dirty_pages_pct%'")
	r.must(err)
	return [2]string{rows[0][1], rows[1][1]}
}

func (r *rig) want(what string, pct, low float64) {
	r.Helper()
	if got, want := r.settings(), [2]string{fmt.Sprintf("%f", pct), fmt.Sprintf("%f", low)}; got != want {
		r.Fatalf("%s: settings are %v, want %v", what, got, want)
	}
}

// until polls with a deadline.
func (r *rig) until(what string, ok func() bool) {
	r.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("waited 20 s in vain for %s", what)
		}
	}
}

// count is a status variable of the server.
func (r *rig) count(name string) int64 {
	r.Helper()
	st, err := r.node.Status(r.ctx, name)
	r.must(err)
	n, err := strconv.ParseInt(st[name], 10, 64)
	r.must(err)
	return n
}

func (r *rig) dirty() int64 { return r.count(pagesDirty) }

// soil makes some three thousand pages dirty; when the server has written most of them by the time of the look (its log asked for a checkpoint), once more.
func (r *rig) soil() {
	r.Helper()
	r.until("dirty pages", func() bool {
		r.exec(`CREATE DATABASE IF NOT EXISTS soil; USE soil;
			CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(1000)) ENGINE=InnoDB;
			INSERT INTO t SELECT seq, 0, REPEAT('x', 900) FROM seq_1_to_40000`)
		return r.dirty() >= 1500
	})
}

// notes collects lines and puts them into the test's log.
type notes struct {
	t     *testing.T
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	n.t.Log(line)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

func (n *notes) has(part string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Contains(strings.Join(n.lines, "\n"), part)
}

func (r *rig) open(config Config) (*Calm, *notes) {
	r.Helper()
	n := &notes{t: r.T}
	config.Socket, config.Note = r.node.Socket(), n.add
	if config.User == "" {
		config.User, config.Password = account, secret
	}
	c, err := Open(r.ctx, config)
	r.must(err)
	r.Cleanup(func() {
		if err := c.Close(); err != nil {
			r.Error(err)
		}
	})
	return c, n
}

func TestServer(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, err := cluster.New(ctx, cluster.Config{Dir: cluster.RoomyDir(1 << 30), Nodes: 1})
	var missing *cluster.MissingError
	if errors.As(err, &missing) {
		t.Skip(missing)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Destroy()
	r := &rig{t, ctx, c.Node(1)}
	r.must(r.node.Init(ctx))
	r.node.Set("mysqld", "extra-port", extraPort)
	r.node.Set("mysqld", "extra-max-connections", "5")
	r.must(r.node.WriteOptions())
	r.must(r.node.Start(ctx, true))
	r.must(r.node.WaitSynced(ctx))
	r.exec(fmt.Sprintf(`CREATE USER '%s'@'localhost' IDENTIFIED BY '%s'; GRANT SUPER, PROCESS ON *.* TO '%[1]s'@'localhost'`, account, secret))
	for _, test := range []struct {
		name string
		run  func(*rig)
	}{
		{"fewer pages under a writer", testUnderWriter},
		{"the guard knows how to behave", testGuardManners},
		{"own values come back", testOwnValues},
		{"context ends", testContextEnds},
		{"killed", testKilled},
		{"killed and its account dropped", testKilledAndDropped},
		{"killed under the lock", testKilledUnderLock},
		{"restored under the lock", testRestoredUnderLock},
		{"rights", testRights},
		{"zeros that stay", testZerosStay},
		{"zeros that go", testZerosGo},
		{"changed by somebody else", testChangedMeanwhile},
		{"long statements", testLongStatements},
		{"clients that never rest", testNoRest},
		{"known by the socket", testSocketAccount},
		{"at the extra port", testExtraPort},
		{"no guard", testNoGuard},
		{"server ends", testServerEnds}, // the last: it leaves none
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &rig{t, ctx, r.node}
			s.exec("SET GLOBAL innodb_max_dirty_pages_pct=90; SET GLOBAL innodb_max_dirty_pages_pct_lwm=0")
			test.run(s)
		})
	}
}

func testUnderWriter(r *rig) {
	w, err := cluster.StartWriter(r.ctx, r.node, cluster.WriterConfig{Clients: 2, Schema: "w"})
	r.must(err)
	defer func() {
		if _, err := w.Stop(); err != nil {
			r.Error(err)
		}
	}()
	r.soil()
	before := r.dirty()
	c, n := r.open(Config{})
	r.must(c.Quiet(r.ctx))
	after := r.dirty()
	r.want("while quiet", 0, 0)
	if after > before/2 {
		r.Errorf("%d pages were dirty, %d are", before, after)
	}
	if !n.has("dirty pages before the lock") {
		r.Error("nothing was noted")
	}
	r.soil()
	r.must(c.Quiet(r.ctx)) // a second attempt at the lock
	r.must(c.Restore(r.ctx))
	r.want("after Restore", 90, 0)
	if left := guards(os.Getpid()); len(left) != 0 {
		r.Errorf("guards %v are left", left)
	}
	r.must(c.Restore(r.ctx))
	r.must(c.Quiet(r.ctx)) // and one more after the first
	r.must(c.Close())
	r.want("after Close", 90, 0)
}

func testOwnValues(r *rig) {
	r.exec("SET GLOBAL innodb_max_dirty_pages_pct=42.5; SET GLOBAL innodb_max_dirty_pages_pct_lwm=7.25")
	c, _ := r.open(Config{})
	r.must(c.Quiet(r.ctx))
	r.want("while quiet", 0, 0)
	r.must(c.Restore(r.ctx))
	r.want("after Restore", 42.5, 7.25)
}

func testContextEnds(r *rig) {
	c, _ := r.open(Config{Target: 1, Limit: time.Minute})
	c.checkpoint = false // the slow way, so that there is something to end
	r.soil()
	because := errors.New("the joiner left")
	ctx, cancel := context.WithCancelCause(r.ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var err error
	wg.Go(func() { err = c.Quiet(ctx) })
	r.until("low settings", func() bool { return r.settings() == [2]string{"0.000000", "0.000000"} })
	cancel(because)
	wg.Wait()
	if !errors.Is(err, because) {
		r.Errorf("%v, want the cause", err)
	}
	r.want("after the end of the context", 90, 0)

	// The same while a checkpoint runs, at whatever moment that is.
	c.checkpoint = true
	r.soil()
	ctx, cancel = context.WithCancelCause(r.ctx)
	defer cancel(nil)
	wg.Go(func() { err = c.Quiet(ctx) })
	r.until("low settings", func() bool { return r.settings()[0] == "0.000000" })
	cancel(because)
	wg.Wait()
	r.must(c.Restore(ctx)) // a context that has ended must not keep it
	r.want("after Restore with a dead context", 90, 0)
}

func testRights(r *rig) {
	r.exec(`CREATE OR REPLACE USER 'poor'@'localhost' IDENTIFIED BY 'x'; CREATE OR REPLACE USER 'blind'@'localhost' IDENTIFIED BY 'x';
		GRANT PROCESS, RELOAD, REPLICATION CLIENT, CONNECTION ADMIN, BINLOG ADMIN ON *.* TO 'poor'@'localhost'; GRANT SUPER ON *.* TO 'blind'@'localhost'`)
	for _, c := range []struct{ user, password, want string }{
		{account, "wrong", "check user and password"},
		{"nobody", "x", "check user and password"},
		{"poor", "x", "GRANT SUPER, PROCESS"},
	} {
		if _, err := Open(r.ctx, Config{Socket: r.node.Socket(), User: c.user, Password: c.password}); err == nil || !strings.Contains(err.Error(), c.want) {
			r.Errorf("user %s: %v, want %q", c.user, err, c.want)
		}
	}
	r.want("after refusals", 90, 0)
	c, _ := r.open(Config{User: "blind", Password: "x"})
	r.must(c.Quiet(r.ctx))
	r.want("without PROCESS", 0, 0)
}

func testZerosStay(r *rig) {
	r.exec("SET GLOBAL innodb_max_dirty_pages_pct=0")
	c, n := r.open(Config{})
	r.must(c.Quiet(r.ctx))
	if !n.has("are 0 already") {
		r.Error("zeros were not noted")
	}
	if left := guards(os.Getpid()); len(left) != 0 {
		r.Errorf("guards %v have nothing to do", left)
	}
	r.exec("SET GLOBAL innodb_max_dirty_pages_pct=33")
	r.must(c.Close())
	r.want("after Close", 33, 0)
}

// testZerosGo calms a server whose last transfer was killed a moment ago.
func testZerosGo(r *rig) {
	r.exec("SET GLOBAL innodb_max_dirty_pages_pct=70; SET GLOBAL innodb_max_dirty_pages_pct_lwm=10")
	c, _ := r.open(Config{})
	cmd, guard := r.victim()
	r.must(syscall.Kill(guard, syscall.SIGSTOP))
	r.must(cmd.Process.Kill())
	looks := r.count("Com_show_variables")
	var wg sync.WaitGroup
	var err error
	wg.Go(func() { err = c.Quiet(r.ctx) })
	// The first look finds zeros, and they must not be believed at once.
	r.until("a second look", func() bool { return r.count("Com_show_variables") >= looks+2 })
	r.must(syscall.Kill(guard, syscall.SIGCONT))
	r.gone("the guard", guard)
	wg.Wait()
	r.must(err)
	r.must(c.Restore(r.ctx))
	r.want("after Restore", 70, 10)
}

func testChangedMeanwhile(r *rig) {
	c, n := r.open(Config{})
	r.must(c.Quiet(r.ctx))
	r.exec("SET GLOBAL innodb_max_dirty_pages_pct=55")
	r.must(c.Restore(r.ctx))
	r.want("after Restore", 55, 0)
	if !n.has("changed by somebody else") {
		r.Error("the change was not noted")
	}
}

func testLongStatements(r *rig) {
	r.exec("CREATE DATABASE IF NOT EXISTS soil; CREATE OR REPLACE TABLE soil.s (a INT, b VARCHAR(20)) ENGINE=InnoDB; INSERT INTO soil.s VALUES (1, '')")
	running := func(seconds string) (end func()) {
		ctx, cancel := context.WithCancel(r.ctx)
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = r.node.Exec(ctx, "UPDATE soil.s SET b='private' WHERE a=1 AND SLEEP("+seconds+")=0")
		})
		r.until("a long statement", func() bool {
			rows, err := r.node.Query(r.ctx, "SELECT id FROM information_schema.processlist WHERE info LIKE 'UPDATE soil%' AND time >= 1")
			r.must(err)
			return len(rows) == 1
		})
		return func() {
			rows, err := r.node.Query(r.ctx, "SELECT id FROM information_schema.processlist WHERE info LIKE 'UPDATE soil%'")
			r.must(err)
			for _, row := range rows {
				r.exec("KILL QUERY " + row[0])
			}
			wg.Wait()
			cancel()
		}
	}
	c, n := r.open(Config{})
	end := running("2")
	r.must(c.Quiet(r.ctx))
	end()
	if n.has("have to wait") {
		r.Error("a statement was noted that had ended in time")
	}
	end = running("30")
	r.must(c.Quiet(r.ctx))
	end()
	if !n.has("UPDATE of user \"root\"") || n.has("private") || strings.Count(strings.Join(n.lines, "\n"), "have to wait") != 1 {
		r.Errorf("notes %q", n.lines)
	}
}

// testNoRest has two clients that change pages faster than a checkpoint ends: Quiet must come back at its limit, and the
// checkpoint that it asked to end must end although they go on.
func testNoRest(r *rig) {
	r.soil()
	r.exec(`USE soil; CREATE OR REPLACE PROCEDURE restless() BEGIN DECLARE r INT; WHILE TRUE DO SET r = 1 + FLOOR(RAND() * 40000);
		UPDATE t SET a = a + 1 WHERE id = r; END WHILE; END`)
	db, err := r.node.DB()
	r.must(err)
	var wg sync.WaitGroup
	for range 2 {
		conn, err := db.Conn(r.ctx)
		r.must(err)
		var id string
		r.must(conn.QueryRowContext(r.ctx, "SELECT CONNECTION_ID()").Scan(&id))
		defer r.exec("KILL " + id)
		wg.Go(func() {
			_, _ = conn.ExecContext(r.ctx, "SET SESSION wsrep_on=OFF; CALL soil.restless()")
			_ = conn.Close()
		})
	}
	r.until("pages of the clients", func() bool { return r.dirty() > 1000 })
	c, n := r.open(Config{Target: 1, Limit: 20 * time.Millisecond})
	kills := r.count("Com_kill")
	// A limit that ends before the order has reached the server, or after the checkpoint, proves nothing: again then.
	r.until("a checkpoint that was asked to end", func() bool {
		r.must(c.flush(r.ctx))
		return r.count("Com_kill") > kills
	})
	if !n.has(", not fewer within") {
		r.Error("the end by the limit was not noted")
	}
	r.until("the end of the checkpoint", func() bool {
		rows, err := r.node.Query(r.ctx, "SELECT id FROM information_schema.processlist WHERE info LIKE 'SET GLOBAL innodb_log%'")
		r.must(err)
		return len(rows) == 0
	})
	c.config.Limit = defaultLimit
	r.must(c.Quiet(r.ctx))
	r.must(c.Close())
	r.want("after Close", 90, 0)
}

// testSocketAccount uses no password at all: the server asks the kernel who we are, as for Debian's accounts root and mysql.
func testSocketAccount(r *rig) {
	me, err := user.Current()
	r.must(err)
	if me.Username == "root" {
		defer r.exec("ALTER USER 'root'@'localhost' IDENTIFIED VIA mysql_native_password USING ''")
		r.exec("ALTER USER 'root'@'localhost' IDENTIFIED VIA mysql_native_password USING 'invalid' OR unix_socket")
	} else {
		r.exec(fmt.Sprintf("CREATE USER '%s'@'localhost' IDENTIFIED VIA unix_socket; GRANT SUPER, PROCESS ON *.* TO '%[1]s'@'localhost'", me.Username))
	}
	c, err := Open(r.ctx, Config{Socket: r.node.Socket()})
	r.must(err)
	r.must(c.Quiet(r.ctx))
	r.want("while quiet", 0, 0)
	r.must(c.Close())
	r.want("after Close", 90, 0)
}

func testServerEnds(r *rig) {
	c, _ := r.open(Config{})
	r.must(c.Quiet(r.ctx))
	pids := guards(os.Getpid())
	if len(pids) != 1 {
		r.Fatalf("guards %v, want one", pids)
	}
	r.node.Kill()
	if err := c.Restore(r.ctx); err == nil || !gone(err) {
		r.Errorf("%v, want an error about a server that is gone", err)
	}
	if err := c.Quiet(r.ctx); err == nil {
		r.Error("a server that is gone was calmed")
	}
	// A stop of the service ends the guard; without it, it would look for the server for a minute.
	r.must(syscall.Kill(pids[0], syscall.SIGTERM))
	r.gone("the guard", pids[0])
}

// extraPort takes connections beside those of the pool of threads; the server has it with or without one.
const extraPort = "4399"

// testExtraPort asks the server at the port that a used-up pool of threads leaves free; the guard has to find it there, too.
func testExtraPort(r *rig) {
	r.exec(fmt.Sprintf(`CREATE OR REPLACE USER 'extra'@'%%' IDENTIFIED BY '%s'; GRANT SUPER, PROCESS ON *.* TO 'extra'@'%%'`, secret))
	r.soil()
	n := &notes{t: r.T}
	c, err := Open(r.ctx, Config{Address: net.JoinHostPort(r.node.Host(), extraPort), User: "extra", Password: secret, Note: n.add})
	r.must(err)
	defer c.Close()
	r.must(c.Quiet(r.ctx))
	if dirty := r.dirty(); dirty > 1000 {
		r.Errorf("%d pages are dirty", dirty)
	}
	r.must(c.Restore(r.ctx))
	r.want("after Restore", 90, 0)
}

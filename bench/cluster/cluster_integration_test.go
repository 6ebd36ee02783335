//go:build integration

package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// newTest makes a cluster that ends with the test.
func newTest(t *testing.T, config Config) (context.Context, *Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	if config.Dir == "" {
		config.Dir = RoomyDir(2 << 30)
	}
	c, err := New(ctx, config)
	var missing *MissingError
	if errors.As(err, &missing) {
		cancel()
		t.Skip(missing)
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Destroy()
		cancel()
	})
	return ctx, c
}

// must stops the test at the first error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// boot founds the cluster with node 1.
func boot(ctx context.Context, t *testing.T, c *Cluster) *Node {
	t.Helper()
	n := c.Node(1)
	must(t, n.Init(ctx))
	must(t, n.Start(ctx, true))
	must(t, n.WaitSynced(ctx))
	return n
}

// TestJoinByStockMethod holds the stock method to every oracle: what is known to be right must pass them all.
func TestJoinByStockMethod(t *testing.T) {
	ctx, c := newTest(t, Config{})
	shared, err := c.Shared("records")
	must(t, err)
	hold := filepath.Join(shared, "hold")
	must(t, WrapMethod(c.BinDir(), program("wsrep_sst_rsync"), Hook{Record: shared, Hold: hold}))
	one := boot(ctx, t, c)
	must(t, one.Exec(ctx, `CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, v TEXT); INSERT INTO t SELECT seq, REPEAT('x', seq) FROM seq_1_to_100;
		CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO m SELECT seq FROM seq_1_to_9`))

	must(t, HoldBack(hold))
	two := c.Node(2)
	must(t, two.Start(ctx, false))
	must(t, Held(ctx, hold))
	x, err := TreeHash(ctx, one.Datadir(), stockLeavesOut)
	must(t, err)
	y, err := TreeHash(ctx, two.Datadir(), stockLeavesOut)
	must(t, err)
	if diff := Diff(x, y); len(diff) > 0 {
		t.Errorf("trees under the lock differ: %q", diff)
	}
	if len(two.Scripts()) == 0 || len(one.Scripts()) == 0 {
		t.Error("the transfer programs are not found among the processes")
	}
	must(t, Release(hold))
	must(t, two.WaitSynced(ctx))

	rows, err := two.Query(ctx, "SELECT COUNT(*), SUM(LENGTH(v)), NULL FROM d.t")
	must(t, err)
	if !reflect.DeepEqual(rows, [][]string{{"100", "5050", "NULL"}}) {
		t.Fatalf("joiner has %v, want 100 rows of 5050 bytes", rows)
	}
	must(t, EqualNodes(ctx, one, two))
	must(t, CheckTables(ctx, two))
	if bad := LogProblems(two.ErrorLog()); len(bad) > 0 {
		t.Errorf("the joiner's log has %q", bad)
	}
	// MyISAM is not replicated, so this difference stays.
	must(t, two.Exec(ctx, "INSERT INTO d.m VALUES (100)"))
	if EqualNodes(ctx, one, two) == nil {
		t.Error("a row more on one node went unnoticed")
	}
	status, err := two.Status(ctx, "wsrep_cluster_state_uuid", "wsrep_last_committed")
	must(t, err)
	must(t, two.Stop(ctx))
	must(t, CheckOffline(ctx, two))
	uuid, seqno, err := two.Recover(ctx)
	must(t, err)
	if uuid != status["wsrep_cluster_state_uuid"] || fmt.Sprint(seqno) != status["wsrep_last_committed"] {
		t.Errorf("recovered %s:%d, want %v", uuid, seqno, status)
	}

	// Damage that the checks must see.
	must(t, flip(filepath.Join(two.Datadir(), "d", "t.ibd"), 3*16384+200))
	if CheckOffline(ctx, two) == nil {
		t.Error("a flipped byte in a tablespace went unnoticed")
	}
}

// stockLeavesOut is what the rsync method does not copy, in addition to what no method does.
func stockLeavesOut(rel string) bool {
	switch rel {
	case "performance_schema", "ddl_recovery.log", "ddl_recovery-backup.log", "multi-master.info", "mysql_upgrade_info", "tc.log":
		return true
	}
	// The last file that rsync sends is on its way under another name while the donor's "continue" is held back.
	return NotTransferred(rel) || strings.HasPrefix(rel, ".rsync_sst_complete.")
}

func flip(path string, offset int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], offset); err != nil {
		return err
	}
	b[0] ^= 0x55
	_, err = f.WriteAt(b[:], offset)
	return err
}

// TestWriterThroughJoin lets a node join while the writer works, kills the joiner, brings it back as systemd would, and checks
// the ledger on both nodes each time.
func TestWriterThroughJoin(t *testing.T) {
	ctx, c := newTest(t, Config{})
	one, two := boot(ctx, t, c), c.Node(2)
	w, err := StartWriter(ctx, one, WriterConfig{})
	must(t, err)
	must(t, two.Start(ctx, false))
	must(t, two.WaitSynced(ctx))
	two.Kill()
	if two.Running() || two.Pid() != 0 {
		t.Error("the node runs after Kill")
	}
	must(t, two.Restart(ctx, false))
	must(t, two.WaitSynced(ctx))
	load, err := w.Stop()
	must(t, err)
	if load.Commits == 0 || load.LongestGap <= 0 || load.Seconds <= 0 {
		t.Errorf("the writer reports %+v", load)
	}
	t.Logf("%+v", load)
	for _, n := range []*Node{one, two} {
		must(t, w.CheckLedger(ctx, n))
	}
	must(t, EqualNodes(ctx, one, two))
	if len(two.OldErrorLogs()) != 1 {
		t.Errorf("%d old error logs, want 1", len(two.OldErrorLogs()))
	}
	for _, lie := range []string{
		"DELETE FROM writer.ledger WHERE client = 0 AND n = 2",
		"UPDATE writer.ledger SET total = total + 1 WHERE client = 1 AND n = 1",
		"DELETE FROM writer.event WHERE client = 2 AND n = 1",
		"UPDATE writer.account SET balance = balance + 1 WHERE id = 5",
		"DELETE FROM writer.ledger WHERE client = 3",
	} {
		// Each lie is told for real and taken back from a copy.
		table := strings.Fields(lie[strings.Index(lie, "writer."):])[0]
		must(t, one.Exec(ctx, "CREATE TABLE writer.saved AS SELECT * FROM "+table+"; "+lie))
		if w.CheckLedger(ctx, one) == nil {
			t.Errorf("CheckLedger did not see: %s", lie)
		}
		must(t, one.Exec(ctx, "REPLACE INTO "+table+" SELECT * FROM writer.saved; DROP TABLE writer.saved"))
		must(t, w.CheckLedger(ctx, one))
	}
}

// TestNothingOutlivesDestroy destroys a cluster in the middle of a state transfer.
func TestNothingOutlivesDestroy(t *testing.T) {
	ctx, c := newTest(t, Config{})
	shared, err := c.Shared("records")
	must(t, err)
	hold := filepath.Join(shared, "hold")
	must(t, WrapMethod(c.BinDir(), program("wsrep_sst_rsync"), Hook{Hold: hold}))
	boot(ctx, t, c)
	must(t, HoldBack(hold))
	must(t, c.Node(2).Start(ctx, false))
	must(t, Held(ctx, hold))
	c.Destroy()
	if left := processesNaming(c.Dir()); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	if _, err := os.Stat(c.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is left: %v", err)
	}
	if err := c.Node(1).Start(ctx, true); err == nil {
		t.Error("a destroyed cluster started a server")
	}
}

// TestNothingOutlivesKill runs a cluster in a program of its own and kills that program with SIGKILL.
func TestNothingOutlivesKill(t *testing.T) {
	if parent := os.Getenv("CLUSTER_TEST_VICTIM"); parent != "" {
		ctx, c := newTest(t, Config{Dir: parent})
		boot(ctx, t, c)
		fmt.Printf("victim is up\n")
		<-ctx.Done()
		return
	}
	must(t, Missing("rsync"))
	dir, err := os.MkdirTemp("/tmp", "victim-")
	must(t, err)
	defer os.RemoveAll(dir)
	must(t, os.Chmod(dir, 0o755))
	cmd := exec.Command(os.Args[0], "-test.run=^TestNothingOutlivesKill$", "-test.v")
	cmd.Env = append(os.Environ(), "CLUSTER_TEST_VICTIM="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	up := false
	for !up && lines.Scan() {
		up = strings.Contains(lines.Text(), "victim is up")
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	if !up {
		t.Fatal("the victim did not come up")
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		entries, err := os.ReadDir(dir)
		must(t, err)
		left := processesNaming(dir + "/")
		if len(entries) == 0 && len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left after the program was killed: processes %v, entries %v", left, entries)
		}
		time.Sleep(pollEvery)
	}
}

// TestFailedStartSaysWhy plants an option that the server refuses.
func TestFailedStartSaysWhy(t *testing.T) {
	ctx, c := newTest(t, Config{})
	n := c.Node(1)
	must(t, n.Init(ctx))
	n.Set("mysqld", "no_such_option", "1")
	must(t, n.Start(ctx, true))
	err := n.WaitSynced(ctx)
	if err == nil || !strings.Contains(err.Error(), "no-such-option") {
		t.Errorf("the error does not carry the log: %v", err)
	}
	n.Unset("mysqld", "no-such-option")
	must(t, n.Start(ctx, true))
	must(t, n.WaitSynced(ctx))
}

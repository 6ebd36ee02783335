//go:build integration

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trireme/bench/cluster"
)

// TestRedoResized is T-12: the redo log is made anew in another size between the last live pass and the lock, and once more while the
// lock is held. The copy has the log of the lock, and the joiner starts from it.
func TestRedoResized(t *testing.T) {
	ctx, r := sharedRig(t)
	n := r.two
	r.fresh(t, n)
	size := func() int64 {
		info, err := os.Stat(filepath.Join(r.one.Datadir(), "ib_logfile0"))
		must(t, err)
		return info.Size()
	}
	was := size()
	resize := func(ctx context.Context, to int64) error {
		return r.one.Exec(ctx, "SET GLOBAL innodb_log_file_size="+strconv.FormatInt(to, 10))
	}
	t.Cleanup(func() {
		must(t, resize(context.Background(), was))
		until(t, ctx, "the redo log has its old size", func() bool { return size() == was })
	})
	l := r.startLoad(t, ctx, 12)
	uuid := r.uuid(t, ctx)
	r.holding(t, "flush tables", "continue", uuid)
	r.start(t, ctx, n)
	r.held(t, ctx, "flush tables")
	must(t, resize(ctx, was+16<<20))
	until(t, ctx, "the redo log has its new size", func() bool { return size() == was+16<<20 })
	must(t, cluster.Release(r.at("flush tables")))
	r.held(t, ctx, "continue")
	r.held(t, ctx, uuid)
	lockedTrees(t, ctx, r, n)
	short, cancel := context.WithTimeout(ctx, time.Second)
	err := resize(short, was+32<<20)
	cancel()
	t.Logf("resizing the redo log under the lock: error %v, its size is then %d (%d before)", err, size(), was+16<<20)
	r.release(t)
	must(t, n.WaitSynced(ctx))
	if info, err := os.Stat(filepath.Join(n.Datadir(), "ib_logfile101")); err == nil {
		t.Errorf("the joiner has a half-made redo log of %d bytes", info.Size())
	}
	l.check(t, ctx, r, n)
}

// TestLockRefusedByServer is T-19: a statement that runs for a minute when "flush tables" is printed, and a server that gives up waiting
// for it. The server says so in sst_error: the transfer fails at once, the joiner gets no coordinates, the donor goes on, and the next
// one succeeds. A long SELECT alone holds nothing up.
func TestLockRefusedByServer(t *testing.T) {
	ctx, r := sharedRig(t)
	n := r.two
	must(t, r.one.Exec(ctx, "CREATE DATABASE IF NOT EXISTS slow; CREATE OR REPLACE TABLE slow.t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB; INSERT INTO slow.t SELECT seq, seq FROM slow.seq_1_to_60; CREATE OR REPLACE TABLE slow.u (id INT PRIMARY KEY) ENGINE=InnoDB; SET GLOBAL lock_wait_timeout=1"))
	t.Cleanup(func() {
		must(t, r.one.Exec(context.Background(), "SET GLOBAL lock_wait_timeout=DEFAULT; DROP DATABASE IF EXISTS slow"))
	})
	uuid := r.uuid(t, ctx)
	// The server lets nobody kill an ALTER that goes to all nodes (error 1095). But for a soak it is shorter than the minute, and still
	// several times as long as the server waits.
	rows := 80
	if soaking() {
		rows = 1200
	}
	must(t, r.one.Exec(ctx, fmt.Sprintf("INSERT INTO slow.u SELECT seq FROM slow.seq_1_to_%d", rows)))
	const running = "FROM information_schema.processlist WHERE info LIKE '%slow.%' AND id <> CONNECTION_ID()"
	// begun counts statements of a kind that have begun, without a look at the threads: one that was asked for while an ALTER
	// computed has come back when that had ended.
	begun := func(ctx context.Context, kind string) string {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		rows, err := r.one.Query(ctx, "SHOW GLOBAL STATUS LIKE 'Com_"+kind+"'")
		if err != nil || len(rows) != 1 {
			return "" // asked again
		}
		return rows[0][1]
	}
	run := func(t *testing.T, kind, statement string) (end func() error) {
		before := begun(ctx, kind)
		if before == "" {
			t.Fatalf("node 1 does not count statements of kind %s", kind)
		}
		done := make(chan error, 1)
		var wg sync.WaitGroup
		wg.Go(func() { done <- r.one.Exec(ctx, statement) })
		t.Cleanup(wg.Wait)
		until(t, ctx, "the statement runs", func() bool {
			select {
			case err := <-done:
				t.Fatalf("%s: ended before the lock was asked for (%v)", statement, err)
			default:
			}
			now := begun(ctx, kind)
			return now != "" && now != before
		})
		return func() error {
			var err error
			if !strings.HasPrefix(statement, "ALTER") {
				err = r.one.Exec(ctx, "SELECT GROUP_CONCAT(id) INTO @ids "+running+"; EXECUTE IMMEDIATE CONCAT('KILL QUERY ', @ids)")
			}
			<-done
			return err
		}
	}
	for _, c := range []struct{ name, kind, statement string }{
		// Functions that wait are not allowed there; this one computes for a twentieth of a second, row by row.
		{"ALTER", "alter_table", "ALTER TABLE slow.u ADD CONSTRAINT slowly CHECK (SHA2(REPEAT(CHAR(64 + id % 60), 16000000), 512) <> ''), ALGORITHM=COPY"},
		{"UPDATE", "update", "UPDATE slow.t SET v = v + SLEEP(1)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.fresh(t, n)
			r.clearRecords(t)
			r.holding(t, "flush tables")
			words := since(r.one)
			r.start(t, ctx, n)
			r.held(t, ctx, "flush tables")
			end := run(t, c.kind, c.statement)
			r.release(t)
			if err := n.Wait(ctx); err == nil {
				t.Error("the joiner's server ended in good order")
			}
			until(t, ctx, "the donor's program has ended", func() bool { return len(r.one.Scripts()) == 0 })
			must(t, end())
			if !says(words(), "could not flush and lock its tables") {
				t.Errorf("the donor's program does not name sst_error:\n%s", strings.Join(words(), "\n"))
			}
			// The group may have told the joiner's server before the donor's program told ours.
			if !says(n.ScriptLog(), "could not flush and lock its tables") && !says(n.ScriptLog(), "is gone") {
				t.Errorf("the joiner's program does not name the cause:\n%s", strings.Join(n.ScriptLog(), "\n"))
			}
			for role, want := range map[string][]string{"donor": {"flush tables"}, "joiner": {"ready "}} {
				if said := r.spoken(t, role); !slices.EqualFunc(said, want, strings.HasPrefix) {
					t.Errorf("the %s's program told its server %q, want %q and no more", role, said, want)
				}
			}
			must(t, r.one.WaitSynced(ctx))
			r.writable(t, ctx)
		})
	}

	r.fresh(t, n)
	r.holding(t, "flush tables", uuid)
	words := since(r.one)
	r.start(t, ctx, n)
	r.held(t, ctx, "flush tables")
	end := run(t, "select", "SELECT SLEEP(1), v FROM slow.t")
	r.release(t)
	must(t, n.WaitSynced(ctx))
	wait := figure(t, words(), `locked after ([0-9.]+) s`)
	t.Logf("with a SELECT of minutes the lock was granted after %.3f s", wait)
	must(t, end())
	r.exact(t, ctx, n)
}

// TestGeneralLogTable is T-29: with the general log in a table and clients that ask without pause, a file of the datadir grows under
// the lock. It is cut where it was seen first, and that ends the matter (R-COPY-8): what the joiner gets is a beginning of the donor's.
func TestGeneralLogTable(t *testing.T) {
	ctx, r := sharedRig(t)
	n := r.two
	r.fresh(t, n)
	// The server opens the file as well, and later tests compare whole datadirs.
	file := filepath.Join(r.one.Dir(), "general.log")
	must(t, r.one.Exec(ctx, fmt.Sprintf("SET GLOBAL log_output='TABLE'; SET GLOBAL general_log_file='%s'; SET GLOBAL general_log=ON", file)))
	t.Cleanup(func() {
		must(t, r.one.Exec(context.Background(), "SET GLOBAL general_log=OFF; SET GLOBAL log_output=DEFAULT; TRUNCATE mysql.general_log"))
	})
	asking, stop := context.WithCancel(ctx)
	var asked atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for asking.Err() == nil {
				if r.one.Exec(asking, "DO 1") == nil {
					asked.Add(1)
				}
			}
		})
	}
	t.Cleanup(wg.Wait)
	t.Cleanup(stop)
	l := r.startLoad(t, ctx, 29)
	uuid := r.uuid(t, ctx)
	r.holding(t, "continue", uuid)
	r.start(t, ctx, n)
	r.held(t, ctx, "continue")
	began, before := time.Now(), asked.Load()
	r.held(t, ctx, uuid)
	until(t, ctx, "the log grows", func() bool { return asked.Load() > before+100 })
	qps := float64(asked.Load()-before) / time.Since(began).Seconds()
	ours, err := os.ReadFile(filepath.Join(n.Datadir(), "mysql/general_log.CSV"))
	must(t, err)
	theirs, err := os.ReadFile(filepath.Join(r.one.Datadir(), "mysql/general_log.CSV"))
	must(t, err)
	t.Logf("%.0f statements a second under the lock; the log has %d bytes, the joiner's %d", qps, len(theirs), len(ours))
	if len(ours) == 0 || !bytes.HasPrefix(theirs, ours) {
		t.Error("the joiner's general log is no beginning of the donor's")
	}
	if len(theirs) == len(ours) {
		t.Error("the log did not grow: this test shows nothing")
	}
	r.release(t)
	must(t, n.WaitSynced(ctx))
	stop()
	must(t, r.one.Exec(ctx, "SET GLOBAL general_log=OFF"))
	l.check(t, ctx, r, n)
}

// TestOtherWritersGoOn is T-32: clients write on another node than the donor. Its lock must not stop them: a donor takes part in no flow
// control (consistency 9), and nothing that we do changes that. A node that does would stop them when some thirty of their
// transactions (gcs.fc_limit) wait for it.
func TestOtherWritersGoOn(t *testing.T) {
	ctx, r := sharedRig(t)
	n, writers := r.two, r.three
	n.Set("mysqld", "wsrep_sst_donor", "first,")
	t.Cleanup(func() { n.Unset("mysqld", "wsrep_sst_donor") })
	r.fresh(t, writers)
	r.join(t, ctx, writers)
	r.fresh(t, n)
	l := r.startLoadOn(t, ctx, writers, cluster.WriterConfig{Clients: 2, Seed: 32})
	paused := func() (ns, sent int64) {
		s, err := writers.Status(ctx, "wsrep_flow_control_paused_ns")
		must(t, err)
		d, err := r.one.Status(ctx, "wsrep_flow_control_sent")
		must(t, err)
		ns, err = strconv.ParseInt(s["wsrep_flow_control_paused_ns"], 10, 64)
		must(t, err)
		sent, err = strconv.ParseInt(d["wsrep_flow_control_sent"], 10, 64)
		must(t, err)
		return ns, sent
	}
	uuid := r.uuid(t, ctx)
	r.holding(t, "continue", uuid)
	r.start(t, ctx, n)
	said(t, ctx, r.one, "about to copy")
	ns, sent := paused()
	r.held(t, ctx, "continue")
	began, before := time.Now(), l.w.Load().Commits
	const many = 300
	until(t, ctx, "writers of another node go on under the donor's lock", func() bool { return l.w.Load().Commits > before+many })
	nsAfter, sentAfter := paused()
	t.Logf("%d commits on the other node in %.1f s of the donor's lock; paused for %d ns, the donor sent %d flow control messages", many, time.Since(began).Seconds(), nsAfter-ns, sentAfter-sent)
	r.held(t, ctx, uuid)
	r.release(t)
	must(t, n.WaitSynced(ctx))
	l.stop(t)
	must(t, l.w.CheckLedger(ctx, n))
	must(t, r.one.Exec(ctx, "DROP DATABASE mix_local"))
	r.exact(t, ctx, n)
}

// TestFasterThanTheLink is T-30: the writer changes more than the live passes may read. They end at a cap, the policy is to go on, the
// prediction and the truth stand in the log, and the lock does not wait for the limit (R-CONV-1, R-LOAD-1).
func TestFasterThanTheLink(t *testing.T) {
	_, r := sharedRig(t)
	for _, i := range repeats(t, 1) {
		if !repeat(t, i, func(t *testing.T) { fasterThanTheLink(t, r, i) }) {
			return
		}
	}
	if soaking() {
		soaked.accurate(t)
	}
}

func fasterThanTheLink(t *testing.T, r *joinRig, i int) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), testLimit, fmt.Errorf("the repeat took longer than %v", testLimit))
	defer cancel()
	n := r.two
	// The bulk is there already: only what changes must be slower than the limit.
	if !settled(n) {
		r.fresh(t, n)
		r.join(t, ctx, n)
	}
	must(t, n.Stop(ctx))
	r.over(t, n)
	r.own(t, map[string]string{"rate-limit": "128M", "passes": "3"})
	l := r.startLoadOn(t, ctx, r.one, cluster.WriterConfig{Clients: 2, Seed: uint64(i + 29), Payload: 50000})
	words := since(r.one)
	r.join(t, ctx, n)
	until(t, ctx, "the donor's program has ended", func() bool { return len(r.one.Scripts()) == 0 })
	l.check(t, ctx, r, n)
	if !says(words(), "asking for the lock: ") {
		t.Errorf("no reason for the lock:\n%s", strings.Join(words(), "\n"))
	}
	for _, figure := range []string{"predicted to last ", "server released after "} {
		if !says(words(), figure) {
			t.Errorf("the log does not say %q:\n%s", figure, strings.Join(words(), "\n"))
		}
	}
	for _, line := range words() {
		if strings.Contains(line, "pass ") || strings.Contains(line, "asking for the lock") {
			t.Log(line)
		}
	}
	if s := lastSummary(t, r.one); s.Passes < 3 || s.LockPredicted <= 0 {
		t.Errorf("%d passes, a lock of %.3f s predicted", s.Passes, s.LockPredicted)
	}
	r.tallyLock(t)
}

//go:build integration

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trireme/bench/cluster"
	"trireme/bench/zoo"
	"trireme/wire/identity/ca"
)

// joinRig is a cluster of three nodes that the tests of joins and crashes share: node 1 holds every kind of table and some bulk, nodes
// 2 and 3 come and go. Mutual TLS throughout, as a DBA would set it up.
type joinRig struct {
	c                *cluster.Cluster
	one, two, three  *cluster.Node
	program, records string
	joiner           *cluster.Node  // the node of the last start
	hold             string         // beginning of the wrappers' files, see holding
	skip             map[string]int // by line: how many such lines of one call holding lets pass first
}

// testLimit bounds one test; a hang shows as an error with the end of an error log, not as the death of the whole run.
const testLimit = 5 * time.Minute

// pollEvery is the distance of two looks at a log or a directory.
const pollEvery = 5 * time.Millisecond

// idleRigs holds the shared rig while no test uses it.
var idleRigs = make(chan *joinRig, 1)

// sharedRig puts the test into the lane of the rig and returns it for its time, in the base state, whatever the test
// before left: node 1 synced, nodes 2 and 3 down (their old datadirs may be there), the program installed without a wrapper.
func sharedRig(t *testing.T) (context.Context, *joinRig) {
	t.Helper()
	onRig.take(t)
	ctx, cancel := context.WithTimeoutCause(context.Background(), testLimit, fmt.Errorf("the test took longer than %v", testLimit))
	t.Cleanup(cancel)
	var r *joinRig
	select {
	case r = <-idleRigs:
	default:
		r = newJoinRig(t, ctx, cluster.Config{Dir: cluster.RoomyDir(3 << 30), Nodes: 3, Method: "trireme", Provider: quickEviction})
		afterAll(r.c.Destroy)
		r.boot(t, ctx)
		must(t, zoo.Build(ctx, r.one))
		must(t, zoo.Fill(ctx, r.one, 48<<20))
	}
	t.Cleanup(func() { idleRigs <- r })
	r.reset(t, ctx)
	t.Cleanup(func() {
		if t.Failed() {
			for i, n := range []*cluster.Node{r.one, r.two, r.three} {
				const most = 20
				log := quietly(n.ScriptLog())
				t.Logf("the transfer program of node %d said last:\n    %s", i+1, strings.Join(log[max(0, len(log)-most):], "\n    "))
				t.Logf("the server of node %d, which runs: %v, said last:\n%s", i+1, n.Running(), lastLines(strings.Join(quietly(strings.Split(n.ErrorLog(), "\n")), "\n"), 5*tailLines))
			}
		}
	})
	return ctx, r
}

// quietly leaves out the lines about progress, which come every five seconds and push everything else out of a log's end.
func quietly(log []string) []string {
	return slices.DeleteFunc(log, func(line string) bool {
		return strings.Contains(line, ", ETA ") || strings.Contains(line, "live copy for ")
	})
}

// threadsAfter logs what the threads of a node's server do when that time has passed before it is stopped: a server that never grants its lock
// tells nothing else of it, and lets everybody go when the test's clients leave.
func threadsAfter(t *testing.T, n *cluster.Node, after time.Duration) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-done:
			return
		case <-time.After(after):
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		rows, err := n.Query(ctx, "SHOW FULL PROCESSLIST")
		t.Logf("after %v the server's threads are (%v):", after, err)
		for _, row := range rows {
			t.Log(strings.Join(row, " | "))
		}
	})
	return func() { close(done); wg.Wait() }
}

// quickEviction makes the group notice a killed member in seconds: writes stand still until it does.
var quickEviction = map[string]string{
	"evs.keepalive_period": "PT0.3S", "evs.inactive_check_period": "PT0.2S", "evs.suspect_timeout": "PT2S",
	"evs.inactive_timeout": "PT4S", "evs.install_timeout": "PT4S",
}

// newJoinRig makes the cluster; no server runs yet.
func newJoinRig(t *testing.T, ctx context.Context, config cluster.Config) *joinRig {
	t.Helper()
	c, err := cluster.New(ctx, config)
	var missing *cluster.MissingError
	if errors.As(err, &missing) {
		t.Skip(missing)
	}
	must(t, err)
	r := &joinRig{c: c, one: c.Node(1), two: c.Node(2)}
	nodes := []*cluster.Node{r.one, r.two}
	if config.Nodes > 2 {
		r.three = c.Node(3)
		// The tests look at node 1 as the donor, and the provider may take any.
		r.one.Set("mysqld", "wsrep_node_name", "first")
		r.three.Set("mysqld", "wsrep_sst_donor", "first,")
		nodes = append(nodes, r.three)
	}
	if err := r.configure(nodes); err != nil {
		c.Destroy()
		t.Fatal(err)
	}
	return r
}

func (r *joinRig) configure(nodes []*cluster.Node) error {
	keys, err := r.c.Shared("keys")
	if err != nil {
		return err
	}
	if r.records, err = r.c.Shared("records"); err != nil {
		return err
	}
	r.hold = filepath.Join(r.records, "hold")
	keyFile := filepath.Join(keys, "keys.txt")
	if err := zoo.WriteKeyFile(keyFile); err != nil {
		return err
	}
	if err := nodes[0].Give(keyFile); err != nil {
		return err
	}
	authority, err := ca.NewCA("Trireme test authority", ca.Options{})
	if err != nil {
		return err
	}
	caFile := filepath.Join(keys, "ca.pem")
	if err := os.WriteFile(caFile, authority.CertificatePEM(), 0o644); err != nil {
		return err
	}
	for i, n := range nodes {
		for k, v := range zoo.ServerOptions(keyFile) {
			n.Set("mysqld", k, v)
		}
		certPEM, keyPEM, err := authority.Issue(fmt.Sprintf("node%d", i+1), []string{n.Host()}, ca.Options{})
		if err != nil {
			return err
		}
		file := filepath.Join(keys, fmt.Sprintf("node%d.pem", i+1))
		if err := os.WriteFile(file, append(certPEM, keyPEM...), 0o600); err != nil {
			return err
		}
		if err := n.Give(file); err != nil {
			return err
		}
		n.Set("sst", "tca", caFile)
		n.Set("sst", "tcert", file)
		// As short as quickEviction: whom the group has expelled nobody need wait for.
		n.Set("trireme", "reconnect", "4")
	}
	// The wrapper runs the program from a place of its own, because it takes the name in BinDir.
	bin, err := r.c.Shared("bin")
	if err != nil {
		return err
	}
	r.program = filepath.Join(bin, "trireme")
	data, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.program, data, 0o755); err != nil {
		return err
	}
	return r.c.InstallMethod("trireme", binary)
}

func (r *joinRig) boot(t *testing.T, ctx context.Context) {
	t.Helper()
	must(t, r.one.Init(ctx))
	must(t, r.one.Start(ctx, true))
	must(t, r.one.WaitSynced(ctx))
}

// reset is the base state of sharedRig.
func (r *joinRig) reset(t *testing.T, ctx context.Context) {
	t.Helper()
	r.release(t)
	r.skip = nil
	for _, n := range []*cluster.Node{r.two, r.three} {
		if n == nil || !n.Running() {
			continue
		}
		stop, cancel := context.WithTimeout(ctx, 20*time.Second)
		if n.Stop(stop) != nil {
			n.KillAll()
		}
		cancel()
	}
	must(t, r.c.InstallMethod("trireme", binary))
	if !r.one.Running() {
		must(t, r.one.Restart(ctx, true))
	}
	must(t, r.one.WaitSynced(ctx))
}

// holding installs the program behind wrappers that hold back its stdout lines that begin so, each at a place of its own. From the
// call on, the next such line waits until release.
func (r *joinRig) holding(t *testing.T, lines ...string) {
	t.Helper()
	program := r.program
	for i, line := range lines {
		must(t, cluster.HoldBack(r.at(line)))
		hook := cluster.Hook{Method: "trireme", Record: r.records, Line: line, Hold: r.at(line), Skip: r.skip[line]}
		dir := r.c.BinDir()
		if i < len(lines)-1 {
			// One wrapper runs the next; what the server hears is recorded by the outermost.
			hook.Record = ""
			var err error
			dir, err = r.c.Shared(fmt.Sprintf("wrap%d", i))
			must(t, err)
		}
		must(t, cluster.WrapMethod(dir, program, hook))
		program = filepath.Join(dir, "wsrep_sst_trireme")
	}
}

// at is the file of the wrapper that holds back such lines.
func (r *joinRig) at(line string) string { return r.hold + "." + strings.Fields(line)[0] }

// held waits until such a line waits, of a transfer to the node that was started last.
func (r *joinRig) held(t *testing.T, ctx context.Context, line string) {
	t.Helper()
	held(t, ctx, r.joiner, r.at(line))
}

// held waits until a line of a transfer to a node is held back at path.
func held(t *testing.T, ctx context.Context, joiner *cluster.Node, path string) {
	t.Helper()
	whileUp(t, ctx, joiner, "a line is held back at "+path, func() bool { return isHeld(path) })
}

// isHeld says whether a line is held back at path.
func isHeld(path string) bool {
	_, err := os.Stat(path + ".reached")
	return err == nil
}

// release lets every line go.
func (r *joinRig) release(t *testing.T) {
	t.Helper()
	holds, err := filepath.Glob(r.hold + ".*")
	must(t, err)
	for _, h := range holds {
		must(t, cluster.Release(h))
	}
}

// uuid is the cluster's, and with it the beginning of the joiner's last line on stdout.
func (r *joinRig) uuid(t *testing.T, ctx context.Context) string {
	t.Helper()
	s, err := r.one.Status(ctx, "wsrep_cluster_state_uuid")
	must(t, err)
	return s["wsrep_cluster_state_uuid"]
}

// fresh empties a node's datadir, over makes its next start ask for a full transfer over what it has.
func (r *joinRig) fresh(t *testing.T, n *cluster.Node) { t.Helper(); must(t, n.Wipe()) }
func (r *joinRig) over(t *testing.T, n *cluster.Node)  { t.Helper(); must(t, n.ForceFullSST()) }

// start starts a node that joins.
func (r *joinRig) start(t *testing.T, ctx context.Context, n *cluster.Node) {
	t.Helper()
	r.joiner = n
	asks(t, ctx, n, r.one, func() error { return n.Start(ctx, false) })
}

// join starts a node and waits until it is synced.
func (r *joinRig) join(t *testing.T, ctx context.Context, n *cluster.Node) {
	t.Helper()
	r.start(t, ctx, n)
	must(t, n.WaitSynced(ctx))
}

// exact holds a synced node against node 1 by the oracles O2 to O4. Writers must be stopped.
func (r *joinRig) exact(t *testing.T, ctx context.Context, n *cluster.Node) {
	t.Helper()
	oracle(t, "O2", cluster.EqualNodes(ctx, r.one, n))
	oracle(t, "O3", cluster.CheckTables(ctx, n))
	bad := cluster.LogProblems(n.ErrorLog())
	soaked.judged("O4", len(bad) == 0)
	if len(bad) > 0 {
		t.Errorf("the joiner had to repair something: %q", bad)
	}
}

// writable waits until node 1 commits again and returns how long that took.
func (r *joinRig) writable(t *testing.T, ctx context.Context) time.Duration {
	t.Helper()
	began := time.Now()
	must(t, r.one.Exec(ctx, "CREATE DATABASE IF NOT EXISTS pulse; CREATE TABLE IF NOT EXISTS pulse.t (id BIGINT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO pulse.t VALUES ()"))
	return time.Since(began)
}

// must stops the test at the first error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// said waits until the transfer program of a node has written text to the error log of the node's present run.
func said(t *testing.T, ctx context.Context, n *cluster.Node, text string) {
	t.Helper()
	whileUp(t, ctx, n, fmt.Sprintf("the transfer program says %q", text), func() bool { return says(n.ScriptLog(), text) })
}

func says(log []string, text string) bool {
	for _, line := range log {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// since returns what a node's transfer program says after the call.
func since(n *cluster.Node) func() []string {
	before := len(n.ScriptLog())
	return func() []string {
		now := n.ScriptLog()
		return now[min(before, len(now)):]
	}
}

// lastSummary is the closing summary of a node's last transfer.
func lastSummary(t *testing.T, n *cluster.Node) cluster.Summary {
	t.Helper()
	all := cluster.Summaries(n.ErrorLog())
	if len(all) == 0 {
		t.Fatal("the error log has no closing summary")
	}
	return all[len(all)-1]
}

// flushWatch collects the contents of the donor's tables_flushed for as long as it is there, which is the length of a lock window.
type flushWatch struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	seen   []string
}

func watchFlushed(n *cluster.Node) *flushWatch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &flushWatch{cancel: cancel}
	path := filepath.Join(n.Datadir(), "tables_flushed")
	w.wg.Go(func() {
		for ctx.Err() == nil {
			if f, err := os.Open(path); err == nil {
				data, _ := io.ReadAll(f)
				f.Close()
				if line := strings.TrimSpace(string(data)); line != "" && (len(w.seen) == 0 || w.seen[len(w.seen)-1] != line) {
					w.seen = append(w.seen, line)
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Millisecond):
			}
		}
	})
	return w
}

// stop returns what was seen, oldest first.
func (w *flushWatch) stop() []string {
	w.cancel()
	w.wg.Wait()
	return w.seen
}

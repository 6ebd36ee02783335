package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"trireme/bench/cluster"
	"trireme/bench/image"
	"trireme/bench/trust"
	"trireme/bench/zoo"
)

// calmTime is how long the clients work without a join, to tell what they make then, before it with one node and after it with two.
const calmTime = 5 * time.Second

// catchUp is left to the joined node before the second of these times.
const catchUp = 2 * time.Second

// sample is one join.
type sample struct {
	join      float64 // s, from the server's start until it is synced
	gap       float64 // s, longest time without a commit while the state transfer's program runs at the donor
	blocked   float64 // s, all such times together that lasted 20 ms or more
	whole     float64 // s, longest time without a commit since the joining server was started
	predicted float64 // s, ours: what the lock was expected to last
	locked    float64 // s, ours: from asking for the lock to letting go
	rate      float64 // commits a second during the join, as a share of those before it
	paired    float64 // the same as a share of those after it, when every commit also goes to the other node
}

func run(ctx context.Context, o options) (err error) {
	in, missing, err := pick(o.methods, func(p string) bool { _, err := exec.LookPath(p); return err == nil })
	if err != nil {
		return err
	}
	for _, m := range missing {
		fmt.Printf("does not take part: %s\n", m)
	}
	dir, unmount, err := place(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unmount()) }()
	c, err := cluster.New(ctx, cluster.Config{Dir: dir, Name: "race", Method: "trireme", Nodes: 2})
	if err != nil {
		return err
	}
	defer c.Destroy()
	if err := installPeers(c, o.binary); err != nil {
		return err
	}
	files, err := trust.Make(c, 2)
	if err != nil {
		return err
	}
	for _, s := range o.set {
		name, value, _ := strings.Cut(s, "=")
		c.Node(1).Set("trireme", name, value)
		c.Node(2).Set("trireme", name, value)
	}
	began := time.Now()
	if err := boot(ctx, c.Node(1), o); err != nil {
		return err
	}
	loaded := time.Since(began)
	load := cluster.WriterConfig{Clients: 2, Accounts: 100000}
	if o.hot {
		load.Hot = zoo.BulkSchema + ".big"
		if load.HotRows, err = rows(ctx, c.Node(1), load.Hot); err != nil {
			return err
		}
	}
	fmt.Printf("loaded %d MiB into %s in %.0f s; two clients commit without pause, hot table: %v, InnoDB alone: %v\n",
		o.mb, c.Dir(), loaded.Seconds(), o.hot, o.innodb)
	results := map[string][]sample{}
	for round := range o.rounds {
		for _, by := range in {
			// With much data there is no room for the last copy, the next one and what is touched.
			if err := c.Node(2).Wipe(); err != nil {
				return err
			}
			// What a run takes; more than the machine has would only push caches out.
			cluster.TouchMemory(min(2*o.mb, 4096) << 20)
			s, err := join(ctx, c, by, files, load, o.verbose)
			if err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, by.name, err)
			}
			results[by.name] = append(results[by.name], s)
			fmt.Printf("round %d  %-16s join %6.2f s  gap %6.3f s (with the change of the group %6.3f s)  blocked %6.3f s  locked %6.3f s, predicted %6.3f s  commits at %3.0f %%, of those with both nodes %3.0f %%\n",
				round+1, by.name, s.join, s.gap, s.whole, s.blocked, s.locked, s.predicted, 100*s.rate, 100*s.paired)
		}
	}
	report(in, results)
	if o.json == "" {
		return nil
	}
	return writeJSON(o, in, results)
}

// need is what a race takes on disk at most: two datadirs, what their servers need beside them, and what the clients add.
func (o options) need() int64 { return 5*o.mb<<20/2 + 2<<30 }

// place is the directory that the cluster's is made in. The function that comes with it gives back what that took.
func place(ctx context.Context, o options) (string, func() error, error) {
	dir := o.dir
	if dir == "" {
		dir = cluster.RoomyDir(o.need())
	}
	if o.image == "" {
		return dir, func() error { return nil }, nil
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return "", nil, fmt.Errorf("look at %s: %w", dir, err)
	}
	if room := int64(fs.Bavail) * fs.Bsize; room < o.need() {
		return "", nil, fmt.Errorf("an image for %d MiB of tables may take %d MiB and %s has %d free: name another directory with -dir, or fewer MiB with -mb", o.mb, o.need()>>20, dir, room>>20)
	}
	m, err := image.New(ctx, o.image, dir, o.need())
	if err != nil {
		return "", nil, err
	}
	return m.Dir, m.Close, nil
}

func rows(ctx context.Context, n *cluster.Node, table string) (int64, error) {
	r, err := n.Query(ctx, "SELECT MAX(id) FROM "+table)
	if err != nil {
		return 0, err
	}
	var rows int64
	_, err = fmt.Sscan(r[0][0], &rows)
	return rows, err
}

func boot(ctx context.Context, n *cluster.Node, o options) error {
	if err := n.Init(ctx); err != nil {
		return err
	}
	if err := n.Start(ctx, true); err != nil {
		return err
	}
	if err := n.WaitSynced(ctx); err != nil {
		return err
	}
	if err := n.Exec(ctx, grants); err != nil {
		return err
	}
	if o.innodb {
		return zoo.FillReplicated(ctx, n, o.mb<<20)
	}
	return zoo.Fill(ctx, n, o.mb<<20)
}

// join lets node 2, which has nothing, join by one contestant while the writer works on node 1.
func join(ctx context.Context, c *cluster.Cluster, by contestant, files []trust.Files, load cluster.WriterConfig, verbose bool) (s sample, err error) {
	one, two := c.Node(1), c.Node(2)
	if err := dress(ctx, c, by, files); err != nil {
		return s, err
	}
	w, err := cluster.StartWriter(ctx, one, load)
	if err != nil {
		return s, err
	}
	stopped := false
	defer func() {
		if !stopped {
			_, _ = w.Stop() // the join failed; why is on its way
		}
		err = errors.Join(err, two.Stop(context.WithoutCancel(ctx)))
	}()
	if err := pause(ctx, calmTime); err != nil {
		return s, err
	}
	before := w.Load()
	seen := len(one.ErrorLog())
	began := time.Now()
	if err := two.Start(ctx, false); err != nil {
		return s, err
	}
	if verbose {
		line, watching := newTimeline(ctx, began)
		line.watch(watching, "donor", one, int64(seen))
		line.watch(watching, "joiner", two, 0)
		defer line.stop(os.Stdout)
	}
	if err := two.WaitSynced(ctx); err != nil {
		return s, err
	}
	took := time.Since(began)
	after := w.Load()
	if err := pause(ctx, catchUp); err != nil {
		return s, err
	}
	settled := w.Load()
	if err := pause(ctx, calmTime); err != nil {
		return s, err
	}
	stopped = true
	end, err := w.Stop()
	if err != nil {
		return s, err
	}
	log := one.ErrorLog()[seen:]
	transfer, err := programStart(log)
	if err != nil {
		return s, err
	}
	s.join = took.Seconds()
	gap, blocked := after.After(transfer)
	whole, _ := after.After(began)
	s.gap, s.blocked, s.whole = gap.Seconds(), blocked.Seconds(), whole.Seconds()
	rate := float64(after.Commits-before.Commits) / took.Seconds()
	if before.Commits > 0 {
		s.rate = rate / (float64(before.Commits) / before.Seconds)
	}
	if end.Commits > settled.Commits {
		s.paired = rate / (float64(end.Commits-settled.Commits) / (end.Seconds - settled.Seconds))
	}
	for _, sum := range cluster.Summaries(log) {
		if by.method == "trireme" && sum.Role == "donor" {
			s.locked, s.predicted = sum.LockSeconds, sum.LockPredicted
		}
	}
	return s, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stamped are the two forms of a time in the donor's error log: that of the program's lines, to the millisecond, and that of the
// server, to the second. The peer of our own making writes no lines.
var (
	stampedSST    = regexp.MustCompile(`WSREP_SST: .*\((\d{8} \d\d:\d\d:\d\d\.\d{3})\)`)
	stampedServer = regexp.MustCompile(`(?m)^(\d{4}-\d\d-\d\d +\d+:\d\d:\d\d) \d+ \[Note\] WSREP: Running: 'wsrep_sst_`)
)

// programStart is when the state transfer's program began at the donor. What comes before, the change of the group, costs the
// same whatever the method.
func programStart(log string) (time.Time, error) {
	if m := stampedSST.FindStringSubmatch(log); m != nil {
		return time.ParseInLocation("20060102 15:04:05.000", m[1], time.Local)
	}
	if m := stampedServer.FindStringSubmatch(log); m != nil {
		return time.ParseInLocation("2006-01-02 15:04:05", strings.Join(strings.Fields(m[1]), " "), time.Local)
	}
	return time.Time{}, errors.New("the donor's error log does not tell when its program began")
}

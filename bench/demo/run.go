package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"trireme/bench/cluster"
	"trireme/bench/trust"
	"trireme/bench/zoo"
)

type options struct {
	binary    string
	method    string
	dir       string
	megabytes int64
	percent   float64
	keep      bool
}

// ours says whether the method is the program under demonstration rather than one of the server's own scripts.
func (o options) ours() bool { return o.method == "trireme" }

// story prints what happens, with the time since the start.
type story struct {
	out   io.Writer
	began time.Time
}

func (s story) tell(format string, args ...any) {
	fmt.Fprintf(s.out, "%6.1fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// run is the whole demo. Whatever happens, the cluster is gone when it returns.
func run(ctx context.Context, o options, out io.Writer) error {
	say := story{out, time.Now()}
	if o.dir == "" {
		// Two datadirs, logs and caches need about four times the data.
		o.dir = cluster.RoomyDir(4*o.megabytes<<20 + 2<<30)
	}
	c, err := cluster.New(ctx, cluster.Config{Dir: o.dir, Name: "demo", Method: o.method, Nodes: 2, Keep: o.keep})
	if err != nil {
		return err
	}
	defer c.Destroy()
	if o.ours() {
		if err := c.InstallMethod(o.method, o.binary); err != nil {
			return fmt.Errorf("%w (make build makes it)", err)
		}
		say.tell("making a certificate authority and a certificate for %s and %s", c.Host(1), c.Host(2))
		files, err := trust.Make(c, 2)
		if err != nil {
			return err
		}
		for i, f := range files {
			f.Use(c.Node(i + 1))
		}
	}
	if err := configure(c); err != nil {
		return err
	}
	if err := boot(ctx, c, o, say); err != nil {
		return err
	}
	first, err := join(ctx, c, "empty datadir", say)
	if err != nil {
		return err
	}
	say.tell("stopping node 2; changing about %g %% of the pages on node 1 meanwhile", o.percent)
	if err := drift(ctx, c, o); err != nil {
		return err
	}
	second, err := join(ctx, c, "its old datadir", say)
	if err != nil {
		return err
	}
	say.tell("done")
	fmt.Fprintf(out, "\n%s\n", table([]result{first, second}))
	if o.keep {
		fmt.Fprintf(out, "logs and data are in %s\n", c.Dir())
	}
	return verdict(o, first, second)
}

// configure gives both nodes what the zoo's tables need: plugins, and the same encryption keys.
func configure(c *cluster.Cluster) error {
	dir, err := c.Shared("keys")
	if err != nil {
		return err
	}
	keys := filepath.Join(dir, "keys.txt")
	if err := zoo.WriteKeyFile(keys); err != nil {
		return err
	}
	for i := 1; i <= 2; i++ {
		n := c.Node(i)
		if err := n.Give(keys); err != nil {
			return err
		}
		for k, v := range zoo.ServerOptions(keys) {
			n.Set("mysqld", k, v)
		}
	}
	return nil
}

// boot founds the cluster with node 1 and loads the tables.
func boot(ctx context.Context, c *cluster.Cluster, o options, say story) error {
	one := c.Node(1)
	if err := one.Init(ctx); err != nil {
		return err
	}
	if err := one.Start(ctx, true); err != nil {
		return err
	}
	if err := one.WaitSynced(ctx); err != nil {
		return err
	}
	version, err := one.Query(ctx, "SELECT VERSION()")
	if err != nil {
		return err
	}
	say.tell("node 1 is up: %s; loading every kind of table and %d MiB", version[0][0], o.megabytes)
	if err := zoo.Build(ctx, one); err != nil {
		return err
	}
	return zoo.Fill(ctx, one, o.megabytes<<20)
}

// drift stops node 2 and changes node 1, so that the old datadir is a basis and no more.
func drift(ctx context.Context, c *cluster.Cluster, o options) error {
	one, two := c.Node(1), c.Node(2)
	if err := two.Stop(ctx); err != nil {
		return err
	}
	if err := zoo.Touch(ctx, one, o.percent, 1); err != nil {
		return err
	}
	if err := one.Exec(ctx, "CREATE DATABASE since; USE since; CREATE TABLE fresh (id INT PRIMARY KEY, t TEXT); INSERT INTO fresh SELECT seq, SHA2(seq, 512) FROM seq_1_to_1000; DROP TABLE zoo.instant"); err != nil {
		return err
	}
	return two.ForceFullSST()
}

// result is one line of the table.
type result struct {
	basis    string
	datadir  int64         // bytes in the donor's datadir
	joined   time.Duration // from the start of the server to synced
	transfer cluster.Summary
	known    bool // transfer was found in the logs
	equal    bool
	problem  error // what differs, when not equal
}

// join starts node 2 and measures.
func join(ctx context.Context, c *cluster.Cluster, basis string, say story) (result, error) {
	one, two := c.Node(1), c.Node(2)
	r := result{basis: basis}
	before := len(cluster.Summaries(one.ErrorLog()))
	say.tell("node 2 joins over %s", basis)
	began := time.Now()
	if err := two.Start(ctx, false); err != nil {
		return r, err
	}
	if err := two.WaitSynced(ctx); err != nil {
		return r, withDonor(err, one)
	}
	r.joined = time.Since(began)
	var err error
	if r.datadir, _, _, err = cluster.Usage(one.Datadir()); err != nil {
		return r, err
	}
	r.transfer, r.known = both(cluster.Summaries(one.ErrorLog())[before:], cluster.Summaries(two.ErrorLog()))
	say.tell("node 2 is synced; comparing checksums of all tables")
	if err := cluster.EqualNodes(ctx, one, two); err != nil {
		if ctx.Err() != nil {
			return r, err
		}
		r.problem = err
	} else if bad := cluster.LogProblems(two.ErrorLog()); len(bad) > 0 {
		r.problem = fmt.Errorf("node 2 had to repair something:\n    %s", strings.Join(bad, "\n    "))
	}
	r.equal = r.problem == nil
	return r, nil
}

// withDonor adds what the transfer program said at the donor: the cause of a failed join is as often there.
func withDonor(err error, donor *cluster.Node) error {
	lines := donor.ScriptLog()
	const most = 10
	lines = lines[max(0, len(lines)-most):]
	return fmt.Errorf("%w\nthe donor's transfer program said last:\n    %s", err, strings.Join(lines, "\n    "))
}

// both takes the last summary of each end. The donor knows about its lock, the joiner about the whole of the time; what one of
// them does not say is taken from the other.
func both(donor, joiner []cluster.Summary) (cluster.Summary, bool) {
	switch {
	case len(donor) == 0 && len(joiner) == 0:
		return cluster.Summary{}, false
	case len(donor) == 0:
		return joiner[len(joiner)-1], true
	case len(joiner) == 0:
		return donor[len(donor)-1], true
	}
	s, j := donor[len(donor)-1], joiner[len(joiner)-1]
	s.WireBytes = max(s.WireBytes, j.WireBytes)
	s.BytesTotal = max(s.BytesTotal, j.BytesTotal)
	s.Seconds = max(s.Seconds, j.Seconds)
	return s, true
}

// verdict turns results into the exit code.
func verdict(o options, results ...result) error {
	var errs []error
	for _, r := range results {
		if r.problem != nil {
			errs = append(errs, fmt.Errorf("join over %s: %w", r.basis, r.problem))
		}
		if o.ours() && !r.known {
			errs = append(errs, fmt.Errorf("join over %s: the servers' logs have no closing summary", r.basis))
		}
	}
	return errors.Join(errs...)
}

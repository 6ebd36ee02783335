// Command lockrace measures what a donor's clients feel while a node joins: on a real
// two-node cluster two clients commit without pause, the second node joins by each
// method in turn, and the longest gap between two commits is written down.
//
// Methods alternate in one run, each join starts from an empty datadir, and medians
// are printed with the smallest and largest value. Numbers of one run can be compared
// with each other, not with those of another machine. Everything runs on loopback
// addresses in one directory of its own that is removed at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sort"
	"strings"
	"syscall"
	"time"

	"trireme/bench/cluster"
	"trireme/bench/zoo"
)

type options struct {
	binary  string
	dir     string
	methods []string
	mb      int64
	hot     float64
	rounds  int
	set     []string
	verbose bool
	auth    bool
}

func main() {
	var o options
	methods := flag.String("methods", "trireme,rsync", "methods to race, in this order, again and again")
	set := flag.String("set", "", "settings of [trireme] as name=value, separated by commas")
	flag.StringVar(&o.binary, "bin", "build/trireme", "the program installed as wsrep_sst_trireme")
	flag.StringVar(&o.dir, "dir", "", "where the cluster's directory is made (default: /dev/shm when it has room)")
	flag.Int64Var(&o.mb, "mb", 1500, "MiB of tables to load")
	flag.Float64Var(&o.hot, "hot", 0, "share of the data under random updates, 0 to 1")
	flag.IntVar(&o.rounds, "rounds", 3, "joins by each method")
	flag.BoolVar(&o.auth, "auth", false, "give the donor an account by wsrep_sst_auth, so that it can write dirty pages before the lock")
	flag.BoolVar(&o.verbose, "v", false, "print the transfer programs' log lines after each join")
	flag.Parse()
	o.methods = strings.Split(*methods, ",")
	if *set != "" {
		o.set = strings.Split(*set, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "lockrace: %v\n", err)
		stop()
		os.Exit(1)
	}
}

// sample is one join.
type sample struct {
	join, gap, locked, rate float64 // seconds, seconds, seconds, commits a second
}

func run(ctx context.Context, o options) error {
	if o.dir == "" {
		o.dir = cluster.RoomyDir(4*o.mb<<20 + 2<<30)
	}
	c, err := cluster.New(ctx, cluster.Config{Dir: o.dir, Name: "race", Method: "trireme", Nodes: 2})
	if err != nil {
		return err
	}
	defer c.Destroy()
	if err := c.InstallMethod("trireme", o.binary); err != nil {
		return fmt.Errorf("%w (make build makes it)", err)
	}
	one, two := c.Node(1), c.Node(2)
	for _, s := range o.set {
		name, value, _ := strings.Cut(s, "=")
		one.Set("trireme", name, value)
		two.Set("trireme", name, value)
	}
	if o.auth {
		one.Set("mysqld", "wsrep_sst_auth", "sst:race")
	}
	if err := boot(ctx, one, o.mb); err != nil {
		return err
	}
	fmt.Printf("loaded %d MiB; two clients commit without pause, hot share %.2f\n", o.mb, o.hot)
	results := map[string][]sample{}
	for round := range o.rounds {
		for _, m := range o.methods {
			cluster.TouchMemory(4 * o.mb << 20)
			s, err := join(ctx, c, m, o)
			if err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, m, err)
			}
			results[m] = append(results[m], s)
			fmt.Printf("round %d  %-12s join %6.2f s  longest gap %6.3f s  locked %6.3f s  %6.0f commits/s\n", round+1, m, s.join, s.gap, s.locked, s.rate)
		}
	}
	report(o, results)
	return nil
}

func boot(ctx context.Context, n *cluster.Node, mb int64) error {
	if err := n.Init(ctx); err != nil {
		return err
	}
	if err := n.Start(ctx, true); err != nil {
		return err
	}
	if err := n.WaitSynced(ctx); err != nil {
		return err
	}
	if err := n.Exec(ctx, "CREATE USER sst@localhost IDENTIFIED BY 'race'; GRANT SUPER, PROCESS ON *.* TO sst@localhost"); err != nil {
		return err
	}
	return zoo.Fill(ctx, n, mb<<20)
}

// join lets node 2 join by one method while the writer works on node 1.
func join(ctx context.Context, c *cluster.Cluster, method string, o options) (s sample, err error) {
	one, two := c.Node(1), c.Node(2)
	two.Set("mysqld", "wsrep_sst_method", method)
	if err := two.Wipe(); err != nil {
		return s, err
	}
	w, err := cluster.StartWriter(ctx, one, cluster.WriterConfig{Clients: 2, Accounts: 100000})
	if err != nil {
		return s, err
	}
	defer func() {
		load, werr := w.Stop()
		s.gap, s.rate = load.LongestGap.Seconds(), float64(load.Commits)/load.Seconds
		err = errors.Join(err, werr, two.Stop(context.WithoutCancel(ctx)))
	}()
	began := time.Now()
	if err := two.Start(ctx, false); err != nil {
		return s, err
	}
	if err := two.WaitSynced(ctx); err != nil {
		return s, err
	}
	s.join = time.Since(began).Seconds()
	if o.verbose {
		for _, line := range strings.Split(one.ErrorLog()+two.ErrorLog(), "\n") {
			if strings.Contains(line, "WSREP_SST") {
				fmt.Println(line[:min(len(line), 240)])
			}
		}
	}
	for _, sum := range cluster.Summaries(one.ErrorLog()) {
		if method == "trireme" && sum.Role == "donor" {
			s.locked = sum.LockSeconds
		}
	}
	return s, nil
}

func report(o options, results map[string][]sample) {
	fmt.Printf("\n%-12s %-26s %-26s %s\n", "method", "join, s", "longest gap, s", "commits/s during the join")
	for _, m := range o.methods {
		var join, gap, rate []float64
		for _, s := range results[m] {
			join, gap, rate = append(join, s.join), append(gap, s.gap), append(rate, s.rate)
		}
		fmt.Printf("%-12s %-26s %-26s %s\n", m, spread(join, 2), spread(gap, 3), spread(rate, 0))
		delete(results, m) // a method named twice is reported once
	}
}

// spread is the median with the smallest and largest value.
func spread(v []float64, digits int) string {
	if len(v) == 0 {
		return "-"
	}
	sort.Float64s(v)
	return fmt.Sprintf("%.*f (%.*f to %.*f)", digits, v[len(v)/2], digits, v[0], digits, v[len(v)-1])
}

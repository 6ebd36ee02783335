// Command demo shows on real servers what Trireme is for: a node joins a Galera cluster over mutual TLS, first with an empty datadir, then
// again over its old one.
//
// It makes a certificate authority and a certificate per node, boots node 1, loads every kind of table and a few hundred megabytes,
// lets node 2 join, changes about one percent of node 1's pages, forces node 2 into a second full transfer over its old datadir, and
// prints a table: what was there, what travelled, how long it took, how long the donor was locked, and whether both nodes answer
// with equal checksums. The exit code is 0 only when every join succeeded with equal checksums.
//
// Everything runs on loopback addresses and in one directory of its own (on /dev/shm when that has room), which is removed at the
// end, also on Ctrl-C; no server of the system is touched. The numbers of the transfer itself are those of the closing summary in
// the servers' error logs. Not shown here: a load on the donor during the join, and numbers that compare with other machines; both
// are the job of the races in bench.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.binary, "bin", "build/trireme", "the program to install as the cluster's transfer method")
	flag.StringVar(&o.method, "method", "trireme", "wsrep_sst_method; a stock method (rsync) runs without -bin and without TLS")
	flag.StringVar(&o.dir, "dir", "", "where the cluster's directory is made (default: /dev/shm when it has room, else the temporary directory)")
	flag.Int64Var(&o.megabytes, "mb", 320, "how many MiB of tables to load beside the table zoo")
	flag.Float64Var(&o.percent, "percent", 1, "share of node 1's pages to change before the second join")
	flag.BoolVar(&o.keep, "keep", false, "leave the directory with logs and data for a look")
	limit := flag.Duration("limit", 3*time.Minute, "give up after this time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, *limit, fmt.Errorf("the demo took longer than %v", *limit))
	defer cancel()
	if err := run(ctx, o, os.Stdout); err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		stop()
		cancel()
		os.Exit(1)
	}
}

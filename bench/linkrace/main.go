// Command linkrace measures whole transfers by hand, "trireme send" to "trireme receive", between two hosts of a netlab: on thin
// links, on long lossy ones, on ones that break, and on loopback. Contestants are settings of the same program.
//
// Contestants of a scene alternate, each transfer starts with an empty target, and each is compared file by file with its source
// afterwards. Medians are printed with the smallest and largest value. Numbers of one run can be compared with each other, not with
// those of another machine: both ends, and the network between them, share its processors. What a contestant of this program's
// version cannot do is named and left out. Needs root. Everything lies in one directory that is removed at the end.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

type options struct {
	binary     string
	dir        string
	scenes     []string
	only       []string // contestants; empty: all
	mb         int
	rounds     int
	congestion string
	json       string
	verbose    bool
}

func main() {
	var o options
	var known []string
	for _, s := range scenes {
		known = append(known, s.name)
	}
	which := flag.String("scenes", strings.Join(known, ","), "scenes to play, in this order")
	only := flag.String("only", "", "contestants that take part, by name, separated by semicolons; empty: all")
	flag.StringVar(&o.binary, "bin", "build/trireme", "the program that takes part")
	flag.StringVar(&o.dir, "dir", "", "where source and target lie (default: /dev/shm)")
	flag.IntVar(&o.mb, "mb", 0, "MiB of data; 0 means what each scene has by itself")
	flag.IntVar(&o.rounds, "rounds", 5, "transfers by each contestant")
	flag.StringVar(&o.congestion, "congestion", "reno", "congestion control on lossy and breaking links; others than reno and the machine's own must be in net.ipv4.tcp_allowed_congestion_control")
	flag.StringVar(&o.json, "json", "", "file for all results, with the machine and the program's version")
	flag.BoolVar(&o.verbose, "v", false, "print what the sender says about its decisions")
	flag.Parse()
	o.scenes = strings.Split(*which, ",")
	if *only != "" {
		o.only = strings.Split(*only, ";")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "linkrace: %v\n", err)
		stop()
		os.Exit(1)
	}
}

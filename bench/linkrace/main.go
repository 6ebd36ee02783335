// Command linkrace measures whole transfers by hand, "trireme send" to "trireme receive", between two hosts of a netlab: on thin
// links, on long lossy ones, on ones that break, and on loopback. Contestants are settings of the same program.
//
// Contestants of a scene alternate, each transfer starts with an empty target, and each is compared file by file with its source
// afterwards. Medians are printed with the smallest and largest value. Numbers of one run can be compared with each other, not with
// those of another machine: both ends, and the network between them, share its processors. What a contestant of this program's
// version cannot do is named and left out. Everything lies in one directory that is removed at the end.
//
// Needs root. Nothing of the machine's own settings is changed: links are namespaces, and a sender that may not choose its congestion
// control is kept from it alone.
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
	binary  string
	dir     string
	scenes  []string
	only    []string // contestants; empty: all
	mb      int
	rounds  int
	json    string
	verbose bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := bare(ctx, os.Args[1:])
	if err == errNotBare {
		err = run(ctx, parse())
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "linkrace: %v\n", err)
		stop()
		os.Exit(1)
	}
}

func parse() (o options) {
	var usual, all []string
	for _, s := range scenes {
		all = append(all, s.name)
		if !s.rare {
			usual = append(usual, s.name)
		}
	}
	which := flag.String("scenes", strings.Join(usual, ","), "scenes to play, in this order, out of "+strings.Join(all, ","))
	only := flag.String("only", "", "contestants that take part, by name, separated by semicolons; empty: all")
	flag.StringVar(&o.binary, "bin", "build/trireme", "the program that takes part")
	flag.StringVar(&o.dir, "dir", "", "where source and target lie (default: /dev/shm)")
	flag.IntVar(&o.mb, "mb", 0, "MiB of data; 0 means what each scene has by itself")
	flag.IntVar(&o.rounds, "rounds", 0, "transfers by each contestant; 0 means what each scene has by itself")
	flag.StringVar(&o.json, "json", "", "file for all results, with the machine and the program's version")
	flag.BoolVar(&o.verbose, "v", false, "print what the sender says about its decisions")
	flag.Parse()
	o.scenes = strings.Split(*which, ",")
	if *only != "" {
		o.only = strings.Split(*only, ";")
	}
	return o
}

// Command lockrace measures what a donor's clients feel while a node joins: on a real
// two-node cluster two clients commit without pause, the second node joins by each
// method in turn, and the times in which nothing could be committed are written down.
//
// Methods alternate in one run, each join starts from an empty datadir, and medians
// are printed with the smallest and largest value. Numbers of one run can be compared
// with each other, not with those of another machine. Everything runs on loopback
// addresses in one directory of its own that is removed at the end.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"trireme/bench/image"
)

type options struct {
	binary  string
	dir     string
	image   string
	methods []string
	mb      int64
	hot     bool
	innodb  bool
	rounds  int
	set     []string
	json    string
	verbose bool
}

func main() {
	var o options
	var known []string
	for _, c := range contestants {
		known = append(known, c.name)
	}
	methods := flag.String("methods", "trireme,rsync", "who takes part, in this order, again and again; all, or some of "+strings.Join(known, ","))
	set := flag.String("set", "", "settings of [trireme] as name=value, separated by commas")
	flag.StringVar(&o.binary, "bin", "build/trireme", "the program installed as wsrep_sst_trireme")
	flag.StringVar(&o.dir, "dir", "", "where the cluster's directory, or the image that it lies in, is made (default: /dev/shm when it has room)")
	flag.StringVar(&o.image, "image", "", "put both datadirs on a file system of this kind, made in a file for the race (root): "+strings.Join(image.Kinds, " or "))
	flag.Int64Var(&o.mb, "mb", 1600, "MiB of tables to load")
	flag.BoolVar(&o.hot, "hot", false, "each transaction also updates rows anywhere in the table that is half of the data")
	flag.BoolVar(&o.innodb, "innodb", false, "load tables of InnoDB alone, which are what Galera replicates; without it 15 % are of Aria and MyISAM")
	flag.IntVar(&o.rounds, "rounds", 3, "joins by each")
	flag.StringVar(&o.json, "json", "", "also write the joins to this file, for trireme bench --locks")
	flag.BoolVar(&o.verbose, "v", false, "after each join, print what both ends' programs and servers logged, in order of time")
	flag.Parse()
	if o.image != "" {
		// The mount must not stay behind, whatever happens to us.
		again, code, err := image.Apart()
		if err != nil {
			fmt.Fprintf(os.Stderr, "lockrace: %v\n", err)
		}
		if again {
			os.Exit(code)
		}
	}
	if *methods == "all" {
		*methods = strings.Join(known, ",")
	}
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

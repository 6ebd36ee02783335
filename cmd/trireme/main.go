// Command trireme copies a MariaDB or MySQL datadir between hosts. Called as
// wsrep_sst_<method> it is the state snapshot transfer program of a Galera server;
// called as trireme it is driven by hand.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"trireme/cmd/internal/bench"
	"trireme/cmd/internal/calm"
	"trireme/cmd/internal/certs"
	"trireme/cmd/internal/check"
	"trireme/cmd/internal/cli"
	"trireme/cmd/internal/clone"
	"trireme/cmd/internal/manual"
	"trireme/cmd/internal/settings"
	"trireme/cmd/internal/sst"
	"trireme/cmd/internal/watch"
)

// version is set by the linker; a plain build says what the module knows.
var version = ""

func main() {
	collectLate()
	stop := profile()
	code := run(os.Args)
	stop()
	os.Exit(code)
}

func run(argv []string) int {
	name := filepath.Base(argv[0])
	if method, ok := strings.CutPrefix(name, "wsrep_sst_"); ok {
		// A server always gives options with values, so this is a person.
		if len(argv) == 2 && (argv[1] == "--help" || argv[1] == "-h") {
			fmt.Printf(serverUsage, name, method, settings.Group)
			return 0
		}
		return sst.Main(method, argv[1:], program())
	}
	if len(argv) > 1 {
		switch argv[1] {
		case calm.GuardCommand: // started by ourselves, not a word for people
			return calm.Guard(os.Stdin)
		case "sst": // the server's face under another name, for wrappers
			return sst.Main("trireme", argv[2:], program())
		}
	}
	root := cli.Root(cli.Config{Program: program(), Commands: faces(), Out: os.Stdout, Err: os.Stderr})
	return cli.Run(context.Background(), root, argv[1:])
}

// faces are the commands for people, one package each.
func faces() []*cobra.Command {
	return []*cobra.Command{
		clone.Receive(program()), clone.Send(program()), clone.Clone(program()),
		certs.Command(), check.Command(), watch.Command(), bench.Command(program()), manual.Command(program()),
	}
}

func program() string {
	v := version
	if v == "" {
		v = "(devel)"
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
			v = info.Main.Version
		}
	}
	return "trireme " + v
}

const serverUsage = `%s is started by a Galera server for a state snapshot transfer, not by hand.

Set wsrep_sst_method=%s in the option files of all nodes. Its own options stand in
the groups [sst] and [%s] there. Percona XtraDB Cluster also needs the method's
name in wsrep_sst_allowed_methods. "trireme check" shows what a transfer would
do on this node, "trireme version" prints the version.
`

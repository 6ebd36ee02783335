// Command trireme copies a MariaDB or MySQL datadir between hosts. Called as
// wsrep_sst_<method> it is the state snapshot transfer program of a Galera server;
// called as trireme it says what it is.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"trireme/cmd/internal/calm"
	"trireme/cmd/internal/settings"
	"trireme/cmd/internal/sst"
)

// version is set by the linker; a plain build says what the module knows.
var version = ""

func main() {
	os.Exit(run(os.Args))
}

func run(argv []string) int {
	name := filepath.Base(argv[0])
	if method, ok := strings.CutPrefix(name, "wsrep_sst_"); ok {
		// A server always gives options with values, so this is a person.
		if len(argv) == 2 && (argv[1] == "--help" || argv[1] == "-h") {
			fmt.Printf(serverUsage, name, method, settings.Group)
			return 0
		}
		return sst.Main(methodOf(method), argv[1:], program())
	}
	if len(argv) > 1 {
		switch argv[1] {
		case "version", "--version", "-V", "help", "--help", "-h":
			if len(argv) > 2 {
				fmt.Fprintf(os.Stderr, "trireme: %s takes no argument, but %q was given\n\n%s", argv[1], argv[2], usage)
				return 2
			}
		}
		switch argv[1] {
		case "version", "--version", "-V":
			fmt.Println(program())
			return 0
		case "help", "--help", "-h":
			fmt.Print(usage)
			return 0
		case calm.GuardCommand:
			return calm.Guard(os.Stdin)
		case "sst":
			return sst.Main(settings.MethodTrireme, argv[2:], program())
		}
		fmt.Fprintf(os.Stderr, "trireme: unknown command %q\n\n%s", argv[1], usage)
		return 2
	}
	fmt.Fprint(os.Stderr, usage)
	return 2
}

// methodOf picks the option rules of the method the program is installed as.
func methodOf(name string) settings.Method {
	switch strings.TrimSuffix(name, "_wan") {
	case "rsync_tunnel":
		return settings.MethodTunnel
	case "secure_rsync":
		return settings.MethodSecureRsync
	}
	return settings.MethodTrireme
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
the groups [sst] and [%s] there. "trireme version" prints the version.
`

const usage = `trireme copies a MariaDB or MySQL datadir between hosts.

As the state snapshot transfer of a Galera cluster it is called by the server:
install it as wsrep_sst_trireme and set wsrep_sst_method=trireme.

  trireme version   print the version
  trireme help      print this text
`

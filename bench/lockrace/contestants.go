package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"trireme/bench/cluster"
	"trireme/bench/trust"
)

// contestant is a way to bring a node up.
type contestant struct {
	name   string
	method string
	// sst are the lines of [sst], trust whether the certificates stand there as well.
	sst   map[string]string
	trust bool
	// auth is wsrep_sst_auth at the donor; empty: none.
	auth string
	// needs are the programs without which it cannot take part.
	needs []string
}

// account is made at the donor for those that need or can use one.
const (
	account = "sst:race"
	grants  = "CREATE USER sst@localhost IDENTIFIED BY 'race'; GRANT SUPER, PROCESS, RELOAD, LOCK TABLES, BINLOG MONITOR, REPLICA MONITOR ON *.* TO sst@localhost"
)

// contestants are all that take part, ours first.
var contestants = []contestant{
	{name: "trireme", method: "trireme", trust: true},
	{name: "trireme+account", method: "trireme", trust: true, auth: account},
	{name: "rsync", method: "rsync", needs: []string{"rsync"}},
	{name: "rsync+stunnel", method: "rsync", trust: true, needs: []string{"rsync", "stunnel4"}},
	{name: "rsync+socat", method: tunnelMethod, trust: true, needs: []string{"rsync", "socat", "ss"}},
	{name: "mariabackup", method: "mariabackup", auth: account, needs: []string{"mariabackup", "socat"}},
	{name: "mariabackup+tls", method: "mariabackup", trust: true, sst: map[string]string{"encrypt": "4"}, auth: account, needs: []string{"mariabackup", "socat"}},
}

//go:embed tunnel.sh
var tunnelScript []byte

const tunnelMethod = "rsync_through_socat"

// pick returns the named contestants, and names those that cannot take part here.
func pick(names []string, have func(program string) bool) (in []contestant, missing []string, err error) {
	for _, name := range names {
		found := false
		for _, c := range contestants {
			if c.name != name {
				continue
			}
			found = true
			var lacks []string
			for _, p := range c.needs {
				if !have(p) {
					lacks = append(lacks, p)
				}
			}
			if len(lacks) > 0 {
				missing = append(missing, fmt.Sprintf("%s (needs %s)", name, strings.Join(lacks, ", ")))
				continue
			}
			in = append(in, c)
		}
		if !found {
			return nil, nil, fmt.Errorf("no contestant %q", name)
		}
	}
	return in, missing, nil
}

// installPeers puts the methods that are not the server's own where the servers find them.
func installPeers(c *cluster.Cluster, binary string) error {
	if err := c.InstallMethod("trireme", binary); err != nil {
		return fmt.Errorf("%w (make build makes it)", err)
	}
	dir, err := c.Shared("peers")
	if err != nil {
		return err
	}
	script := filepath.Join(dir, "tunnel.sh")
	if err := os.WriteFile(script, tunnelScript, 0o755); err != nil {
		return err
	}
	return c.InstallMethod(tunnelMethod, script)
}

// dress gives both nodes the contestant's options. The donor runs already: its server hears of the account, and the program it
// starts reads the option file.
func dress(ctx context.Context, c *cluster.Cluster, by contestant, files []trust.Files) error {
	for i, f := range files {
		n := c.Node(i + 1)
		for _, key := range []string{"tca", "tcert", "tkey", "encrypt"} {
			n.Unset("sst", key)
		}
		if by.trust {
			f.Use(n)
		}
		for k, v := range by.sst {
			n.Set("sst", k, v)
		}
		n.Set("mysqld", "wsrep_sst_method", by.method)
		if by.auth != "" {
			n.Set("mysqld", "wsrep_sst_auth", by.auth)
		} else {
			n.Unset("mysqld", "wsrep_sst_auth")
		}
		if err := n.WriteOptions(); err != nil {
			return err
		}
	}
	return c.Node(1).Exec(ctx, fmt.Sprintf("SET GLOBAL wsrep_sst_auth='%s'", by.auth))
}

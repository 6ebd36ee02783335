package cluster

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// defaults are the [mysqld] options of node i: Galera's demands, one loopback address for everything, and sizes that start fast.
func (n *Node) defaults() map[string]string {
	c := n.cluster
	members := make([]string, c.config.Nodes)
	for i := range members {
		members[i] = c.Host(i + 1)
	}
	return map[string]string{
		"basedir":                c.baseDir(),
		"datadir":                n.Datadir(),
		"socket":                 n.Socket(),
		"pid-file":               filepath.Join(n.dir, "mysqld.pid"),
		"log-error":              n.LogPath(),
		"tmpdir":                 filepath.Join(n.dir, "tmp"),
		"bind-address":           n.Host(),
		"port":                   fmt.Sprint(c.config.BasePort),
		"character-set-server":   "utf8mb4",
		"skip-name-resolve":      "ON",
		"performance-schema":     "OFF",
		"max-connections":        "200",
		"lower-case-table-names": "0",

		"binlog-format":                  "ROW",
		"default-storage-engine":         "InnoDB",
		"innodb-autoinc-lock-mode":       "2",
		"innodb-flush-log-at-trx-commit": "2",
		"innodb-buffer-pool-size":        "128M",
		"innodb-log-file-size":           "32M",
		"key-buffer-size":                "8M",
		"aria-pagecache-buffer-size":     "16M",

		"wsrep-on":                  "ON",
		"wsrep-provider":            providerPath,
		"wsrep-provider-options":    n.providerOptions(),
		"wsrep-cluster-name":        c.config.Name,
		"wsrep-cluster-address":     "gcomm://" + strings.Join(members, ","),
		"wsrep-node-address":        n.Host(),
		"wsrep-node-name":           fmt.Sprintf("node%d", n.index),
		"wsrep-sst-method":          c.config.Method,
		"wsrep-sst-receive-address": fmt.Sprintf("%s:%d", n.Host(), portSST),
		"wsrep-slave-threads":       "2",
		"wsrep-retry-autocommit":    "4",
		"wsrep-log-conflicts":       "OFF",
	}
}

// providerOptions keeps the node on its own address. pc.ignore_sb lets one node of two go on when the other was killed, which is
// what half of the tests do.
func (n *Node) providerOptions() string {
	o := map[string]string{
		"gmcast.listen_addr": fmt.Sprintf("tcp://%s:%d", n.Host(), portGroup),
		"ist.recv_addr":      fmt.Sprintf("%s:%d", n.Host(), portIST),
		"gcache.size":        "64M",
		"pc.ignore_sb":       "true",
		"pc.recovery":        "false",
	}
	maps.Copy(o, n.cluster.config.Provider)
	parts := make([]string, 0, len(o))
	for _, k := range slices.Sorted(maps.Keys(o)) {
		parts = append(parts, k+"="+o[k])
	}
	return strings.Join(parts, ";")
}

// Set puts an option into a group of this node's option file ([mysqld], [sst], [trireme], ...). It counts from the next Start on.
// A value stands as it is, unquoted; a name alone is written with an empty value.
func (n *Node) Set(group, key, value string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.options[group] == nil {
		n.options[group] = map[string]string{}
	}
	if group == "mysqld" {
		key = dashed(key)
	}
	n.options[group][key] = value
}

// Unset takes an option out again. An option of the package's own or of Config.Extra comes back then.
func (n *Node) Unset(group, key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if group == "mysqld" {
		key = dashed(key)
	}
	delete(n.options[group], key)
}

// dashed makes one spelling of the two that the server accepts, so that an override hits its target.
func dashed(key string) string { return strings.ReplaceAll(key, "_", "-") }

// mysqld is the node's complete [mysqld] group: the package's own, then Config.Extra, then the node's.
func (n *Node) mysqld() map[string]string {
	o := n.defaults()
	for k, v := range n.cluster.config.Extra {
		o[dashed(k)] = v
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.Copy(o, n.options["mysqld"])
	return o
}

// render is the text of an option file with the given [mysqld] group and the node's other groups.
func (n *Node) render(mysqld map[string]string) string {
	var b strings.Builder
	write := func(group string, o map[string]string) {
		fmt.Fprintf(&b, "[%s]\n", group)
		for _, k := range slices.Sorted(maps.Keys(o)) {
			if o[k] == "" {
				fmt.Fprintln(&b, k)
			} else {
				fmt.Fprintf(&b, "%s = %s\n", k, o[k])
			}
		}
	}
	write("client", map[string]string{"socket": n.Socket(), "user": "root"})
	write("mysqld", mysqld)
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, g := range slices.Sorted(maps.Keys(n.options)) {
		if g != "mysqld" {
			write(g, n.options[g])
		}
	}
	return b.String()
}

// OptionFile is the path of the node's option file. Start writes it; WriteOptions writes it without starting.
func (n *Node) OptionFile() string { return filepath.Join(n.dir, "my.cnf") }

// WriteOptions writes the option file as Start would.
func (n *Node) WriteOptions() error {
	if err := os.WriteFile(n.OptionFile(), []byte(n.render(n.mysqld())), 0o644); err != nil {
		return fmt.Errorf("write options of node %d: %w", n.index, err)
	}
	return nil
}

// rootOptions are the options that put parts of the data outside the datadir.
var rootOptions = []string{"innodb-data-home-dir", "innodb-log-group-home-dir", "innodb-undo-directory", "aria-log-dir-path"}

// extraRoots maps those of rootOptions that are set to absolute directories outside the datadir.
func (n *Node) extraRoots() map[string]string {
	roots := map[string]string{}
	o := n.mysqld()
	for _, k := range rootOptions {
		v := o[k]
		if filepath.IsAbs(v) && v != n.Datadir() && !strings.HasPrefix(v, n.Datadir()+"/") {
			roots[k] = v
		}
	}
	return roots
}

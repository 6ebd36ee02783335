// Package trust gives the nodes of a test cluster certificates: an authority and one
// certificate for each node, as a DBA would make them.
//
// Not guaranteed: that anybody should trust them. Their keys lie beside the cluster's
// data and vanish with it.
package trust

import (
	"fmt"
	"os"
	"path/filepath"

	"trireme/bench/cluster"
	"trireme/wire/identity/ca"
)

// Files are the paths of one node's certificate files.
type Files struct{ CA, Cert, Key string }

// Make writes an authority and the files of the nodes 1 to n. The certificates carry the address that the state transfer uses, so
// the donor's check of the joiner's name is a real one.
func Make(c *cluster.Cluster, n int) ([]Files, error) {
	authority, err := ca.NewCA("Trireme demo authority", ca.Options{})
	if err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	dir, err := c.Shared("tls")
	if err != nil {
		return nil, err
	}
	var files []Files
	caFile := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(caFile, authority.CertificatePEM(), 0o644); err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	for i := 1; i <= n; i++ {
		node := c.Node(i)
		certPEM, keyPEM, err := authority.Issue(fmt.Sprintf("node%d", i), []string{node.Host()}, ca.Options{})
		if err != nil {
			return nil, fmt.Errorf("make certificate of node %d: %w", i, err)
		}
		cert, key := filepath.Join(dir, fmt.Sprintf("node%d.pem", i)), filepath.Join(dir, fmt.Sprintf("node%d.key", i))
		if err := os.WriteFile(cert, certPEM, 0o644); err != nil {
			return nil, fmt.Errorf("write certificate of node %d: %w", i, err)
		}
		if err := os.WriteFile(key, keyPEM, 0o600); err != nil {
			return nil, fmt.Errorf("write key of node %d: %w", i, err)
		}
		if err := node.Give(key); err != nil {
			return nil, err
		}
		files = append(files, Files{caFile, cert, key})
	}
	return files, nil
}

// Use writes the three lines that a DBA writes: tca, tcert and tkey in [sst]. They count from the node's next start on, or from
// the next time its option file is written.
func (f Files) Use(n *cluster.Node) {
	n.Set("sst", "tca", f.CA)
	n.Set("sst", "tcert", f.Cert)
	n.Set("sst", "tkey", f.Key)
}

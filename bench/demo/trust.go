package main

import (
	"fmt"
	"os"
	"path/filepath"

	"trireme/bench/cluster"
	"trireme/wire/identity/ca"
)

// trust makes an authority and one certificate per node and writes the three lines that a DBA writes: tca, tcert and tkey in
// [sst]. The certificates carry the address that the state transfer uses, so the donor's check of the joiner's name is a real one.
func trust(c *cluster.Cluster) error {
	authority, err := ca.NewCA("Trireme demo authority", ca.Options{})
	if err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	dir, err := c.Shared("tls")
	if err != nil {
		return err
	}
	caFile := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(caFile, authority.CertificatePEM(), 0o644); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	for i := 1; i <= 2; i++ {
		n := c.Node(i)
		certPEM, keyPEM, err := authority.Issue(fmt.Sprintf("node%d", i), []string{n.Host()}, ca.Options{})
		if err != nil {
			return fmt.Errorf("make certificate of node %d: %w", i, err)
		}
		cert, key := filepath.Join(dir, fmt.Sprintf("node%d.pem", i)), filepath.Join(dir, fmt.Sprintf("node%d.key", i))
		if err := os.WriteFile(cert, certPEM, 0o644); err != nil {
			return fmt.Errorf("write certificate of node %d: %w", i, err)
		}
		if err := os.WriteFile(key, keyPEM, 0o600); err != nil {
			return fmt.Errorf("write key of node %d: %w", i, err)
		}
		if err := n.Give(key); err != nil {
			return err
		}
		n.Set("sst", "tca", caFile)
		n.Set("sst", "tcert", cert)
		n.Set("sst", "tkey", key)
	}
	return nil
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"trireme/cmd/internal/serveremul"
	"trireme/wire/identity/ca"
)

// perconaRig is a transfer between two PXC servers that share one set of certificate files, as Percona's manual wants it.
type perconaRig struct {
	*serveremul.Pair
	t     *testing.T
	certs string // directory with ca.pem, server-cert.pem and server-key.pem
}

var automatic = []string{"ca.pem", "server-cert.pem", "server-key.pem"}

func newPercona(t *testing.T) *perconaRig {
	t.Helper()
	t.Parallel()
	r := &perconaRig{Pair: families(t, "PXC", "PXC"), t: t, certs: t.TempDir()}
	r.Configure("")
	files, err := perconaFiles()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(r.certs, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// perconaFiles are made once for all tests: RSA keys take their time.
var perconaFiles = sync.OnceValues(func() (map[string][]byte, error) {
	authority, err := ca.NewCA("Percona CA", ca.Options{Algorithm: ca.RSA})
	if err != nil {
		return nil, err
	}
	cert, key, err := authority.Issue("Percona server", nil, ca.Options{Algorithm: ca.RSA})
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"ca.pem": authority.CertificatePEM(), "server-cert.pem": cert, "server-key.pem": key}, nil
})

// ssl are the three options of a group.
func (r *perconaRig) ssl() string {
	return fmt.Sprintf("ssl-ca=%[1]s/ca.pem\nssl-cert=%[1]s/server-cert.pem\nssl-key=%[1]s/server-key.pem\n", r.certs)
}

// deploy copies the files into both datadirs, but for the one left out.
func (r *perconaRig) deploy(but string) {
	r.t.Helper()
	for _, dir := range []string{r.Give.Datadir, r.Take.Datadir} {
		for _, name := range automatic {
			if name == but {
				// The emulator's datadirs have a file of one of the names.
				if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
					r.t.Fatal(err)
				}
				continue
			}
			data, err := os.ReadFile(filepath.Join(r.certs, name))
			if err != nil {
				r.t.Fatal(err)
			}
			serveremul.Put(r.t, dir, name, data)
		}
	}
}

// joins runs a transfer that must work, and looks for the texts in both logs.
func (r *perconaRig) joins(texts ...string) {
	r.t.Helper()
	given, taken := r.Run()
	if given.Err != nil || taken.Err != nil {
		r.t.Fatalf("donor %v, joiner %v\n%s\n%s", given.Err, taken.Err, given.Stderr, taken.Stderr)
	}
	mustSay(r.t, "donor", given, texts...)
	mustSay(r.t, "joiner", taken, texts...)
}

// refused starts a joiner that must end before it tells an address.
func (r *perconaRig) refused(texts ...string) {
	r.t.Helper()
	before := serveremul.Tree(r.t, r.Take.Datadir, true)
	taken := serveremul.StartJoiner(r.t, r.To, nil, r.Take).Wait()
	mustFail(r.t, "joiner", taken, 11, texts...)
	if taken.Ready != "" {
		r.t.Errorf("the joiner told the address %q", taken.Ready)
	}
	for _, d := range serveremul.Differences(before, serveremul.Tree(r.t, r.Take.Datadir, true)) {
		r.t.Errorf("the datadir was touched: %s", d)
	}
}

// TestPercona follows Percona's manual on encrypting the transfer, step by step (PXC 8.0, "Encrypt PXC traffic").
func TestPercona(t *testing.T) {
	t.Run("automatic files", func(t *testing.T) {
		r := newPercona(t)
		r.deploy("")
		r.joins(`TLS 1.3, showing "CN=Percona server"`, "must chain to pxc-encrypt-cluster-traffic=", "(pxc-encrypt-cluster-traffic from default)")
	})
	for _, name := range automatic {
		t.Run("automatic without "+name, func(t *testing.T) {
			r := newPercona(t)
			r.deploy(name)
			r.refused("pxc-encrypt-cluster-traffic", filepath.Join(r.Take.Datadir, name), "pxc_encrypt_cluster_traffic=OFF")
		})
	}
	t.Run("mysqld before the datadir", func(t *testing.T) {
		r := newPercona(t)
		r.Configure(r.ssl())
		for _, name := range automatic {
			serveremul.Put(t, r.Take.Datadir, name, []byte("not to be read"))
		}
		r.joins("must chain to ssl-ca=" + filepath.Join(r.certs, "ca.pem"))
	})
	t.Run("mysqld with one missing", func(t *testing.T) {
		r := newPercona(t)
		r.deploy("")
		r.Configure(fmt.Sprintf("ssl-ca=%[1]s/ca.pem\nssl-cert=%[1]s/server-cert.pem\n", r.certs))
		r.refused("set all of ssl-ca, ssl-cert and ssl-key in [mysqld]")
	})
	t.Run("sst is not searched", func(t *testing.T) {
		r := newPercona(t)
		r.Configure("[sst]\nencrypt=4\n" + r.ssl())
		r.refused("encryption needs " + filepath.Join(r.Take.Datadir, "ca.pem"))
	})
	t.Run("manual, encrypt=4", func(t *testing.T) {
		r := newPercona(t)
		r.Configure("pxc_encrypt_cluster_traffic=OFF\n[sst]\nencrypt=4\n" + r.ssl())
		r.joins("must chain to ssl-ca="+filepath.Join(r.certs, "ca.pem"), "(encrypt from "+r.Option)
	})
	t.Run("manual, without a key", func(t *testing.T) {
		r := newPercona(t)
		r.Configure("pxc_encrypt_cluster_traffic=OFF\n[sst]\nencrypt=4\nssl-ca=" + r.certs + "/ca.pem\nssl-cert=" + r.certs + "/server-cert.pem\n")
		r.refused("ssl-cert=", "no private key option is set")
	})
	for _, level := range []string{"1", "2", "3", "5", "on"} {
		t.Run("encrypt="+level, func(t *testing.T) {
			r := newPercona(t)
			r.Configure("pxc_encrypt_cluster_traffic=OFF\n[sst]\nencrypt=" + level + "\n" + r.ssl())
			r.refused("encrypt (" + r.Option + ":4 [sst])")
		})
	}
	t.Run("encrypt=0", func(t *testing.T) {
		r := newPercona(t)
		r.Configure("pxc_encrypt_cluster_traffic=OFF\n[sst]\nencrypt=0\n")
		r.joins("NOT ENCRYPTED, as configured (encrypt from")
	})
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	authority, err := ca.NewCA("Percona CA", ca.Options{Algorithm: ca.RSA})
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := authority.Issue("Percona server", nil, ca.Options{Algorithm: ca.RSA})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"ca.pem": authority.CertificatePEM(), "server-cert.pem": cert, "server-key.pem": key} {
		if err := os.WriteFile(filepath.Join(r.certs, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

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

// TestKeyring is about tables that are encrypted with keys of a keyring file, which does not travel: both ends hold the same one, or
// nothing happens.
func TestKeyring(t *testing.T) {
	const option = "early-plugin-load=keyring_file.so\nkeyring-file-data="
	// set gives each node a keyring file of its own with some content, or none where the content is "-".
	set := func(r *perconaRig, give, take string) (donors string) {
		r.deploy("")
		for name, c := range map[string]struct {
			o    *serveremul.Options
			keys string
		}{"donor": {&r.Give, give}, "joiner": {&r.Take, take}} {
			dir := r.t.TempDir()
			text, ring := "[mysqld]\n", filepath.Join(dir, "keyring")
			if c.keys != "-" {
				text += option + ring + "\n"
				if err := os.WriteFile(ring, []byte(c.keys), 0o600); err != nil {
					r.t.Fatal(err)
				}
			}
			c.o.DefaultsFile = filepath.Join(dir, name+".cnf")
			if err := os.WriteFile(c.o.DefaultsFile, []byte(text), 0o600); err != nil {
				r.t.Fatal(err)
			}
			if name == "donor" {
				donors = ring
			}
		}
		return donors
	}
	// apart runs a transfer that both ends must refuse before anything changes, with the same reason and without the keys.
	apart := func(r *perconaRig, texts ...string) {
		r.t.Helper()
		given, taken := r.Run()
		r.MustBeUntouched()
		for who, res := range map[string]serveremul.Result{"donor": given, "joiner": taken} {
			if res.Err == nil {
				r.t.Errorf("the %s's server is content", who)
			}
			mustSay(r.t, who, res, texts...)
			if strings.Contains(res.Stderr, "secret") {
				r.t.Errorf("the %s shows a key:\n%s", who, res.Stderr)
			}
		}
	}
	t.Run("same", func(t *testing.T) {
		r := newPercona(t)
		set(r, "secret 1", "secret 1")
		r.joins("a transfer between different ones is refused")
	})
	t.Run("different", func(t *testing.T) {
		r := newPercona(t)
		set(r, "secret 1", "secret 2")
		apart(r, "donor and joiner do not match: keyring is sha256 ", "nothing was changed")
	})
	t.Run("new joiner", func(t *testing.T) {
		r := newPercona(t)
		set(r, "secret 1", "")
		apart(r, "and empty at the joiner")
	})
	t.Run("donor only", func(t *testing.T) {
		r := newPercona(t)
		set(r, "secret 1", "-")
		apart(r, "encryption is keyring_file at the donor", "none at the joiner")
	})
	t.Run("joiner only", func(t *testing.T) {
		r := newPercona(t)
		set(r, "-", "secret 1")
		apart(r, "encryption is none at the donor", "keyring_file at the joiner")
	})
	t.Run("rotated meanwhile", func(t *testing.T) {
		r := newPercona(t)
		ring := set(r, "secret 1", "secret 1")
		r.Give.OnFlush = func() (string, error) { return "", os.WriteFile(ring, []byte("secret 2"), 0o600) }
		given, taken := r.Run()
		if given.Err == nil || taken.Err == nil {
			t.Errorf("donor %v, joiner %v", given.Err, taken.Err)
		}
		mustSay(t, "donor", given, "the keyring "+ring+" has changed during the transfer")
		mustSay(t, "joiner", taken, "has changed during the transfer")
	})
	t.Run("not encrypted", func(t *testing.T) {
		r := newPercona(t)
		r.Configure("pxc_encrypt_cluster_traffic=OFF\n" + option + "/keyring\n[sst]\nencrypt=0\n")
		r.refused("a keyring is configured (keyring_file), and then the transfer must be encrypted")
	})
}

package certs

import (
	"crypto"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"trireme/cmd/internal/cli"
	"trireme/wire/identity"
	"trireme/wire/identity/ca"
)

// The file names of the manuals of MySQL and Percona, so that their recipes work without any option.
const (
	defaultCA    = "ca.pem"
	defaultCAKey = "ca-key.pem"
)

// Command returns "trireme certs" with its words.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use: "certs", Short: "make, renew, bundle and verify certificates",
		Long: `Makes the certificate files that state snapshot transfers and servers use, and verifies
them by the rules of the transfer. The files serve socat, stunnel, mariabackup and the
servers' own ssl-ca, ssl-cert and ssl-key as well.

One CA, and a combined file for each node:

  trireme certs init
  trireme certs issue db2.example.net db2 10.0.0.2 --pem db2.pem
  trireme certs verify --name 10.0.0.2 db2.pem

No CA, but a list of all nodes' certificates:

  trireme certs issue --self-signed db2.example.net 10.0.0.2 --pem node.pem --cert db2.crt
  trireme certs bundle db1.crt db2.crt db3.crt --out ca.pem

No file is replaced without --force.`,
		Args: func(_ *cobra.Command, words []string) error {
			if len(words) > 0 {
				return fmt.Errorf("unknown word %q; there are init, issue, renew, bundle and verify", words[0])
			}
			return errors.New("a word is missing; there are init, issue, renew, bundle and verify")
		},
		RunE: func(*cobra.Command, []string) error { return nil }, // never reached
	}
	cli.SetExits(cmd, []cli.Exit{
		{Code: "0", Meaning: "done; `verify`: a transfer takes it"},
		{Code: "1", Meaning: "refused, or it could not be done; the last line says why"},
		{Code: "2", Meaning: "the command line could not be understood; nothing was done"},
	})
	cmd.AddCommand(initCommand(), issueCommand(), renewCommand(), bundleCommand(), verifyCommand())
	return cmd
}

// place is where a command's relative file names begin.
type place string

func (p *place) flag(cmd *cobra.Command) {
	cmd.Flags().StringVar((*string)(p), "dir", "", "directory in which relative file names begin (the present one)")
}

// of returns the file that a name means. An empty name stays empty.
func (p place) of(name string) string {
	if name == "" || p == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(string(p), name)
}

func (p place) source(name string) identity.Source { return identity.Source{Path: p.of(name)} }

// kind is what a new certificate is like.
type kind struct {
	days int
	rsa  int
}

func (k *kind) flag(cmd *cobra.Command, days string) {
	cmd.Flags().IntVar(&k.days, "days", 0, "days of validity ("+days+")")
	cmd.Flags().IntVar(&k.rsa, "rsa", 0, "make an RSA key of so many bits, 3072 to 8192 (an ECDSA key on P-256)")
}

// options are those of the flags of cmd. No days were given where the flag is not there; 0 days are no validity.
func (k kind) options(cmd *cobra.Command) (ca.Options, error) {
	const most = int(math.MaxInt64 / (24 * time.Hour))
	if k.days < 0 || k.days > most || k.days == 0 && cmd.Flags().Changed("days") {
		return ca.Options{}, cli.Usage(fmt.Errorf("--days %d: wanted are 1 to %d", k.days, most))
	}
	o := ca.Options{Lifetime: time.Duration(k.days) * 24 * time.Hour}
	if cmd.Flags().Changed("rsa") && (k.rsa < 3072 || k.rsa > 8192) {
		return ca.Options{}, cli.Usage(fmt.Errorf("--rsa %d: wanted are 3072 to 8192", k.rsa))
	}
	if k.rsa != 0 {
		o.Algorithm, o.Bits = ca.RSA, k.rsa
	}
	return o, nil
}

// issuer is the authority that a command may need.
type issuer struct{ cert, key string }

func (i *issuer) flag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&i.cert, "ca", defaultCA, "certificate of the CA")
	cmd.Flags().StringVar(&i.key, "ca-key", defaultCAKey, "private key of the CA")
}

func (i issuer) load(p place) (*ca.Authority, error) {
	m, err := identity.LoadPair(p.source(i.cert), p.source(i.key))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the CA: %w; make one with \"trireme certs init\", name it with --ca and --ca-key, or issue --self-signed", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the CA: %w", err)
	}
	a, err := ca.Existing(m.Leaf, signer(m), m.Extra...)
	if err != nil {
		return nil, fmt.Errorf("read the CA: %s: %w", p.of(i.cert), err)
	}
	return a, nil
}

// signer is the key of a loaded pair, of which only such as can sign are loaded.
func signer(m *identity.Material) crypto.Signer { return m.Certificate.PrivateKey.(crypto.Signer) }

package certs

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"trireme/cmd/internal/cli"
	"trireme/wire/identity"
	"trireme/wire/identity/ca"
)

func renewCommand() *cobra.Command {
	var (
		m      maker
		newKey bool
	)
	cmd := &cobra.Command{
		Use: "renew CERT [KEY]", Short: "make the successor of a certificate: same names, new dates",
		Long: `Makes the successor of a certificate, with the same subject and names and, unless --new-key is
given, the same key. KEY is the file of the private key where CERT does not hold it. The CA
signs again, be it the same or a new one; a self-signed certificate, a CA's own included,
signs itself.

Without file options the files are replaced in place, which needs --force.`,
		Example: `  trireme certs renew node.pem --force
  trireme certs renew node.pem --ca new-ca.pem --ca-key new-ca-key.pem --pem node-new.pem
  trireme certs renew server-cert.pem server-key.pem --new-key --force
  trireme certs renew ca.pem ca-key.pem --force`,
		Args: oneOrTwo,
		RunE: func(cmd *cobra.Command, names []string) error {
			o, err := m.settle(cmd, inPlace(names, newKey), newKey)
			if err != nil {
				return err
			}
			if m.k.rsa != 0 && !newKey {
				return cli.Usage(errors.New("--rsa makes a new key; add --new-key"))
			}
			old, err := identity.LoadPair(pairOf(m.dir, names))
			if err != nil {
				return err
			}
			key := signer(old)
			if newKey {
				key = nil
			}
			certPEM, keyPEM, err := successor(old, key, m.by, m.dir, o)
			if err != nil {
				return err
			}
			return m.write(cmd, certPEM, keyPEM)
		},
	}
	m.flags(cmd, "825, for a CA 3650", "the files given")
	cmd.Flags().BoolVar(&newKey, "new-key", false, "make a new key as well")
	return cmd
}

func oneOrTwo(_ *cobra.Command, names []string) error {
	switch len(names) {
	case 0:
		return errors.New("the file of the certificate is missing")
	case 1, 2:
		return nil
	}
	return fmt.Errorf("%d files; wanted are the certificate and, in another file, its key", len(names))
}

// pairOf are the files of a certificate and its key.
func pairOf(dir place, names []string) (cert, key identity.Source) {
	cert = dir.source(names[0])
	if len(names) > 1 {
		key = dir.source(names[1])
	}
	return cert, key
}

// inPlace are the files that a pair came from. The file of a key that stays is not touched.
func inPlace(names []string, newKey bool) outputs {
	switch {
	case len(names) == 1:
		return outputs{pem: names[0]}
	case newKey:
		return outputs{cert: names[0], key: names[1]}
	}
	return outputs{cert: names[0]}
}

func successor(old *identity.Material, key crypto.Signer, by issuer, dir place, o ca.Options) (certPEM, keyPEM []byte, err error) {
	if bytes.Equal(old.Leaf.RawSubject, old.Leaf.RawIssuer) && identity.SharedName(old.Leaf) == "" {
		return ca.RenewSelf(old.Leaf, key, o)
	}
	a, err := by.load(dir)
	if err != nil {
		return nil, nil, err
	}
	return a.Renew(old.Leaf, key, o)
}

package certs

import (
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"trireme/wire/identity"
)

func verifyCommand() *cobra.Command {
	var (
		dir          place
		ca           string
		names        []string
		peer, strict bool
	)
	cmd := &cobra.Command{
		Use: "verify CERT [KEY]", Short: "verify a certificate and its key by the rules of the transfer",
		Long: `Verifies a node's certificate against a CA as a transfer does: chain, dates, strength, the key
that belongs to it and who may read that. KEY is the file of the private key where CERT does
not hold it. Each --name must match, as the address does that a donor connects to.

What a transfer accepts but other programs may not is a warning: a node that has the common
name of its CA, an address in the common name, a certificate for clients only. With --strict
warnings fail.`,
		Example: `  trireme certs verify --name 10.0.0.2 node.pem
  trireme certs verify --ca /etc/mysql/certs/ca.pem server-cert.pem server-key.pem
  trireme certs verify --peer --ca upgrade-ca.pem db1.crt`,
		Args: oneOrTwo,
		RunE: func(cmd *cobra.Command, args []string) error {
			cert, key := pairOf(dir, args)
			b, err := identity.ReadBundle(cert)
			if err != nil {
				return err
			}
			facts(cmd, cert, b.Certificates[0])
			files := identity.Files{CA: dir.source(ca), Cert: cert, Key: key}
			if peer {
				files.Cert, files.Key = identity.Source{}, identity.Source{}
			}
			m, err := identity.Load(files)
			if err != nil {
				return err
			}
			warnings := m.Warnings
			more, err := check(m, b.Certificates, names)
			if err != nil {
				return err
			}
			for _, w := range append(warnings, more...) {
				if !slices.Contains(warnings, w) {
					warnings = append(warnings, w)
				}
			}
			for _, w := range warnings {
				warn(cmd, "%s", w)
			}
			if strict && len(warnings) > 0 {
				return fmt.Errorf("%s: %d warnings, and --strict does not allow any", cert, len(warnings))
			}
			verdict(cmd, m, files, names)
			return nil
		},
	}
	dir.flag(cmd)
	cmd.Flags().StringVar(&ca, "ca", defaultCA, "what is trusted: file or directory, as tca or ssl-ca")
	cmd.Flags().StringArrayVar(&names, "name", nil, "name or address that the certificate must have; may be given several times")
	cmd.Flags().BoolVar(&peer, "peer", false, "the certificate is another node's: no key is expected")
	cmd.Flags().BoolVar(&strict, "strict", false, "fail on warnings")
	return cmd
}

// check lets the transfer's own rules decide, as both ends: a node is joiner today and donor tomorrow.
func check(m *identity.Material, chain []*x509.Certificate, names []string) (warnings []string, err error) {
	p := identity.Policy{Level: identity.Chain, Anchors: m.Anchors, AnchorsFrom: m.AnchorsFrom}
	for _, p.Usage = range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		w, err := p.Check(chain)
		if err != nil {
			return nil, err
		}
		warnings = append(warnings, w...)
	}
	p.Level, p.NamesFrom, p.Usage = identity.ChainAndName, "--name", x509.ExtKeyUsageAny
	for _, n := range names {
		p.Names = []string{n}
		w, err := p.Check(chain)
		if err != nil {
			return nil, err
		}
		warnings = append(warnings, w...)
	}
	return warnings, nil
}

// facts are printed whatever comes after them.
func facts(cmd *cobra.Command, src identity.Source, c *x509.Certificate) {
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n  issued by  %s\n  names      %s\n  valid      %s to %s\n", src,
		identity.Describe(c), identity.DescribeIssuer(c), identity.NamesOf(c), day(c.NotBefore), day(c.NotAfter))
}

func verdict(cmd *cobra.Command, m *identity.Material, f identity.Files, names []string) {
	out := cmd.OutOrStdout()
	if m.Leaf != nil {
		key := f.Key
		if key.Path == "" {
			key = f.Cert
		}
		fmt.Fprintf(out, "  key        %s\n", key)
	}
	fmt.Fprintf(out, "  trusted by %s\n", m.AnchorsFrom)
	for _, n := range names {
		fmt.Fprintf(out, "  is named   %q\n", n)
	}
	fmt.Fprintln(out, "  OK")
}

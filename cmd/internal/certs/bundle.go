package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"trireme/wire/identity"
)

func bundleCommand() *cobra.Command {
	var (
		dir place
		w   writer
		out string
	)
	cmd := &cobra.Command{
		Use: "bundle FILE...", Short: "put CAs or self-signed certificates into one file",
		Long: `Puts the certificates of several files into one, each once, for tca, ssl-ca and socket.ssl_ca:
the self-signed certificates of all nodes, or the old and the new CA for the time of a change.
A file with a private key in it is refused, because the result goes to every node.

Without --out the result goes to standard output.`,
		Example: `  trireme certs bundle db1.crt db2.crt db3.crt --out ca.pem
  trireme certs bundle old-ca.pem new-ca.pem --out upgrade-ca.pem`,
		Args: func(_ *cobra.Command, names []string) error {
			if len(names) == 0 {
				return errors.New("the files with the certificates are missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, names []string) error {
			var all []*x509.Certificate
			var text bytes.Buffer
			for _, name := range names {
				src := dir.source(name)
				b, err := identity.ReadBundle(src)
				if err != nil {
					return err
				}
				if b.HasKey {
					return fmt.Errorf("%s: holds a private key, and a CA file goes to every node; name the file of the certificate alone", src)
				}
				if b.Revocations > 0 {
					warn(cmd, "%s: %d revocation lists are left out, nothing uses them", src, b.Revocations)
				}
				for _, c := range b.Certificates {
					if known(all, c) {
						continue
					}
					all = append(all, c)
					judge(cmd, src, c)
					if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
						panic("certs: internal error: encode into memory: " + err.Error())
					}
				}
			}
			if out == "" {
				_, err := cmd.OutOrStdout().Write(text.Bytes())
				return err
			}
			return w.write(cmd.ErrOrStderr(), file{path: dir.of(out), data: text.Bytes(), what: fmt.Sprintf("%d certificates", len(all))})
		},
	}
	dir.flag(cmd)
	w.flag(cmd)
	cmd.Flags().StringVar(&out, "out", "", "file of the result (standard output)")
	return cmd
}

func known(all []*x509.Certificate, c *x509.Certificate) bool {
	for _, a := range all {
		if a.Equal(c) {
			return true
		}
	}
	return false
}

// judge says what is of no use in a file of trusted certificates.
func judge(cmd *cobra.Command, src identity.Source, c *x509.Certificate) {
	if !bytes.Equal(c.RawSubject, c.RawIssuer) {
		warn(cmd, "%s: %s is not self-signed; it is trusted only where its CA is in the bundle too", src, identity.Describe(c))
	}
	if time.Now().After(c.NotAfter) {
		warn(cmd, "%s: %s expired on %s", src, identity.Describe(c), day(c.NotAfter))
	}
}

func warn(cmd *cobra.Command, format string, args ...any) {
	fmt.Fprintf(cmd.ErrOrStderr(), "warning: "+format+"\n", args...)
}

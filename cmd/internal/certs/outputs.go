package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trireme/cmd/internal/cli"
	"trireme/wire/identity"
)

// outputs are the files that a node's certificate and key go to.
type outputs struct{ pem, cert, key string }

func (o *outputs) flag(cmd *cobra.Command, otherwise string) {
	cmd.Flags().StringVar(&o.pem, "pem", "", "file for certificate and key together, as tcert may be ("+otherwise+")")
	cmd.Flags().StringVar(&o.cert, "cert", "", "file for the certificate, as tcert and ssl-cert")
	cmd.Flags().StringVar(&o.key, "key", "", "file for the private key, as tkey and ssl-key")
}

func (o outputs) none() bool { return o == outputs{} }

// check demands that the key is written somewhere, and that no file is named twice.
func (o outputs) check(keyNeeded bool) error {
	if keyNeeded && o.pem == "" && o.key == "" {
		return cli.Usage(errors.New("--cert alone would lose the private key; add --key or --pem"))
	}
	if o.pem == "" && o.cert == "" {
		return cli.Usage(errors.New("--key alone would lose the certificate; add --cert or --pem"))
	}
	for _, same := range []struct{ a, b string }{{o.pem, o.cert}, {o.pem, o.key}, {o.cert, o.key}} {
		if same.a != "" && same.a == same.b {
			return cli.Usage(fmt.Errorf("%s is named twice; --pem alone makes a combined file", same.a))
		}
	}
	return nil
}

// files turns a certificate and its key into what is written.
func (o outputs) files(dir place, certPEM, keyPEM []byte) []file {
	var all []file
	what := issued(certPEM)
	if o.cert != "" {
		all = append(all, file{path: dir.of(o.cert), data: certPEM, what: "the certificate of " + what})
	}
	if o.key != "" {
		all = append(all, file{path: dir.of(o.key), data: keyPEM, secret: true, what: "the private key"})
	}
	if o.pem != "" {
		all = append(all, file{path: dir.of(o.pem), data: append(bytes.Clone(certPEM), keyPEM...), secret: true, what: "certificate and key of " + what})
	}
	return all
}

// issued describes a certificate that was just made.
func issued(certPEM []byte) string {
	block, _ := pem.Decode(certPEM)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		panic("certs: internal error: a certificate just made cannot be read: " + err.Error())
	}
	names := ""
	if len(c.DNSNames)+len(c.IPAddresses) > 0 {
		names = " for " + identity.NamesOf(c)
	}
	return fmt.Sprintf("%s%s, valid until %s", identity.Describe(c), names, day(c.NotAfter))
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// fileName makes a file name out of a node's name.
func fileName(name string) string { return strings.ReplaceAll(name, "*", "_") }

package certs

import (
	"errors"

	"github.com/spf13/cobra"

	"trireme/cmd/internal/cli"
	"trireme/wire/identity/ca"
)

func issueCommand() *cobra.Command {
	var (
		m    maker
		cn   string
		self bool
	)
	cmd := &cobra.Command{
		Use: "issue NAME...", Short: "make a key and a certificate for a node",
		Long: `Makes a key and a certificate for a node with all the names and addresses given; the first
is the common name too. A joiner is compared with the address it advertises
(wsrep_sst_receive_address, else wsrep_node_address) or a name that leads back to: give both.

Without file options, certificate and key go to NAME.pem, the first name.`,
		Example: `  trireme certs issue db2.example.net db2 10.0.0.2
  trireme certs issue db2.example.net 10.0.0.2 --cert server-cert.pem --key server-key.pem
  trireme certs issue --self-signed db2.example.net 10.0.0.2 --pem node.pem --cert db2.crt`,
		Args: func(_ *cobra.Command, names []string) error {
			if len(names) == 0 {
				return errors.New("the names and addresses of the node are missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, names []string) error {
			if self && (cmd.Flags().Changed("ca") || cmd.Flags().Changed("ca-key")) {
				return cli.Usage(errors.New("--self-signed and a CA exclude each other"))
			}
			o, err := m.settle(cmd, outputs{pem: fileName(names[0]) + ".pem"}, true)
			if err != nil {
				return err
			}
			if cn == "" {
				cn = names[0]
			}
			certPEM, keyPEM, err := issueOne(self, m.by, m.dir, cn, names, o)
			if err != nil {
				return err
			}
			return m.write(cmd, certPEM, keyPEM)
		},
	}
	m.flags(cmd, "825, and never longer than the CA", "NAME.pem")
	cmd.Flags().StringVar(&cn, "cn", "", "common name of the node (the first name)")
	cmd.Flags().BoolVar(&self, "self-signed", false, "no CA: the certificate is its own issuer")
	return cmd
}

func issueOne(self bool, by issuer, dir place, cn string, names []string, o ca.Options) (certPEM, keyPEM []byte, err error) {
	if self {
		return ca.SelfSigned(cn, names, o)
	}
	a, err := by.load(dir)
	if err != nil {
		return nil, nil, err
	}
	return a.Issue(cn, names, o)
}

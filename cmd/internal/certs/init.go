package certs

import (
	"github.com/spf13/cobra"

	"trireme/wire/identity/ca"
)

func initCommand() *cobra.Command {
	var (
		dir       place
		k         kind
		w         writer
		cn        string
		cert, key string
	)
	cmd := &cobra.Command{
		Use: "init", Short: "make a CA: a certificate for all nodes, and a key for none", Args: cobra.NoArgs,
		Long: `Makes a certificate authority: ca.pem, which every node gets as tca or ssl-ca, and ca-key.pem,
which signs the nodes' certificates and belongs on no node.`,
		Example: "  trireme certs init --dir /root/sst-ca",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := k.options(cmd)
			if err != nil {
				return err
			}
			a, err := ca.NewCA(cn, o)
			if err != nil {
				return err
			}
			keyPEM, err := a.KeyPEM()
			if err != nil {
				return err
			}
			return w.write(cmd.ErrOrStderr(),
				file{path: dir.of(cert), data: a.CertificatePEM(), what: "the certificate of " + issued(a.CertificatePEM()) + "; copy it to every node"},
				file{path: dir.of(key), data: keyPEM, secret: true, what: "its key; keep it off the nodes"})
		},
	}
	dir.flag(cmd)
	k.flag(cmd, "3650")
	w.flag(cmd)
	cmd.Flags().StringVar(&cn, "cn", "", "common name of the CA (SST CA and some digits of its own); no node may have it")
	cmd.Flags().StringVar(&cert, "cert", defaultCA, "file of the certificate")
	cmd.Flags().StringVar(&key, "key", defaultCAKey, "file of the private key")
	return cmd
}

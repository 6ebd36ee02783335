package certs

import (
	"github.com/spf13/cobra"

	"trireme/wire/identity/ca"
)

// maker has what the words share that make a node's certificate: what it is like, who signs it and where it goes.
type maker struct {
	dir place
	k   kind
	w   writer
	by  issuer
	to  outputs
}

// flags adds the flags; days and files describe what holds without them.
func (m *maker) flags(cmd *cobra.Command, days, files string) {
	m.dir.flag(cmd)
	m.k.flag(cmd, days)
	m.w.flag(cmd)
	m.by.flag(cmd)
	m.to.flag(cmd, files)
}

// settle checks the flags. otherwise are the files where none is named; newKey says that the key is to be written too.
func (m *maker) settle(cmd *cobra.Command, otherwise outputs, newKey bool) (ca.Options, error) {
	o, err := m.k.options(cmd)
	if err != nil {
		return ca.Options{}, err
	}
	if m.to.none() {
		m.to = otherwise
	}
	return o, m.to.check(newKey)
}

// write puts what was made into the files.
func (m *maker) write(cmd *cobra.Command, certPEM, keyPEM []byte) error {
	return m.w.write(cmd.ErrOrStderr(), m.to.files(m.dir, certPEM, keyPEM)...)
}

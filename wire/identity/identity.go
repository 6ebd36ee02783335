package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"
)

// Source says where a file name came from, so that messages can point at the line to change.
type Source struct {
	Option string // name of the option, for instance tcert
	Origin string // where it was set, for instance /etc/my.cnf:3 [sst]
	Path   string // the file or directory; empty means not set
}

// Files names the files of one node. An empty Key means that the key is looked for inside Cert (combined PEM).
type Files struct {
	CA, CAPath, Cert, Key Source

	// AcceptListed lets the node's own certificate pass the self-check when it stands in the CA file itself although it is
	// not self-signed. It belongs together with Policy.AcceptListed.
	AcceptListed bool

	// Now is the clock of the date checks; nil means time.Now.
	Now func() time.Time
}

// Material is what a node shows to its peer and what it trusts.
type Material struct {
	Certificate tls.Certificate
	Leaf        *x509.Certificate
	Extra       []*x509.Certificate // intermediates found in the certificate file after the leaf
	Anchors     []*x509.Certificate
	AnchorsFrom string
	Warnings    []string
}

// Level says how much a peer must prove with its certificate.
type Level uint8

// Levels of checking.
const (
	None         Level = 0 // nothing is asked for
	Chain        Level = 1 // the certificate must lead to an anchor
	ChainAndName Level = 2 // and carry one of the wanted names
	Exact        Level = 3 // it must be this very certificate; dates only warn
)

// Policy is what the peer's certificate must satisfy.
type Policy struct {
	Level       Level
	Names       []string
	NamesFrom   string
	Exact       *x509.Certificate
	Anchors     []*x509.Certificate
	AnchorsFrom string
	Now         func() time.Time

	AcceptListed bool
	Usage        x509.ExtKeyUsage
}

// Kind classifies a CheckError.
type Kind uint8

// CheckError says why a certificate was refused.
type CheckError struct {
	Kind Kind
	Text string
	Hint string
}

func (e *CheckError) Error() string { return e.Text }

func Load(f Files) (*Material, error)            { panic("wire/identity: not built yet") }
func Ephemeral(now time.Time) (*Material, error) { panic("wire/identity: not built yet") }
func Pin(cert *x509.Certificate) [32]byte        { panic("wire/identity: not built yet") }
func (p Policy) Check(peer []*x509.Certificate) (warnings []string, err error) {
	panic("wire/identity: not built yet")
}
func Reverse(ctx context.Context, host string) []string { panic("wire/identity: not built yet") }

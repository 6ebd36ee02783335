package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Source says where a file name came from, so that messages can point at the line to change.
type Source struct {
	Option string // name of the option, for instance tcert
	Origin string // where it was set, for instance /etc/my.cnf:3 [sst]
	Path   string // the file or directory; empty means not set
}

// String names option, origin and file the way every message of this package does.
func (s Source) String() string {
	switch {
	case s.Option == "":
		return s.Path
	case s.Origin == "":
		return fmt.Sprintf("%s=%s", s.Option, s.Path)
	}
	return fmt.Sprintf("%s=%s (from %s)", s.Option, s.Path, s.Origin)
}

// name is short for the file, within a sentence that has named it before.
func (s Source) name() string {
	if s.Option == "" {
		return s.Path
	}
	return s.Option
}

// beside names the option for another file (ca, capath, cert or key) of the family that the option of s belongs to: tkey beside
// tcert, ssl-key beside ssl-cert, --key beside --cert. Where it belongs to none of them, those of option files are named.
func (s Source) beside(file string) string {
	for _, own := range []string{"capath", "ca", "cert", "key"} {
		if family, ok := strings.CutSuffix(s.Option, own); ok && !strings.Contains(family, " ") {
			return family + file
		}
	}
	return "t" + file + " (or ssl-" + file + ")"
}

// Files names the files of one node. An empty Key means that the key is looked for inside Cert (combined PEM). A CA that is a
// directory is read like CAPath.
type Files struct {
	CA, CAPath, Cert, Key Source

	// AcceptListed lets the node's own certificate pass the self-check when it stands in the CA file itself although it is
	// not self-signed. It belongs together with Policy.AcceptListed.
	AcceptListed bool

	// Now is the clock of the date checks; nil means time.Now.
	Now func() time.Time
}

// Material is what a node shows to its peer and what it trusts. It is not changed after Load or Ephemeral returned it.
type Material struct {
	Certificate tls.Certificate     // leaf first, then Extra, as they go over the wire
	Leaf        *x509.Certificate   // nil when only anchors were configured
	Extra       []*x509.Certificate // intermediates found in the certificate file after the leaf
	Anchors     []*x509.Certificate // everything found in CA and CAPath, without duplicates
	AnchorsFrom string              // where they came from, for messages
	LeafFrom    string              // where Leaf came from, for messages; empty for a throw-away identity
	Warnings    []string            // one line each
}

// ephemeralLifetime is generous because a state transfer of some terabytes may take days and dials new connections all along.
const ephemeralLifetime = 14 * 24 * time.Hour

// throwAway marks the subject of a throw-away certificate. It proves nothing; it only lets the other end give better advice
// than to put this certificate into its CA file.
const throwAway = "made for one transfer"

// thrownAway recognises what Ephemeral makes.
func thrownAway(c *x509.Certificate) bool {
	return len(c.Subject.OrganizationalUnit) == 1 && c.Subject.OrganizationalUnit[0] == throwAway
}

// Ephemeral makes a throw-away identity: an ECDSA P-256 key and a self-signed certificate that lives for two weeks around now.
// It proves something only to a peer that knows its Pin.
func Ephemeral(now time.Time) (*Material, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make ephemeral key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      pkix.Name{CommonName: "trireme", OrganizationalUnit: []string{throwAway}},
		// The donor's clock may be far off; nobody looks at these dates, but a certificate must have some.
		NotBefore:             now.Add(-24 * time.Hour),
		NotAfter:              now.Add(ephemeralLifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign ephemeral certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back ephemeral certificate: %w", err)
	}
	return &Material{
		Certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf},
		Leaf:        leaf,
	}, nil
}

// Pin is the SHA-256 of the certificate's DER form: what a ticket carries.
func Pin(cert *x509.Certificate) [32]byte { return sha256.Sum256(cert.Raw) }

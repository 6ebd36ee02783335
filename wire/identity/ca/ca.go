package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Algorithm of the keys that are made.
type Algorithm uint8

// Key algorithms.
const (
	ECDSA Algorithm = 0 // P-256
	RSA   Algorithm = 1 // Options.Bits
)

const (
	// NIST SP 800-57 asks for 3072 bits beyond 2030, which certificates made today live to see. Go's TLS takes no more than 8192.
	minRSABits = 3072
	maxRSABits = 8192

	// Clocks of two nodes may differ. A certificate that starts an hour ago is accepted by a node that lags behind.
	backdate = time.Hour

	authorityLifetime = 3650 * 24 * time.Hour

	// The longest that the common verifiers take from a private CA. Self-signed node certificates get no more: they are renewed
	// with the same effort.
	nodeLifetime = 825 * 24 * time.Hour

	// The upper bound of RFC 5280 for a common name (ub-common-name).
	maxCommonName = 64
)

// Options of one certificate. The zero value is a good choice.
type Options struct {
	Algorithm Algorithm
	Bits      int              // of an RSA key, 3072 to 8192; zero means 3072. Nothing else reads it
	Lifetime  time.Duration    // zero: 3650 days for a CA, 825 days for a node
	Now       func() time.Time // nil: time.Now
}

// Authority is a CA certificate with its key.
type Authority struct {
	Certificate *x509.Certificate
	Key         crypto.Signer

	// Above are the certificates between Certificate and the root, where it is not a root itself. Nodes send them along.
	Above []*x509.Certificate
}

// NewCA makes a self-signed authority that may sign node certificates and nothing else below itself. Without a common name it
// gets one that no other authority has: two that differ in their keys only confuse people and some programs.
func NewCA(cn string, o Options) (*Authority, error) {
	key, err := newKey(o)
	if err != nil {
		return nil, err
	}
	if cn == "" {
		id, err := keyID(key)
		if err != nil {
			return nil, err
		}
		cn = fmt.Sprintf("SST CA %x", id[:4])
	}
	t, err := template(cn, o, authorityLifetime)
	if err != nil {
		return nil, err
	}
	t.IsCA = true
	t.MaxPathLenZero = true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	cert, err := sign(t, t, key, key)
	if err != nil {
		return nil, err
	}
	return &Authority{Certificate: cert, Key: key}, nil
}

// Existing takes over an authority that was made before, by this package or by others. The caller has checked that the key
// belongs to the certificate.
func Existing(cert *x509.Certificate, key crypto.Signer, above ...*x509.Certificate) (*Authority, error) {
	switch {
	case !cert.IsCA:
		return nil, fmt.Errorf("the certificate of %q is not a CA certificate (basic constraints lack CA:TRUE)", cert.Subject.CommonName)
	case cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, fmt.Errorf("the certificate of %q may not sign certificates (key usage lacks keyCertSign)", cert.Subject.CommonName)
	}
	return &Authority{Certificate: cert, Key: key, Above: above}, nil
}

// CertificatePEM returns the authority's certificate, the text that every node gets as its tca file.
func (a *Authority) CertificatePEM() []byte { return encode("CERTIFICATE", a.Certificate.Raw) }

// KeyPEM returns the authority's private key in PKCS#8 form, unencrypted.
func (a *Authority) KeyPEM() ([]byte, error) { return encodeKey(a.Key) }

// Issue makes a key and a certificate for a node. names are DNS names and IP addresses as text; each is put where it belongs in
// the subject alternative name. The certificate serves as joiner and as donor. certPEM goes on with the authority's own
// certificate where that is not a root.
func (a *Authority) Issue(cn string, names []string, o Options) (certPEM, keyPEM []byte, err error) {
	t, err := nodeTemplate(cn, names, o)
	if err != nil {
		return nil, nil, err
	}
	return a.complete(t, nil, o)
}

// SelfSigned makes a key and a certificate that is its own anchor: a bundle of such certificates, one per node, works as tca.
func SelfSigned(cn string, names []string, o Options) (certPEM, keyPEM []byte, err error) {
	t, err := nodeTemplate(cn, names, o)
	if err != nil {
		return nil, nil, err
	}
	return complete(t, nil, nil, o)
}

// complete has t signed for key, or for a new key when that is nil.
func (a *Authority) complete(t *x509.Certificate, key crypto.Signer, o Options) (certPEM, keyPEM []byte, err error) {
	cn := t.Subject.CommonName
	if strings.EqualFold(cn, a.Certificate.Subject.CommonName) {
		return nil, nil, fmt.Errorf("issue certificate for %q: the authority itself has this common name, and OpenSSL would take the node for the authority; choose another", cn)
	}
	if !t.NotAfter.Before(a.Certificate.NotAfter) {
		t.NotAfter = a.Certificate.NotAfter
	}
	if !t.NotBefore.Before(t.NotAfter) {
		return nil, nil, fmt.Errorf("issue certificate for %q: the authority expired on %s", cn, a.Certificate.NotAfter.Format(time.DateOnly))
	}
	if certPEM, keyPEM, err = complete(t, key, a, o); err != nil {
		return nil, nil, err
	}
	for _, c := range append([]*x509.Certificate{a.Certificate}, a.Above...) {
		if !bytes.Equal(c.RawSubject, c.RawIssuer) {
			certPEM = append(certPEM, encode("CERTIFICATE", c.Raw)...)
		}
	}
	return certPEM, keyPEM, nil
}

// complete has t signed by a, or by itself when that is nil.
func complete(t *x509.Certificate, key crypto.Signer, a *Authority, o Options) (certPEM, keyPEM []byte, err error) {
	if key == nil {
		if key, err = newKey(o); err != nil {
			return nil, nil, err
		}
	}
	if _, ok := key.(*rsa.PrivateKey); ok && !t.IsCA {
		t.KeyUsage |= x509.KeyUsageKeyEncipherment // asked for by TLS 1.2 clients such as an older stunnel
	}
	parent, signer := t, key
	if a != nil {
		parent, signer = a.Certificate, a.Key
	}
	cert, err := sign(t, parent, key, signer)
	if err != nil {
		return nil, nil, err
	}
	if keyPEM, err = encodeKey(key); err != nil {
		return nil, nil, err
	}
	return encode("CERTIFICATE", cert.Raw), keyPEM, nil
}

func nodeTemplate(cn string, names []string, o Options) (*x509.Certificate, error) {
	t, err := template(cn, o, nodeLifetime)
	if err != nil {
		return nil, err
	}
	forNode(t)
	for _, n := range names {
		if err := addName(t, n); err != nil {
			return nil, fmt.Errorf("issue certificate for %q: %w", cn, err)
		}
	}
	return t, nil
}

// forNode sets what the certificate may be used for. A node is joiner today and donor tomorrow.
func forNode(t *x509.Certificate) {
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
}

func addName(t *x509.Certificate, name string) error {
	if ip, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		if ip.Zone() != "" {
			return fmt.Errorf("name %q: an address with a zone is valid on one host only", name)
		}
		t.IPAddresses = append(t.IPAddresses, ip.Unmap().AsSlice())
		return nil
	}
	name = strings.TrimSuffix(name, ".")
	if rest, wild := strings.CutPrefix(name, "*."); strings.Contains(rest, "*") || wild && !strings.Contains(rest, ".") {
		return fmt.Errorf("name %q: a star stands for the whole first label and needs two labels after it", name)
	}
	if name == "" || len(name) > 253 || slices.Contains(strings.Split(name, "."), "") {
		return fmt.Errorf("name %q: a DNS name has 1 to 253 characters, and none of its labels is empty", name)
	}
	for _, r := range name {
		// The underscore is no host name character, but compose files and old clusters use it and OpenSSL takes it.
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.*", r) {
			return fmt.Errorf("name %q: character %q is neither allowed in a DNS name nor in an address", name, r)
		}
	}
	t.DNSNames = append(t.DNSNames, name)
	return nil
}

func template(cn string, o Options, lifetime time.Duration) (*x509.Certificate, error) {
	if cn == "" || len(cn) > maxCommonName {
		return nil, fmt.Errorf("issue certificate for %q: a common name has 1 to %d bytes", cn, maxCommonName)
	}
	t, err := blank(o, lifetime)
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %q: %w", cn, err)
	}
	t.Subject = pkix.Name{CommonName: cn}
	return t, nil
}

// blank is a certificate with dates and a serial number, of nobody yet.
func blank(o Options, lifetime time.Duration) (*x509.Certificate, error) {
	if o.Lifetime < 0 {
		return nil, fmt.Errorf("negative lifetime %s", o.Lifetime)
	}
	if o.Lifetime > 0 {
		lifetime = o.Lifetime
	}
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	at := now().UTC().Truncate(time.Second)
	return &x509.Certificate{
		SerialNumber:          serial.Add(serial, big.NewInt(1)),
		NotBefore:             at.Add(-backdate),
		NotAfter:              at.Add(lifetime),
		BasicConstraintsValid: true,
	}, nil
}

func sign(t, parent *x509.Certificate, key, signer crypto.Signer) (*x509.Certificate, error) {
	if len(t.SubjectKeyId) == 0 {
		id, err := keyID(key)
		if err != nil {
			return nil, err
		}
		t.SubjectKeyId = id
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("sign certificate for %q: %w", t.Subject.CommonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back certificate for %q: %w", t.Subject.CommonName, err)
	}
	return cert, nil
}

func newKey(o Options) (crypto.Signer, error) {
	switch o.Algorithm {
	case ECDSA:
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make ECDSA key: %w", err)
		}
		return key, nil
	case RSA:
		bits := o.Bits
		if bits == 0 {
			bits = minRSABits
		}
		if bits < minRSABits || bits > maxRSABits {
			return nil, fmt.Errorf("make RSA key of %d bits: wanted are %d to %d", bits, minRSABits, maxRSABits)
		}
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			return nil, fmt.Errorf("make RSA key: %w", err)
		}
		return key, nil
	}
	return nil, fmt.Errorf("make key: unknown algorithm %d", o.Algorithm)
}

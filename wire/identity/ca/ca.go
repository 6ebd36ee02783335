// Package ca makes certificates: a small authority, node certificates signed by it, and self-signed ones.
//
// It exists so that a cluster can be given mutual TLS without a shell full of openssl calls, and so that tests and the
// demonstration do not need any. Keys are ECDSA P-256 unless RSA is asked for; both are understood by every program that
// the transfer replaces, so the files serve the old tools as well.
//
// Guarantees: serial numbers are random and positive, every certificate carries key identifiers (which keeps a node
// certificate with the CA's own subject from looking self-signed to OpenSSL), names are put into the subject alternative
// name extension, validity starts a little in the past because clocks differ, and a node certificate never outlives its
// authority. Issue refuses the authority's own common name for a node, the classic mistake with the manual's recipe.
//
// Not guaranteed: nothing is written to disk, keys are returned unencrypted, there is no revocation and no record of what was
// issued. Whoever holds an Authority can become any node of the cluster; where its key is kept is the caller's business.
//
// An Authority is immutable after it was made and safe for concurrent use. Returned slices belong to the caller.
package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"time"
)

// Algorithm of the keys that are made.
type Algorithm uint8

// Key algorithms.
const (
	ECDSA Algorithm = 0 // P-256
	RSA   Algorithm = 1 // 3072 bits
)

const (
	rsaBits = 3072

	// Clocks of two nodes may differ. A certificate that starts an hour ago is accepted by a node that lags behind.
	backdate = time.Hour

	authorityLifetime = 10 * 365 * 24 * time.Hour
	nodeLifetime      = 2 * 365 * 24 * time.Hour

	// The upper bound of RFC 5280 for a common name (ub-common-name).
	maxCommonName = 64
)

// Options of one certificate. The zero value is a good choice.
type Options struct {
	Algorithm Algorithm
	Lifetime  time.Duration    // zero: ten years for a CA and for self-signed ones, two years for a node
	Now       func() time.Time // nil: time.Now
}

// Authority is a CA certificate with its key.
type Authority struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// NewCA makes a self-signed authority that may sign node certificates and nothing else below itself.
func NewCA(cn string, o Options) (*Authority, error) {
	t, err := template(cn, o, authorityLifetime)
	if err != nil {
		return nil, err
	}
	t.IsCA = true
	t.MaxPathLenZero = true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	key, err := newKey(o.Algorithm)
	if err != nil {
		return nil, err
	}
	cert, err := sign(t, t, key, key)
	if err != nil {
		return nil, err
	}
	return &Authority{Certificate: cert, Key: key}, nil
}

// Load reads back what CertificatePEM and KeyPEM wrote: the first certificate and the first key of each text.
func Load(certPEM, keyPEM []byte) (*Authority, error) {
	block, _ := pem.Decode(certPEM)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("read authority: no certificate in PEM form found")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read authority certificate: %w", err)
	}
	if !cert.IsCA {
		return nil, fmt.Errorf("read authority: the certificate of %q is not a CA certificate (basic constraints lack CA:TRUE)", cert.Subject.CommonName)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, err
	}
	if !samePublicKey(key, cert) {
		return nil, fmt.Errorf("read authority: the key does not belong to the certificate of %q", cert.Subject.CommonName)
	}
	return &Authority{Certificate: cert, Key: key}, nil
}

// CertificatePEM returns the authority's certificate, the text that every node gets as its tca file.
func (a *Authority) CertificatePEM() []byte { return encode("CERTIFICATE", a.Certificate.Raw) }

// KeyPEM returns the authority's private key in PKCS#8 form, unencrypted.
func (a *Authority) KeyPEM() ([]byte, error) { return encodeKey(a.Key) }

// Issue makes a key and a certificate for a node. names are DNS names and IP addresses as text; each is put where it belongs in
// the subject alternative name. The certificate serves as joiner and as donor.
func (a *Authority) Issue(cn string, names []string, o Options) (certPEM, keyPEM []byte, err error) {
	if cn == a.Certificate.Subject.CommonName {
		return nil, nil, fmt.Errorf("issue certificate for %q: the authority itself has this common name, and OpenSSL would take the node for the authority; choose another", cn)
	}
	t, err := nodeTemplate(cn, names, o, nodeLifetime)
	if err != nil {
		return nil, nil, err
	}
	if !t.NotAfter.Before(a.Certificate.NotAfter) {
		t.NotAfter = a.Certificate.NotAfter
	}
	if !t.NotBefore.Before(t.NotAfter) {
		return nil, nil, fmt.Errorf("issue certificate for %q: the authority expired on %s", cn, a.Certificate.NotAfter.Format(time.DateOnly))
	}
	return issue(t, a.Certificate, o.Algorithm, a.Key)
}

// SelfSigned makes a key and a certificate that is its own anchor: a bundle of such certificates, one per node, works as tca.
func SelfSigned(cn string, names []string, o Options) (certPEM, keyPEM []byte, err error) {
	t, err := nodeTemplate(cn, names, o, authorityLifetime)
	if err != nil {
		return nil, nil, err
	}
	return issue(t, t, o.Algorithm, nil)
}

// issue makes the key pair for t and has it signed by signer, or by itself when signer is nil.
func issue(t, parent *x509.Certificate, alg Algorithm, signer crypto.Signer) (certPEM, keyPEM []byte, err error) {
	key, err := newKey(alg)
	if err != nil {
		return nil, nil, err
	}
	if signer == nil {
		signer = key
	}
	cert, err := sign(t, parent, key, signer)
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err = encodeKey(key)
	if err != nil {
		return nil, nil, err
	}
	return encode("CERTIFICATE", cert.Raw), keyPEM, nil
}

func nodeTemplate(cn string, names []string, o Options, lifetime time.Duration) (*x509.Certificate, error) {
	t, err := template(cn, o, lifetime)
	if err != nil {
		return nil, err
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	if o.Algorithm == RSA {
		t.KeyUsage |= x509.KeyUsageKeyEncipherment // asked for by TLS 1.2 clients such as an older stunnel
	}
	// A node is joiner today and donor tomorrow.
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, n := range names {
		if err := addName(t, n); err != nil {
			return nil, fmt.Errorf("issue certificate for %q: %w", cn, err)
		}
	}
	return t, nil
}

func addName(t *x509.Certificate, name string) error {
	if ip, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		if ip.Zone() != "" {
			return fmt.Errorf("name %q: an address with a zone is valid on one host only", name)
		}
		t.IPAddresses = append(t.IPAddresses, ip.Unmap().AsSlice())
		return nil
	}
	if name == "" || len(name) > 253 {
		return fmt.Errorf("name %q: a DNS name has 1 to 253 characters", name)
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
	if o.Lifetime < 0 {
		return nil, fmt.Errorf("issue certificate for %q: negative lifetime %s", cn, o.Lifetime)
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
		Subject:               pkix.Name{CommonName: cn},
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

func newKey(alg Algorithm) (crypto.Signer, error) {
	switch alg {
	case ECDSA:
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make ECDSA key: %w", err)
		}
		return key, nil
	case RSA:
		key, err := rsa.GenerateKey(rand.Reader, rsaBits)
		if err != nil {
			return nil, fmt.Errorf("make RSA key: %w", err)
		}
		return key, nil
	}
	return nil, fmt.Errorf("make key: unknown algorithm %d", alg)
}

package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"
)

// Load reads and checks the files of one node. Parts that are not configured stay empty: a CA alone, or certificate and key
// alone, are both fine here and judged by the caller. Every error is one line that names option, origin, file, what was found
// and what to do; it wraps the system's error when there is one (fs.ErrNotExist, fs.ErrPermission).
func Load(f Files) (*Material, error) {
	m := &Material{}
	if err := m.loadAnchors(f); err != nil {
		return nil, err
	}
	if f.Cert.Path == "" {
		if f.Key.Path != "" {
			return nil, fmt.Errorf("%s: there is a key but no certificate; set %s as well", f.Key, f.Key.beside("cert"))
		}
		return m, nil
	}
	if err := m.loadPair(f); err != nil {
		return nil, err
	}
	if err := m.selfCheck(f); err != nil {
		return nil, err
	}
	return m, nil
}

// LoadPair reads a certificate and its key, looked for inside cert when key has no path, without judging dates or trust: what a
// renewal starts from. The certificate must be the first of its file; others go to Extra.
func LoadPair(cert, key Source) (*Material, error) {
	m := &Material{}
	if err := m.loadPair(Files{Cert: cert, Key: key}); err != nil {
		return nil, err
	}
	return m, nil
}

// loadPair reads certificate and key and brings them together.
func (m *Material) loadPair(f Files) error {
	certs, err := readPEM(f.Cert)
	if err != nil {
		return err
	}
	if len(certs.certs) == 0 {
		return fmt.Errorf("%s: found %s, wanted a certificate in PEM form", f.Cert, certs.noPEM())
	}
	keySrc, keys := f.Cert, certs
	if f.Key.Path != "" {
		keySrc = f.Key
		if keys, err = readPEM(f.Key); err != nil {
			return err
		}
	}
	if len(keys.keys) == 0 {
		return noKey(f, keySrc, keys)
	}
	if m.Certificate.PrivateKey, err = pickKey(f, keySrc, keys.keys, certs.certs); err != nil {
		return err
	}
	m.Leaf, m.Extra = certs.certs[0], certs.certs[1:]
	m.Certificate.Leaf, m.LeafFrom = m.Leaf, f.Cert.String()
	for _, c := range certs.certs {
		m.Certificate.Certificate = append(m.Certificate.Certificate, c.Raw)
	}
	if info, err := os.Stat(keySrc.Path); err == nil && info.Mode().Perm()&0o006 != 0 {
		can := "read"
		if info.Mode().Perm()&0o004 == 0 {
			can = "changed"
		}
		m.warn("%s: the file with the private key can be %s by every user of this host (mode %04o); chmod 0600", keySrc, can, info.Mode().Perm())
	}
	return nil
}

func noKey(f Files, src Source, p *pemFile) error {
	switch {
	case p.encrypted:
		return fmt.Errorf(`%s: the private key is encrypted and nobody is there to type a passphrase; decrypt it with "openssl pkey -in FILE -out NEW" and give NEW mode 0600`, src)
	case f.Key.Path == "" && src.Option == "":
		return fmt.Errorf("%s: the file holds no private key; name the file of the key as well", src)
	case f.Key.Path == "":
		return fmt.Errorf("%s: no private key option is set and the certificate file holds no key either; set %s, or append the key to the file", src, src.beside("key"))
	}
	return fmt.Errorf("%s: found %s, wanted a private key in PEM form", src, p.noPEM())
}

// pickKey returns the first key that belongs to the first certificate, as OpenSSL does for files with several.
func pickKey(f Files, src Source, blocks []*pem.Block, certs []*x509.Certificate) (crypto.Signer, error) {
	var firstErr error
	belongsTo := -1
	for _, b := range blocks {
		key, err := parseKey(b)
		if err == nil {
			err = usableKey(key)
		}
		if err != nil {
			if firstErr == nil {
				firstErr = err
			}
			continue
		}
		for i, c := range certs {
			if !matches(key, c) {
				continue
			}
			if i == 0 {
				return key, nil
			}
			belongsTo = i
		}
	}
	switch {
	case firstErr != nil:
		return nil, fmt.Errorf("%s: the private key cannot be used: %w", src, firstErr)
	case belongsTo > 0:
		return nil, fmt.Errorf("%s: the key belongs to certificate number %d of %s, but the node's own certificate must be the first", src, belongsTo+1, f.Cert)
	}
	return nil, fmt.Errorf("%s: the private key does not belong to certificate %s in %s; they come from different requests", src, Describe(certs[0]), f.Cert)
}

func parseKey(b *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch b.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	default:
		return nil, fmt.Errorf("a key of the form %q is not supported", b.Type)
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("this kind of key cannot sign")
	}
	return signer, nil
}

// usableKey refuses keys that a TLS 1.3 handshake could not use, so that the reason shows up here and not as an alert there.
func usableKey(key crypto.Signer) error {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("an RSA key of %d bits, wanted are %d to %d", bits, minRSABits, maxRSABits)
		}
	case *ecdsa.PrivateKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
		default:
			return fmt.Errorf("TLS 1.3 has no signatures on the curve %s; use P-256, P-384 or P-521", k.Curve.Params().Name)
		}
	case ed25519.PrivateKey:
	default:
		return fmt.Errorf("TLS 1.3 has no signatures for a %T", key)
	}
	return nil
}

func matches(key crypto.Signer, c *x509.Certificate) bool {
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(c.PublicKey)
}

// selfCheck applies to the own certificate what peers will apply to it: better one clear line here than two vague ones there.
func (m *Material) selfCheck(f Files) error {
	now := time.Now
	if f.Now != nil {
		now = f.Now
	}
	p := Policy{Level: Chain, Anchors: m.Anchors, AnchorsFrom: m.AnchorsFrom, AcceptListed: f.AcceptListed, Now: now, own: f.Cert.name()}
	c := checker{Policy: p, now: now()}
	if err := c.dates(m.Leaf, "the certificate"); err != nil {
		return fmt.Errorf("%s: %w", f.Cert, err)
	}
	if left := m.Leaf.NotAfter.Sub(c.now); left < soonExpired {
		m.warn("%s: certificate %s expires in %d days, on %s", f.Cert, Describe(m.Leaf), int(left.Hours()/24), date(m.Leaf.NotAfter))
	}
	if len(m.Anchors) == 0 {
		return nil
	}
	// Intermediates out of the certificate file count, because the peer gets them with the handshake (MDEV-35812).
	warnings, err := p.Check(append([]*x509.Certificate{m.Leaf}, m.Extra...))
	if err != nil {
		return fmt.Errorf("%s: this node's certificate does not pass its own CA: %w", f.Cert, err)
	}
	m.Warnings = append(m.Warnings, warnings...)
	return nil
}

func (m *Material) warn(format string, args ...any) {
	m.Warnings = append(m.Warnings, fmt.Sprintf(format, args...))
}

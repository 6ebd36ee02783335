package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// pair is a certificate with its key, made for tests.
type pair struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// spec describes a test certificate. Defaults: an end-entity certificate that is valid now.
type spec struct {
	cn, org  string
	dns      []string
	ips      []string
	by       *pair // nil: self-signed
	ca       bool
	noBasic  bool // leave basic constraints out
	akid     bool // with the identifier of the CA's key, which crypto/x509 leaves out where the names are the same
	skid     bool // with one of its own key, which crypto/x509 leaves out of a leaf
	usage    x509.KeyUsage
	ext      []x509.ExtKeyUsage
	from, to time.Time
	key      crypto.Signer
	pathLen0 bool
	within   []string // name constraints of a CA: domains and networks
	without  []string // what they exclude
	policies []asn1.ObjectIdentifier
	critical bool // with a critical extension that nobody knows
	email    string
}

func mint(t testing.TB, s spec) *pair {
	t.Helper()
	key := s.key
	if key == nil {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key = k
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	if s.from.IsZero() {
		s.from = time.Now().Add(-time.Hour)
	}
	if s.to.IsZero() {
		s.to = time.Now().Add(365 * 24 * time.Hour)
	}
	subject := pkix.Name{CommonName: s.cn}
	if s.org != "" {
		subject.Organization = []string{s.org}
	}
	tpl := &x509.Certificate{
		SerialNumber: serial, Subject: subject, NotBefore: s.from, NotAfter: s.to,
		DNSNames: s.dns, KeyUsage: s.usage, ExtKeyUsage: s.ext,
		BasicConstraintsValid: !s.noBasic, IsCA: s.ca, MaxPathLenZero: s.pathLen0,
	}
	tpl.PermittedDNSDomains, tpl.PermittedIPRanges = constraints(s.within)
	tpl.ExcludedDNSDomains, tpl.ExcludedIPRanges = constraints(s.without)
	tpl.PermittedDNSDomainsCritical, tpl.PolicyIdentifiers = len(s.within)+len(s.without) > 0, s.policies
	if s.critical {
		tpl.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
	}
	if s.email != "" {
		tpl.EmailAddresses = []string{s.email}
	}
	for _, ip := range s.ips {
		tpl.IPAddresses = append(tpl.IPAddresses, net.ParseIP(ip))
	}
	parent, signer := tpl, key
	if s.by != nil {
		parent, signer = s.by.cert, s.by.key
		if s.akid {
			tpl.AuthorityKeyId = parent.SubjectKeyId
		}
		if s.skid {
			tpl.SubjectKeyId = []byte{1, 2, 3}
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{c, key}
}

// constraints tells domains and networks apart.
func constraints(list []string) (domains []string, networks []*net.IPNet) {
	for _, text := range list {
		if _, n, err := net.ParseCIDR(text); err == nil {
			networks = append(networks, n)
		} else {
			domains = append(domains, text)
		}
	}
	return domains, networks
}

func (p *pair) certPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw})
}

func (p *pair) keyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func certsPEM(certs ...*x509.Certificate) []byte {
	var text []byte
	for _, c := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

func write(t testing.TB, dir, name string, parts ...[]byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	if err := os.WriteFile(path, all, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// needOpenSSL runs the openssl program in dir.
func needOpenSSL(t testing.TB, dir string, args ...string) {
	t.Helper()
	out, err := openssl(t, dir, args...)
	if err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
}

func openssl(t testing.TB, dir string, args ...string) ([]byte, error) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("the openssl program is not installed; it is the reference of this test")
	}
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	return cmd.CombinedOutput()
}

func readCert(t testing.TB, path string) *x509.Certificate {
	t.Helper()
	p, err := readPEM(Source{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return p.certs[0]
}

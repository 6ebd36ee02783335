package ca

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(text)
	if block == nil || len(rest) != 0 {
		t.Fatalf("want exactly one PEM block, got %q", text)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIssueChainsToAuthority(t *testing.T) {
	for _, alg := range []Algorithm{ECDSA, RSA} {
		a, err := NewCA("cluster authority", Options{Algorithm: alg})
		if err != nil {
			t.Fatal(err)
		}
		certPEM, keyPEM, err := a.Issue("node1", []string{"node1.db.local", "10.0.0.1", "[2001:db8::1]", "under_score"}, Options{Algorithm: alg})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
			t.Errorf("algorithm %d: key pair: %v", alg, err)
		}
		leaf := parse(t, certPEM)
		roots := x509.NewCertPool()
		roots.AddCert(a.Certificate)
		for _, name := range []string{"node1.db.local", "10.0.0.1", "2001:db8::1"} {
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
				t.Errorf("algorithm %d: verify as %s: %v", alg, name, err)
			}
		}
		if leaf.NotAfter.After(a.Certificate.NotAfter) {
			t.Errorf("algorithm %d: the node outlives its authority", alg)
		}
		opensslVerify(t, a.CertificatePEM(), certPEM)
	}
}

func TestExisting(t *testing.T) {
	a, err := NewCA("", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(a.Certificate.Subject.CommonName, "SST CA ") {
		t.Errorf("the authority calls itself %q", a.Certificate.Subject.CommonName)
	}
	b, err := Existing(a.Certificate, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM, _, err := b.Issue("n", nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	leaf := parse(t, certPEM)
	if err := leaf.CheckSignatureFrom(a.Certificate); err != nil {
		t.Error(err)
	}
	if _, err := Existing(leaf, a.Key); err == nil || !strings.Contains(err.Error(), "not a CA certificate") {
		t.Errorf("a node as authority: %v", err)
	}
	mute := *a.Certificate
	mute.KeyUsage = x509.KeyUsageDigitalSignature
	if _, err := Existing(&mute, a.Key); err == nil || !strings.Contains(err.Error(), "may not sign") {
		t.Errorf("an authority that may not sign: %v", err)
	}
}

func TestIssueRefuses(t *testing.T) {
	old := func() time.Time { return time.Now().Add(-20 * 365 * 24 * time.Hour) }
	a, _ := NewCA("authority", Options{})
	expired, _ := NewCA("expired", Options{Now: old})
	for _, tc := range []struct {
		name  string
		a     *Authority
		cn    string
		names []string
		o     Options
		want  string
	}{
		{"common name of the authority", a, "authority", nil, Options{}, "the authority itself"},
		{"empty common name", a, "", nil, Options{}, "1 to 64"},
		{"long common name", a, strings.Repeat("x", 65), nil, Options{}, "1 to 64"},
		{"blank in a name", a, "n", []string{"a b"}, Options{}, "character"},
		{"zone", a, "n", []string{"fe80::1%eth0"}, Options{}, "zone"},
		{"empty name", a, "n", []string{""}, Options{}, "1 to 253"},
		{"negative lifetime", a, "n", nil, Options{Lifetime: -1}, "negative"},
		{"empty label", a, "n", []string{"n1..local"}, Options{}, "labels is empty"},
		{"star in the middle", a, "n", []string{"n.*.local"}, Options{}, "a star"},
		{"star above everything", a, "n", []string{"*.local"}, Options{}, "a star"},
		{"short RSA key", a, "n", nil, Options{Algorithm: RSA, Bits: 2048}, "2048 bits"},
		{"long RSA key", a, "n", nil, Options{Algorithm: RSA, Bits: 16384}, "16384 bits"},
		{"unknown algorithm", a, "n", nil, Options{Algorithm: 9}, "unknown algorithm"},
		{"expired authority", expired, "n", nil, Options{}, "expired on"},
	} {
		if _, _, err := tc.a.Issue(tc.cn, tc.names, tc.o); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want text %q", tc.name, err, tc.want)
		}
	}
}

func TestSelfSignedIsItsOwnAnchor(t *testing.T) {
	certPEM, keyPEM, err := SelfSigned("alone", []string{"alone.db.local"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Error(err)
	}
	opensslVerify(t, certPEM, certPEM)
}

// opensslVerify asks the program that the replaced tools are built on.
func opensslVerify(t *testing.T, caPEM, certPEM []byte) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Log("openssl is not installed: its opinion is not asked")
		return
	}
	dir := t.TempDir()
	for name, text := range map[string][]byte{"ca.pem": caPEM, "cert.pem": certPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("openssl", "verify", "-no-CApath", "-no-CAstore", "-CAfile", "ca.pem", "cert.pem")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("openssl verify: %v\n%s", err, out)
	}
}

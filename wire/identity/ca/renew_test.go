package ca

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"
)

func keyOf(t *testing.T, text []byte) crypto.Signer {
	t.Helper()
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(crypto.Signer)
}

func sameKey(a, b *x509.Certificate) bool {
	return a.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(b.PublicKey)
}

func TestRenew(t *testing.T) {
	long := func() time.Time { return time.Now().Add(-3 * 365 * 24 * time.Hour) }
	a, err := NewCA("", Options{})
	if err != nil {
		t.Fatal(err)
	}
	successorCA, err := NewCA("", Options{})
	if err != nil {
		t.Fatal(err)
	}
	oldPEM, oldKey, err := a.Issue("n1", []string{"n1.db.local", "10.0.0.1"}, Options{Now: long})
	if err != nil {
		t.Fatal(err)
	}
	old := parse(t, oldPEM)
	if time.Now().Before(old.NotAfter) {
		t.Fatal("the old certificate is meant to be expired")
	}
	for _, tc := range []struct {
		name string
		by   *Authority
		key  crypto.Signer
	}{{"same key", a, keyOf(t, oldKey)}, {"new key", a, nil}, {"new authority", successorCA, keyOf(t, oldKey)}} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			certPEM, keyPEM, err := tc.by.Renew(old, tc.key, Options{})
			if err != nil {
				t.Fatal(err)
			}
			c := parse(t, certPEM)
			if c.Subject.String() != old.Subject.String() || !slices.Equal(c.DNSNames, old.DNSNames) || len(c.IPAddresses) != 1 {
				t.Errorf("names changed: %v %v %v", c.Subject, c.DNSNames, c.IPAddresses)
			}
			if sameKey(c, old) != (tc.key != nil) || !sameKey(c, &x509.Certificate{PublicKey: keyOf(t, keyPEM).Public()}) {
				t.Error("wrong key")
			}
			if c.SerialNumber.Cmp(old.SerialNumber) == 0 || !c.NotAfter.After(time.Now()) {
				t.Error("serial number or dates are the old ones")
			}
			opensslVerify(t, tc.by.CertificatePEM(), certPEM)
		})
	}
}

// A renewed root keeps what certificates below it lead to: key, subject and key identifier.
func TestRenewSelf(t *testing.T) {
	a, err := NewCA("", Options{Lifetime: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	leaf, _, err := a.Issue("n1", []string{"n1"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	rootPEM, _, err := RenewSelf(a.Certificate, a.Key, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if root := parse(t, rootPEM); !root.NotAfter.After(a.Certificate.NotAfter) || !root.IsCA {
		t.Errorf("renewed root: CA %v, until %v", root.IsCA, root.NotAfter)
	}
	opensslVerify(t, rootPEM, leaf)
	if _, _, err := RenewSelf(a.Certificate, nil, Options{}); err == nil || !strings.Contains(err.Error(), "is a new CA") {
		t.Errorf("a root with a new key: %v", err)
	}
	inter := *a.Certificate
	if _, _, err := a.Renew(&inter, nil, Options{}); err == nil || !strings.Contains(err.Error(), "only roots") {
		t.Errorf("an authority below another: %v", err)
	}
}

// What had only a common name is found by it afterwards as well, and by stricter programs too.
func TestRenewTurnsTheCommonNameIntoAnAlternativeOne(t *testing.T) {
	for cn, want := range map[string]string{"n1.db.local": "n1.db.local", "node 1": "", "10.0.0.1": "10.0.0.1"} {
		certPEM, keyPEM, err := SelfSigned(cn, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		renewed, _, err := RenewSelf(parse(t, certPEM), keyOf(t, keyPEM), Options{})
		if err != nil {
			t.Fatal(err)
		}
		c := parse(t, renewed)
		if err := c.VerifyHostname(cn); (err == nil) != (want != "") {
			t.Errorf("%q: DNS %q, addresses %v", cn, c.DNSNames, c.IPAddresses)
		}
		opensslVerify(t, renewed, renewed)
	}
}

// A node below an intermediate shows the intermediate as well, as peers know the root only.
func TestIssueBelowAnIntermediate(t *testing.T) {
	root, err := NewCA("root", Options{})
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := template("inter", Options{}, authorityLifetime)
	if err != nil {
		t.Fatal(err)
	}
	tpl.IsCA, tpl.KeyUsage = true, x509.KeyUsageCertSign
	root.Certificate.MaxPathLenZero, root.Certificate.MaxPathLen = false, -1
	key, err := newKey(Options{})
	if err != nil {
		t.Fatal(err)
	}
	inter, err := sign(tpl, root.Certificate, key, root.Key)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Existing(inter, key, root.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	certPEM, _, err := a.Issue("n1", []string{"n1"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(certPEM), "BEGIN CERTIFICATE"); n != 2 {
		t.Errorf("%d certificates, want the node and the intermediate", n)
	}
}

package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	day := 24 * time.Hour
	sign := x509.KeyUsageCertSign
	root := mint(t, spec{cn: "root", ca: true, usage: sign})
	other := mint(t, spec{cn: "other", ca: true, usage: sign})
	inter := mint(t, spec{cn: "inter", ca: true, usage: sign, by: root})
	node := mint(t, spec{cn: "node", by: root})
	deep := mint(t, spec{cn: "deep", by: inter})
	old := mint(t, spec{cn: "old", by: root, from: time.Now().Add(-9 * day), to: time.Now().Add(-day)})
	young := mint(t, spec{cn: "young", by: root, from: time.Now().Add(day)})
	soon := mint(t, spec{cn: "soon", by: root, to: time.Now().Add(5 * day)})
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve := mint(t, spec{cn: "curve", key: p224})

	write(t, dir, "ca.pem", root.certPEM())
	write(t, dir, "other-ca.pem", other.certPEM())
	write(t, dir, "inter-ca.pem", inter.certPEM())
	write(t, dir, "node.pem", node.certPEM())
	write(t, dir, "node.key", node.keyPEM(t))
	write(t, dir, "other.key", other.keyPEM(t))
	write(t, dir, "combined.pem", []byte("a line of text\r\n"), node.keyPEM(t), []byte("Bag Attributes\n"), node.certPEM())
	write(t, dir, "bom.pem", []byte("\xef\xbb\xbf"), node.certPEM(), node.keyPEM(t))
	write(t, dir, "two-keys.pem", node.certPEM(), other.keyPEM(t), node.keyPEM(t))
	write(t, dir, "chain.pem", deep.certPEM(), inter.certPEM(), deep.keyPEM(t))
	write(t, dir, "reversed.pem", inter.certPEM(), deep.certPEM(), deep.keyPEM(t))
	write(t, dir, "old.pem", old.certPEM(), old.keyPEM(t))
	write(t, dir, "young.pem", young.certPEM(), young.keyPEM(t))
	write(t, dir, "soon.pem", soon.certPEM(), soon.keyPEM(t))
	write(t, dir, "curve.pem", curve.certPEM(), curve.keyPEM(t))
	write(t, dir, "empty.pem")
	write(t, dir, "text.pem", []byte("hello"))
	write(t, dir, "der.pem", root.cert.Raw)
	write(t, dir, "broken.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("junk")}))
	write(t, dir, "trusted.pem", pem.EncodeToMemory(&pem.Block{Type: "TRUSTED CERTIFICATE", Bytes: root.cert.Raw}))
	write(t, dir, "crl.pem", root.certPEM(), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte("x")}))
	write(t, dir, "dsa.pem", node.certPEM(), pem.EncodeToMemory(&pem.Block{Type: "DSA PRIVATE KEY", Bytes: []byte("x")}))
	needOpenSSL(t, dir, "pkcs8", "-topk8", "-in", "node.key", "-out", "encrypted8.key", "-passout", "pass:secretword")
	needOpenSSL(t, dir, "ec", "-in", "node.key", "-out", "encrypted1.key", "-aes128", "-passout", "pass:secretword")
	needOpenSSL(t, dir, "ec", "-in", "node.key", "-out", "sec1.key")
	needOpenSSL(t, dir, "ecparam", "-name", "prime256v1", "-genkey", "-out", "params.key")
	needOpenSSL(t, dir, "req", "-new", "-x509", "-key", "params.key", "-subj", "/CN=params", "-days", "99", "-out", "params.pem")
	needOpenSSL(t, dir, "genrsa", "-traditional", "-out", "pkcs1.key", "2048")
	needOpenSSL(t, dir, "req", "-new", "-x509", "-key", "pkcs1.key", "-subj", "/CN=pkcs1", "-days", "99", "-out", "pkcs1.pem")
	needOpenSSL(t, dir, "req", "-new", "-x509", "-key", "pkcs1.key", "-subj", "/CN=negative", "-days", "99", "-set_serial", "-7", "-out", "negative.pem")
	needOpenSSL(t, dir, "req", "-new", "-x509", "-key", "pkcs1.key", "-subj", "/CN=umlaut", "-days", "99", "-addext", "subjectAltName=DNS:m\xc3\xb6we.local", "-out", "umlaut.pem")
	needOpenSSL(t, dir, "req", "-new", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "ed.key", "-subj", "/CN=ed", "-days", "99", "-out", "ed.pem")
	needOpenSSL(t, dir, "req", "-new", "-x509", "-newkey", "rsa:512", "-nodes", "-keyout", "weak.key", "-subj", "/CN=weak", "-days", "99", "-out", "weak.pem")
	if err := os.WriteFile(filepath.Join(dir, "open.key"), node.keyPEM(t), 0o644); err != nil {
		t.Fatal(err)
	}
	hashed := filepath.Join(dir, "hashed")
	if err := os.Mkdir(hashed, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, hashed, "root.pem", root.certPEM())
	write(t, hashed, "README", []byte("not a certificate"))
	write(t, hashed, "bad.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("junk")}))
	if err := os.Symlink("root.pem", filepath.Join(hashed, "1234abcd.0")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "nothing"), 0o700); err != nil {
		t.Fatal(err)
	}

	for _, tc := range []struct {
		name                  string
		ca, capath, cert, key string
		wants                 []string // parts of the error; none: it loads
		warning               string
		anchors, extra        int
	}{
		{name: "nothing"},
		{name: "all three", ca: "ca.pem", cert: "node.pem", key: "node.key", anchors: 1},
		{name: "combined", ca: "ca.pem", cert: "combined.pem", anchors: 1},
		{name: "byte order mark", ca: "ca.pem", cert: "bom.pem", anchors: 1},
		{name: "second key fits", cert: "two-keys.pem"},
		{name: "SEC 1 key", cert: "node.pem", key: "sec1.key"},
		{name: "PKCS#1 key", cert: "pkcs1.pem", key: "pkcs1.key"},
		{name: "EC parameters before the key", cert: "params.pem", key: "params.key"},
		{name: "Ed25519 key", cert: "ed.pem", key: "ed.key"},
		{name: "negative serial number", cert: "negative.pem", key: "pkcs1.key"},
		{name: "intermediate in the certificate file", ca: "ca.pem", cert: "chain.pem", anchors: 1, extra: 1},
		{name: "CA directory", ca: "hashed", cert: "node.pem", key: "node.key", anchors: 1, warning: "skipped"},
		{name: "CA path", capath: "hashed", cert: "node.pem", key: "node.key", anchors: 1, warning: "skipped"},
		{name: "both", ca: "other-ca.pem", capath: "hashed", cert: "node.pem", key: "node.key", anchors: 2, warning: "skipped"},
		{name: "CRL", ca: "crl.pem", anchors: 1, warning: "revocation"},
		{name: "expires soon", ca: "ca.pem", cert: "soon.pem", anchors: 1, warning: "expires in"},
		{name: "open key", cert: "node.pem", key: "open.key", warning: "every user"},
		{name: "intermediate alone as CA", ca: "inter-ca.pem", anchors: 1, warning: "self-signed"},

		{name: "missing CA", ca: "none.pem", wants: []string{"tca=", "/my.cnf:3", "does not exist"}},
		{name: "missing certificate", cert: "none.pem", wants: []string{"tcert=", "/my.cnf:5", "does not exist"}},
		{name: "key as certificate", cert: "node.key", wants: []string{"tcert=", "wanted a certificate"}},
		{name: "missing key", cert: "node.pem", key: "none.pem", wants: []string{"tkey=", "/my.cnf:6", "does not exist"}},
		{name: "empty CA", ca: "empty.pem", wants: []string{"tca=", "the file is empty"}},
		{name: "text CA", ca: "text.pem", wants: []string{"no PEM block"}},
		{name: "DER CA", ca: "der.pem", wants: []string{"DER"}},
		{name: "key as CA", ca: "node.key", wants: []string{"1 PEM blocks, none of this kind"}},
		{name: "broken CA", ca: "broken.pem", wants: []string{"block 1", "cannot be read"}},
		{name: "trusted CA", ca: "trusted.pem", wants: []string{"TRUSTED CERTIFICATE", "openssl x509"}},
		{name: "empty directory", capath: "nothing", wants: []string{"tcapath=", "none of the 0 entries"}},
		{name: "file as directory", capath: "ca.pem", wants: []string{"tcapath=", "wanted a directory"}},
		{name: "key without certificate", key: "node.key", wants: []string{"tkey=", "no certificate"}},
		{name: "no key anywhere", cert: "node.pem", wants: []string{"tcert=", "set tkey"}},
		{name: "certificate as key", cert: "node.pem", key: "ca.pem", wants: []string{"tkey=", "wanted a private key"}},
		{name: "encrypted PKCS#8", cert: "node.pem", key: "encrypted8.key", wants: []string{"encrypted", "openssl pkey"}},
		{name: "encrypted the old way", cert: "node.pem", key: "encrypted1.key", wants: []string{"encrypted", "openssl pkey"}},
		{name: "foreign key", cert: "node.pem", key: "other.key", wants: []string{"does not belong", "node.pem"}},
		{name: "foreign key after parameters", cert: "node.pem", key: "params.key", wants: []string{"does not belong"}},
		{name: "no ASCII in a DNS name", cert: "umlaut.pem", key: "pkcs1.key", wants: []string{"block 1", "cannot be read, issue it again", "SAN dNSName"}},
		{name: "RSA 512 bits", cert: "weak.pem", key: "weak.key", wants: []string{"512"}},
		{name: "reversed chain", cert: "reversed.pem", wants: []string{"certificate number 2", "must be the first"}},
		{name: "curve", cert: "curve.pem", wants: []string{"P-224"}},
		{name: "DSA", cert: "dsa.pem", wants: []string{"DSA PRIVATE KEY"}},
		{name: "expired", cert: "old.pem", wants: []string{"expired on", "renew"}},
		{name: "not yet valid", cert: "young.pem", wants: []string{"not valid before", "clocks"}},
		{name: "other CA", ca: "other-ca.pem", cert: "combined.pem", wants: []string{"does not pass its own CA", `issued by "CN=root"`, "other-ca.pem (from /my.cnf:3 [sst]) nor in tcert;"}},
		{name: "directory as certificate", cert: "hashed", wants: []string{"is a directory"}},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			at := func(option, origin, name string) Source {
				if name == "" {
					return Source{}
				}
				return Source{Option: option, Origin: origin, Path: filepath.Join(dir, name)}
			}
			m, err := Load(Files{
				CA: at("tca", "/my.cnf:3 [sst]", tc.ca), CAPath: at("tcapath", "/my.cnf:4 [sst]", tc.capath),
				Cert: at("tcert", "/my.cnf:5 [sst]", tc.cert), Key: at("tkey", "/my.cnf:6 [sst]", tc.key),
			})
			if len(tc.wants) > 0 {
				if err == nil || m != nil {
					t.Fatalf("loaded %v, want an error with %q", m, tc.wants)
				}
				for _, w := range tc.wants {
					if !strings.Contains(err.Error(), w) {
						t.Errorf("error %q lacks %q", err, w)
					}
				}
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("error has several lines: %q", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(m.Warnings, "\n")
			if tc.warning == "" && all != "" || !strings.Contains(all, tc.warning) {
				t.Errorf("warnings %q, want %q", all, tc.warning)
			}
			if len(m.Anchors) != tc.anchors || len(m.Extra) != tc.extra {
				t.Errorf("%d anchors and %d intermediates, want %d and %d", len(m.Anchors), len(m.Extra), tc.anchors, tc.extra)
			}
			if tc.cert != "" && (m.Leaf == nil || m.Certificate.PrivateKey == nil || len(m.Certificate.Certificate) != 1+tc.extra) {
				t.Errorf("incomplete material: %+v", m)
			}
		})
	}
}

// What a renewal starts from is not judged; what a bundle is made of is only read.
func TestReadWithoutJudging(t *testing.T) {
	dir := t.TempDir()
	old := mint(t, spec{cn: "old", from: time.Now().Add(-48 * time.Hour), to: time.Now().Add(-24 * time.Hour)})
	both := Source{Path: write(t, dir, "old.pem", old.certPEM(), old.keyPEM(t))}
	alone := Source{Path: write(t, dir, "old.crt", old.certPEM(), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte("x")}))}
	m, err := LoadPair(both, Source{})
	if err != nil || !m.Leaf.Equal(old.cert) {
		t.Errorf("an expired pair: %v", err)
	}
	if _, err := LoadPair(alone, Source{}); err == nil || !strings.Contains(err.Error(), "name the file of the key as well") {
		t.Errorf("no key: %v", err)
	}
	for _, tc := range []struct {
		src  Source
		key  bool
		crls int
	}{{both, true, 0}, {alone, false, 1}} {
		b, err := ReadBundle(tc.src)
		if err != nil || len(b.Certificates) != 1 || b.HasKey != tc.key || b.Revocations != tc.crls {
			t.Errorf("%s: %+v, %v", tc.src, b, err)
		}
	}
	if _, err := ReadBundle(Source{Path: write(t, dir, "old.key", old.keyPEM(t))}); err == nil || !strings.Contains(err.Error(), "wanted at least one certificate") {
		t.Errorf("a key alone: %v", err)
	}
}

func TestLoadWrapsSystemErrors(t *testing.T) {
	_, err := Load(Files{CA: Source{Option: "tca", Path: filepath.Join(t.TempDir(), "none")}})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want it to wrap fs.ErrNotExist", err)
	}
}

func TestLoadUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything; needs an ordinary user")
	}
	path := write(t, t.TempDir(), "secret.pem", []byte("x"))
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	_, err := Load(Files{Cert: Source{Option: "tcert", Path: path}})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "may not read") {
		t.Errorf("got %v", err)
	}
}

func TestLoadRefusesHugeFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge.pem")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxFileSize+1); err != nil {
		t.Fatal(err)
	}
	_, err := Load(Files{CA: Source{Option: "tca", Path: path}})
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got %v", err)
	}
}

// Errors and warnings go to logs. Nothing of a key file may appear in them.
func TestLoadNeverShowsKeys(t *testing.T) {
	dir := t.TempDir()
	a, b := mint(t, spec{cn: "a"}), mint(t, spec{cn: "b"})
	key := b.keyPEM(t)
	write(t, dir, "a.pem", a.certPEM())
	write(t, dir, "b.key", key)
	_, err := Load(Files{Cert: Source{Path: dir + "/a.pem"}, Key: Source{Path: dir + "/b.key"}})
	if err == nil {
		t.Fatal("a foreign key was taken")
	}
	for _, line := range strings.Split(string(key), "\n") {
		if len(line) > 8 && !strings.HasPrefix(line, "-") && strings.Contains(err.Error(), line) {
			t.Errorf("the error shows key text: %v", err)
		}
	}
}

func TestEphemeral(t *testing.T) {
	now := time.Now()
	a, err := Ephemeral(now)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Ephemeral(now)
	if err != nil {
		t.Fatal(err)
	}
	if Pin(a.Leaf) == Pin(b.Leaf) {
		t.Error("two ephemeral identities are the same")
	}
	if _, err := (Policy{Level: Exact, Exact: a.Leaf}).Check([]*x509.Certificate{a.Leaf}); err != nil {
		t.Error(err)
	}
	if a.Leaf.Subject.CommonName != "trireme" || !now.Before(a.Leaf.NotAfter) || now.Before(a.Leaf.NotBefore) {
		t.Errorf("subject %v, valid %v to %v", a.Leaf.Subject, a.Leaf.NotBefore, a.Leaf.NotAfter)
	}
	// A key that cannot sign a handshake would show up late: prove it by using it.
	if _, err := tls.X509KeyPair(certsPEM(a.Leaf), (&pair{a.Leaf, a.Certificate.PrivateKey.(*ecdsa.PrivateKey)}).keyPEM(t)); err != nil {
		t.Error(err)
	}
}

func FuzzReadPEM(f *testing.F) {
	p := mint(f, spec{cn: "seed"})
	f.Add(append(p.certPEM(), p.keyPEM(f)...))
	f.Add([]byte("-----BEGIN TRUSTED CERTIFICATE-----\nAA==\n-----END TRUSTED CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAA==\n-----END EC PRIVATE KEY-----\n"))
	f.Add([]byte{0x30, 0x82})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "f.pem")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := Load(Files{CA: Source{Option: "tca", Path: path}, Cert: Source{Option: "tcert", Path: path}})
		if err == nil && (m.Leaf == nil || m.Certificate.PrivateKey == nil) {
			t.Errorf("loaded without certificate or key from %q", text)
		}
	})
}

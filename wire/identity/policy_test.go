package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"
	"time"
)

// verdictCase is one row of the table of certificate rules (sst-options 4). The reference column is what the openssl program
// says, and every row is put to it as well.
type verdictCase struct {
	name    string
	anchors []*x509.Certificate
	peer    []*x509.Certificate
	kind    Kind   // 0: accepted
	text    string // part of the refusal
	warning string // part of a warning
	usage   x509.ExtKeyUsage
	listed  bool
	openssl bool // openssl accepts
	unlike  string
}

func verdictCases(t *testing.T) []verdictCase {
	dir := t.TempDir()
	sign := x509.KeyUsageCertSign
	root := mint(t, spec{cn: "root", ca: true, usage: sign})
	sameName := mint(t, spec{cn: "root", ca: true, usage: sign})
	inter := mint(t, spec{cn: "inter", ca: true, usage: sign, by: root})
	leaf := mint(t, spec{cn: "leaf", by: root})
	deep := mint(t, spec{cn: "deep", by: inter})
	alone := mint(t, spec{cn: "alone", noBasic: true})
	aloneFalse := mint(t, spec{cn: "alone false", usage: x509.KeyUsageDigitalSignature})
	other := mint(t, spec{cn: "other", noBasic: true})
	noBasic := mint(t, spec{cn: "no basic", noBasic: true})
	caFalse := mint(t, spec{cn: "ca false"})
	noSign := mint(t, spec{cn: "no certsign", ca: true, usage: x509.KeyUsageDigitalSignature})
	day := 24 * time.Hour
	oldRoot := mint(t, spec{cn: "old root", ca: true, usage: sign, from: time.Now().Add(-20 * day), to: time.Now().Add(-day)})
	short := mint(t, spec{cn: "short", ca: true, usage: sign, pathLen0: true})
	below := mint(t, spec{cn: "below", ca: true, usage: sign, by: short})

	narrow := mint(t, spec{cn: "narrow", ca: true, usage: sign, within: []string{"db.local"}})
	oid := []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 99999, 1}}
	strange := mint(t, spec{cn: "strange", ca: true, usage: sign, critical: true})
	harbour := mint(t, spec{cn: "Root", org: "harbour", ca: true, usage: sign})
	successor := mint(t, spec{cn: "successor", ca: true, usage: sign})
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	again := mint(t, spec{cn: "alone", noBasic: true})

	// Forms that crypto/x509 does not write come from the openssl program.
	needOpenSSL(t, dir, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "sha1.key", "-out", "sha1.pem", "-subj", "/CN=sha1 root", "-sha1", "-days", "30")
	needOpenSSL(t, dir, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "n.key", "-out", "n.csr", "-subj", "/CN=n")
	needOpenSSL(t, dir, "x509", "-req", "-in", "n.csr", "-CA", "sha1.pem", "-CAkey", "sha1.key", "-set_serial", "7", "-sha1", "-out", "n-sha1.pem", "-days", "30")
	needOpenSSL(t, dir, "x509", "-req", "-in", "n.csr", "-CA", "sha1.pem", "-CAkey", "sha1.key", "-set_serial", "-5", "-sha256", "-out", "n-negative.pem", "-days", "30")
	needOpenSSL(t, dir, "x509", "-req", "-in", "n.csr", "-CA", "sha1.pem", "-CAkey", "sha1.key", "-set_serial", "8", "-md5", "-out", "n-md5.pem", "-days", "30")
	// Without an extension file x509 -req writes version 1, which is how the old recipes made their roots.
	needOpenSSL(t, dir, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "v1.key", "-out", "v1.csr", "-subj", "/CN=v1 root")
	needOpenSSL(t, dir, "x509", "-req", "-in", "v1.csr", "-signkey", "v1.key", "-out", "v1.pem", "-days", "30")
	needOpenSSL(t, dir, "x509", "-req", "-in", "n.csr", "-CA", "v1.pem", "-CAkey", "v1.key", "-set_serial", "9", "-out", "n-v1.pem", "-days", "30")
	needOpenSSL(t, dir, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "trap.key", "-out", "trap.csr", "-subj", "/CN=v1 root")
	needOpenSSL(t, dir, "x509", "-req", "-in", "trap.csr", "-CA", "v1.pem", "-CAkey", "v1.key", "-set_serial", "11", "-out", "trap.pem", "-days", "30")
	needOpenSSL(t, dir, "genrsa", "-out", "weak.key", "512")
	needOpenSSL(t, dir, "req", "-x509", "-key", "weak.key", "-out", "weak.pem", "-subj", "/CN=weak", "-days", "30")
	get := func(name string) *x509.Certificate { return readCert(t, dir+"/"+name) }
	v1, sha1Root := get("v1.pem"), get("sha1.pem")
	if v1.Version != 1 {
		t.Fatalf("the openssl program wrote version %d where version 1 was wanted", v1.Version)
	}
	rsa1024, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	small := mint(t, spec{cn: "small", key: rsa1024})
	certs := func(p ...*pair) []*x509.Certificate {
		var out []*x509.Certificate
		for _, x := range p {
			out = append(out, x.cert)
		}
		return out
	}
	one := func(c ...*x509.Certificate) []*x509.Certificate { return c }

	return []verdictCase{
		{name: "leaf below root", anchors: certs(root), peer: certs(leaf), openssl: true},
		{name: "self-signed leaf without basic constraints, listed", anchors: certs(alone), peer: certs(alone), openssl: true},
		{name: "self-signed leaf with CA:FALSE, listed", anchors: certs(aloneFalse), peer: certs(aloneFalse), openssl: true},
		{name: "bundle of self-signed leaves", anchors: certs(other, alone), peer: certs(alone), openssl: true},
		{name: "self-signed leaf, not listed", anchors: certs(other), peer: certs(alone), kind: Untrusted, text: "is self-signed and not listed"},
		{name: "root without basic constraints", anchors: certs(noBasic), peer: certs(mint(t, spec{cn: "x", by: noBasic})), kind: Untrusted, text: "no basic constraints"},
		{name: "root with CA:FALSE", anchors: certs(caFalse), peer: certs(mint(t, spec{cn: "x", by: caFalse})), kind: Untrusted, text: "CA:FALSE"},
		{name: "root that may not sign", anchors: certs(noSign), peer: certs(mint(t, spec{cn: "x", by: noSign})), kind: Untrusted, text: "key usage"},
		{name: "version 1 root", anchors: one(v1), peer: one(get("n-v1.pem")), openssl: true},
		{name: "only the intermediate is trusted", anchors: certs(inter), peer: certs(deep), kind: Untrusted, text: `issued by "CN=root"`},
		{name: "leaf that is not self-signed, listed", anchors: certs(leaf), peer: certs(leaf), kind: Untrusted, text: "listed in"},
		{name: "the same with listed ones accepted", anchors: certs(leaf), peer: certs(leaf), listed: true, openssl: false, unlike: "the reading of stunnel's verifyPeer"},
		{name: "intermediate missing", anchors: certs(root), peer: certs(deep), kind: Untrusted, text: `issued by "CN=inter"`},
		{name: "intermediate sent", anchors: certs(root), peer: certs(deep, inter), openssl: true},
		{name: "intermediate in the CA file", anchors: certs(root, inter), peer: certs(deep), openssl: true},
		{name: "order of the bundle does not matter", anchors: certs(inter, other, root), peer: certs(deep), openssl: true},
		{name: "path too long", anchors: certs(short), peer: certs(mint(t, spec{cn: "x", by: below}), below), kind: Untrusted, text: "path length"},
		{name: "expired", anchors: certs(root), peer: certs(mint(t, spec{cn: "x", by: root, from: time.Now().Add(-9 * day), to: time.Now().Add(-day)})), kind: Expired, text: "expired on"},
		{name: "not yet valid", anchors: certs(root), peer: certs(mint(t, spec{cn: "x", by: root, from: time.Now().Add(day)})), kind: NotYetValid, text: "not valid before"},
		{name: "expired and listed", anchors: certs(oldRoot), peer: certs(oldRoot), kind: Expired, text: "expired on"},
		{name: "expired root", anchors: certs(oldRoot), peer: certs(mint(t, spec{cn: "x", by: oldRoot})), kind: Expired, text: `the CA certificate "CN=old root" expired`},
		{name: "another root of the same name", anchors: certs(sameName), peer: certs(leaf), kind: Untrusted, text: "another CA with the same name"},
		{name: "both roots of the same name", anchors: certs(sameName, root), peer: certs(leaf), openssl: true},
		{name: "another root", anchors: certs(other), peer: certs(leaf), kind: Untrusted, text: "neither in"},
		{name: "client authentication only, as a server", anchors: certs(root), peer: certs(mint(t, spec{cn: "x", by: root, ext: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})), usage: x509.ExtKeyUsageServerAuth, warning: "not made for server", openssl: true},
		{name: "server authentication only, as a client", anchors: certs(root), peer: certs(mint(t, spec{cn: "x", by: root, ext: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})), usage: x509.ExtKeyUsageClientAuth, warning: "not made for client", openssl: true},
		{name: "SHA-1 signature", anchors: one(sha1Root), peer: one(get("n-sha1.pem")), kind: BadSignatureAlg, text: "SHA1", openssl: true, unlike: "depends on the security level, and verify has none"},
		{name: "MD5 signature", anchors: one(sha1Root), peer: one(get("n-md5.pem")), kind: BadSignatureAlg, text: "MD5", openssl: true, unlike: "as with SHA-1"},
		{name: "SHA-1 root, SHA-256 leaf with negative serial", anchors: one(sha1Root), peer: one(get("n-negative.pem")), openssl: true},
		{name: "SHA-1 self-signed, listed", anchors: one(sha1Root), peer: one(sha1Root), openssl: true},
		{name: "RSA 512 bits", anchors: one(get("weak.pem")), peer: one(get("weak.pem")), kind: WeakKey, text: "512 bits", openssl: true, unlike: "verify has no security level"},
		{name: "RSA 1024 bits", anchors: certs(small), peer: certs(small), warning: "1024 bits", openssl: true},
		{name: "node with the subject of its CA", anchors: one(v1), peer: one(get("trap.pem")), warning: "same subject", openssl: false, unlike: "the signature is good, only the name confuses"},
		{name: "node with the subject of its CA, told apart by key identifiers", anchors: certs(root), peer: certs(mint(t, spec{cn: "root", by: root, akid: true, skid: true})), warning: "only their key identifiers", openssl: true},
		{name: "node with the subject of its CA, no identifier of its own key", anchors: certs(root), peer: certs(mint(t, spec{cn: "root", by: root, akid: true})), warning: "take it for self-signed", unlike: "the signature is good, only the name confuses"},
		{name: "node with the common name of its CA", anchors: certs(harbour), peer: certs(mint(t, spec{cn: "ROOT", by: harbour})), warning: "has the common name", openssl: true},
		{name: "self-signed leaf, an older one of the same name listed", anchors: certs(again), peer: certs(alone), kind: Untrusted, text: "is self-signed and not listed"},
		{name: "name within the constraints of the CA", anchors: certs(narrow), peer: certs(mint(t, spec{cn: "x", by: narrow, dns: []string{"n1.db.local"}})), openssl: true},
		{name: "name outside the constraints of the CA", anchors: certs(narrow), peer: certs(mint(t, spec{cn: "x", by: narrow, dns: []string{"n1.example.org"}})), kind: Untrusted, text: "name constraints of its CA do not allow"},
		{name: "common name outside the constraints of the CA", anchors: certs(narrow), peer: certs(mint(t, spec{cn: "n1.example.org", by: narrow})), unlike: "counts where names are compared, see TestPolicyNameConstraints"},
		{name: "certificate policies", anchors: certs(root), peer: certs(mint(t, spec{cn: "x", by: root, policies: oid})), openssl: true},
		{name: "unknown critical extension in the leaf", anchors: certs(root), peer: certs(mint(t, spec{cn: "x", by: root, critical: true})), kind: Untrusted, text: "critical extension"},
		{name: "unknown critical extension in the root", anchors: certs(strange), peer: certs(mint(t, spec{cn: "x", by: strange})), kind: Untrusted, text: "critical extension"},
		{name: "old and new CA in one file, old node", anchors: certs(successor, root), peer: certs(leaf), openssl: true},
		{name: "old and new CA in one file, new node", anchors: certs(root, successor), peer: certs(mint(t, spec{cn: "x", by: successor})), openssl: true},
		{name: "new CA alone, old node", anchors: certs(successor), peer: certs(leaf), kind: Untrusted, text: `issued by "CN=root"`},
		{name: "Ed25519", anchors: certs(root), peer: certs(mint(t, spec{cn: "x", by: root, key: edKey})), openssl: true},
		{name: "no certificate", anchors: certs(root), peer: nil, kind: NoCertificate, text: "no certificate"},
		{name: "no anchors", anchors: nil, peer: certs(leaf), kind: NoAnchors, text: "no CA certificate is configured"},
		{name: "too many certificates", anchors: certs(root), peer: append(certs(leaf), make([]*x509.Certificate, maxChain)...), kind: Untrusted, text: "at most 16"},
	}
}

func TestPolicyTable(t *testing.T) {
	for _, tc := range verdictCases(t) {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			p := Policy{Level: Chain, Anchors: tc.anchors, AnchorsFrom: "tca=ca.pem", Usage: tc.usage, AcceptListed: tc.listed}
			warnings, err := p.Check(tc.peer)
			wantVerdict(t, tc, warnings, err)
			if len(tc.anchors) == 0 || len(tc.peer) == 0 || len(tc.peer) > maxChain {
				return
			}
			theirs := opensslAccepts(t, tc.anchors, tc.peer)
			if theirs != tc.openssl {
				t.Errorf("openssl accepts: %v, the table says %v", theirs, tc.openssl)
			}
			if ours := tc.kind == 0; ours != theirs && tc.unlike == "" {
				t.Errorf("we accept: %v, openssl: %v, and no reason is written down", ours, theirs)
			}
		})
	}
}

func wantVerdict(t *testing.T, tc verdictCase, warnings []string, err error) {
	t.Helper()
	var ce *CheckError
	switch {
	case tc.kind == 0 && err != nil:
		t.Fatalf("refused: %v", err)
	case tc.kind != 0 && err == nil:
		t.Fatal("accepted")
	case tc.kind != 0 && !errors.As(err, &ce):
		t.Fatalf("error %T is no CheckError", err)
	case tc.kind != 0 && (ce.Kind != tc.kind || !strings.Contains(ce.Text, tc.text)):
		t.Errorf("refused as %v: %v; want kind %v and text %q", ce.Kind, err, tc.kind, tc.text)
	case tc.kind != 0 && ce.Hint == "":
		t.Errorf("no hint with: %v", err)
	}
	if all := strings.Join(warnings, "\n"); tc.warning != "" && !strings.Contains(all, tc.warning) || tc.warning == "" && all != "" {
		t.Errorf("warnings %q, want %q", all, tc.warning)
	}
}

func opensslAccepts(t *testing.T, anchors, peer []*x509.Certificate) bool {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "ca.pem", certsPEM(anchors...))
	write(t, dir, "leaf.pem", certsPEM(peer[0]))
	args := []string{"verify", "-no-CApath", "-no-CAstore", "-CAfile", "ca.pem"}
	if len(peer) > 1 {
		write(t, dir, "sent.pem", certsPEM(peer[1:]...))
		args = append(args, "-untrusted", "sent.pem")
	}
	_, err := openssl(t, dir, append(args, "leaf.pem")...)
	return err == nil
}

func TestPolicyExact(t *testing.T) {
	a, b := mint(t, spec{cn: "a"}), mint(t, spec{cn: "b"})
	old := mint(t, spec{cn: "old", from: time.Now().Add(-48 * time.Hour), to: time.Now().Add(-24 * time.Hour)})
	for _, tc := range []verdictCase{
		{name: "same", anchors: []*x509.Certificate{a.cert}, peer: []*x509.Certificate{a.cert}},
		{name: "another", anchors: []*x509.Certificate{a.cert}, peer: []*x509.Certificate{b.cert}, kind: WrongCertificate, text: "SHA-256"},
		{name: "same but second", anchors: []*x509.Certificate{a.cert}, peer: []*x509.Certificate{b.cert, a.cert}, kind: WrongCertificate, text: "SHA-256"},
		{name: "expired", anchors: []*x509.Certificate{old.cert}, peer: []*x509.Certificate{old.cert}, warning: "accepted because it is pinned"},
		{name: "none", anchors: []*x509.Certificate{a.cert}, kind: NoCertificate, text: "no certificate"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			warnings, err := Policy{Level: Exact, Exact: tc.anchors[0]}.Check(tc.peer)
			wantVerdict(t, tc, warnings, err)
		})
	}
	if _, err := (Policy{}).Check(nil); err != nil {
		t.Errorf("a policy that asks for nothing: %v", err)
	}
}

func TestPolicyNames(t *testing.T) {
	root := mint(t, spec{cn: "root", ca: true, usage: x509.KeyUsageCertSign})
	for _, tc := range []struct {
		name    string
		cert    spec
		want    string
		ok      bool
		warning string
		unlike  string
	}{
		{name: "DNS name", cert: spec{cn: "x", dns: []string{"n1.db.local"}}, want: "n1.db.local", ok: true},
		{name: "case and dot", cert: spec{cn: "x", dns: []string{"N1.db.Local"}}, want: "n1.DB.local.", ok: true, unlike: "openssl takes no final dot"},
		{name: "common name, no SAN", cert: spec{cn: "n1.db.local"}, want: "n1.db.local", ok: true},
		{name: "common name, but SAN present", cert: spec{cn: "n1.db.local", dns: []string{"other.db.local"}}, want: "n1.db.local"},
		{name: "address", cert: spec{cn: "x", ips: []string{"10.0.0.1"}}, want: "10.0.0.1", ok: true},
		{name: "v6 address, bracketed", cert: spec{cn: "x", ips: []string{"2001:db8::1"}}, want: "[2001:db8:0::1]", ok: true, unlike: "openssl takes no brackets"},
		{name: "mapped address", cert: spec{cn: "x", ips: []string{"10.0.0.1"}}, want: "::ffff:10.0.0.1", ok: true, unlike: "openssl compares bytes"},
		{name: "other address", cert: spec{cn: "x", ips: []string{"10.0.0.1"}}, want: "10.0.0.2"},
		{name: "address in the common name", cert: spec{cn: "10.0.0.1"}, want: "10.0.0.1", ok: true, warning: "common name", unlike: "socat takes it"},
		{name: "address in a DNS name", cert: spec{cn: "x", dns: []string{"10.0.0.1"}}, want: "10.0.0.1", ok: true, warning: "DNS name", unlike: "stunnel takes it"},
		{name: "wildcard", cert: spec{cn: "x", dns: []string{"*.db.local"}}, want: "n1.db.local", ok: true},
		{name: "wildcard, two labels", cert: spec{cn: "x", dns: []string{"*.db.local"}}, want: "a.n1.db.local"},
		{name: "wildcard, no label", cert: spec{cn: "x", dns: []string{"*.db.local"}}, want: "db.local"},
		{name: "wildcard over everything", cert: spec{cn: "x", dns: []string{"*.local"}}, want: "n1.local"},
		{name: "star alone", cert: spec{cn: "x", dns: []string{"*"}}, want: "n1"},
		{name: "star in the middle", cert: spec{cn: "x", dns: []string{"n1.*.local"}}, want: "n1.db.local"},
		{name: "partial star", cert: spec{cn: "x", dns: []string{"n*.db.local"}}, want: "n1.db.local", unlike: "stricter here, as in crypto/x509"},
		{name: "underscore", cert: spec{cn: "x", dns: []string{"db_1.local.net"}}, want: "db_1.local.net", ok: true},
		{name: "wildcard in the common name", cert: spec{cn: "*.db.local"}, want: "n1.db.local", ok: true},
		{name: "wildcard in the common name over everything", cert: spec{cn: "*.local"}, want: "n1.local"},
		{name: "underscore in the common name", cert: spec{cn: "db_1.local"}, want: "db_1.local", ok: true},
		{name: "common name, SAN is an e-mail address", cert: spec{cn: "n1.db.local", email: "dba@example.org"}, want: "n1.db.local", ok: true},
		{name: "common name, SAN has addresses only", cert: spec{cn: "n1.db.local", ips: []string{"10.0.0.1"}}, want: "n1.db.local", unlike: "openssl falls back for each kind of name, here any SAN ends the common name's time"},
		{name: "address in the common name, SAN has names only", cert: spec{cn: "10.0.0.1", dns: []string{"n1.db.local"}}, want: "10.0.0.1"},
		{name: "v6 address in the common name", cert: spec{cn: "2001:db8::1"}, want: "2001:db8::1", ok: true, warning: "common name", unlike: "socat takes it"},
		{name: "address, wildcard", cert: spec{cn: "x", dns: []string{"*.0.0.1"}}, want: "10.0.0.1"},
		{name: "blank in the common name", cert: spec{cn: "node 1"}, want: "node 1", ok: true, unlike: "no host has such a name, but commonname= may"},
		{name: "no name", cert: spec{}, want: "n1"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			s := tc.cert
			s.by = root
			leaf := mint(t, s)
			p := Policy{Level: ChainAndName, Names: []string{"unrelated", tc.want}, NamesFrom: "the address", Anchors: []*x509.Certificate{root.cert}}
			warnings, err := p.Check([]*x509.Certificate{leaf.cert})
			v := verdictCase{warning: tc.warning}
			if !tc.ok {
				v.kind, v.text = WrongName, "the address"
			}
			wantVerdict(t, v, warnings, err)
			theirs := opensslNames(t, root.cert, []*x509.Certificate{leaf.cert}, tc.want)
			if theirs != tc.ok && tc.unlike == "" {
				t.Errorf("we accept: %v, openssl: %v, and no reason is written down", tc.ok, theirs)
			}
		})
	}
}

// A CA with name constraints vouches for nothing outside them, in whatever part of a certificate the name stands.
func TestPolicyNameConstraints(t *testing.T) {
	sign := x509.KeyUsageCertSign
	root := mint(t, spec{cn: "root", ca: true, usage: sign})
	for _, tc := range []struct {
		name            string
		within, without []string // constraints
		cert            spec
		want            string
		ok              bool
		warning         string
		unlike          string
	}{
		{name: "common name", within: []string{"db.local"}, cert: spec{cn: "n1.db.local"}, want: "n1.DB.local.", ok: true, unlike: "openssl takes no final dot"},
		{name: "common name, the domain itself", within: []string{"db.local"}, cert: spec{cn: "db.local"}, want: "db.local", ok: true},
		{name: "common name, the domain itself, not below", within: []string{".db.local"}, cert: spec{cn: "db.local"}, want: "db.local"},
		{name: "common name, below", within: []string{".DB.local"}, cert: spec{cn: "n1.db.local"}, want: "n1.db.local", ok: true},
		{name: "common name, one of two domains", within: []string{"elsewhere", "db.local"}, cert: spec{cn: "n1.db.local"}, want: "n1.db.local", ok: true},
		{name: "common name outside", within: []string{"db.local"}, cert: spec{cn: "db1.elsewhere"}, want: "db1.elsewhere"},
		{name: "common name outside, same ending", within: []string{"db.local"}, cert: spec{cn: "n1.otherdb.local"}, want: "n1.otherdb.local"},
		{name: "common name of one label", within: []string{"db.local"}, cert: spec{cn: "db1"}, want: "db1", unlike: "openssl does not take it for a host name"},
		{name: "wildcard in the common name", within: []string{"db.local"}, cert: spec{cn: "*.db.local"}, want: "n1.db.local", ok: true},
		{name: "wildcard in the common name outside", within: []string{"db.local"}, cert: spec{cn: "*.other.local"}, want: "n1.other.local", unlike: "openssl does not take it for a host name"},
		{name: "common name excluded", without: []string{"db.local"}, cert: spec{cn: "n1.db.local"}, want: "n1.db.local"},
		{name: "common name not excluded", without: []string{"db.local"}, cert: spec{cn: "n1.other.local"}, want: "n1.other.local", ok: true},
		{name: "common name, everything permitted", within: []string{""}, cert: spec{cn: "n1.db.local"}, want: "n1.db.local", ok: true},
		{name: "common name, everything excluded", without: []string{""}, cert: spec{cn: "n1.db.local"}, want: "n1.db.local"},
		{name: "common name, networks alone", within: []string{"10.0.0.0/8"}, cert: spec{cn: "n1.db.local"}, want: "n1.db.local", ok: true},
		{name: "common name outside, SAN is an e-mail address", within: []string{"db.local"}, cert: spec{cn: "db1.elsewhere", email: "dba@example.org"}, want: "db1.elsewhere"},
		{name: "address in the common name", within: []string{"10.0.0.0/8"}, cert: spec{cn: "10.0.0.1"}, want: "10.0.0.1", ok: true, warning: "common name", unlike: "socat takes it"},
		{name: "address in the common name outside", within: []string{"10.0.0.0/8"}, cert: spec{cn: "192.168.0.1"}, want: "192.168.0.1"},
		{name: "v6 address in the common name, v4 networks", within: []string{"10.0.0.0/8"}, cert: spec{cn: "2001:db8::1"}, want: "[2001:db8::1]"},
		{name: "address in the common name excluded", without: []string{"2001:db8::/32"}, cert: spec{cn: "2001:db8::1"}, want: "2001:db8::1"},
		{name: "address in a DNS name outside", within: []string{"10.0.0.0/8"}, cert: spec{cn: "x", dns: []string{"192.168.0.1"}}, want: "192.168.0.1"},
		{name: "address, domains alone", within: []string{"db.local"}, cert: spec{cn: "x", ips: []string{"10.0.0.1"}}, want: "10.0.0.1", ok: true},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			sub := mint(t, spec{cn: "sub", ca: true, usage: sign, by: root, within: tc.within, without: tc.without})
			s := tc.cert
			s.by = sub
			peer := []*x509.Certificate{mint(t, s).cert, sub.cert}
			warnings, err := Policy{Level: ChainAndName, Names: []string{"unrelated", tc.want}, Anchors: []*x509.Certificate{root.cert}}.Check(peer)
			v := verdictCase{warning: tc.warning}
			if !tc.ok {
				v.kind, v.text = Untrusted, "constraints of its CA do not allow: "+tc.want
			}
			wantVerdict(t, v, warnings, err)
			if theirs := opensslNames(t, root.cert, peer, tc.want); theirs != tc.ok && tc.unlike == "" {
				t.Errorf("we accept: %v, openssl: %v, and no reason is written down", tc.ok, theirs)
			}
		})
	}
}

// A name that the CA may not give is no reason to refuse another one that it may.
func TestPolicyNameConstraintsLeaveOtherNames(t *testing.T) {
	narrow := mint(t, spec{cn: "narrow", ca: true, usage: x509.KeyUsageCertSign, within: []string{"a.db.local"}})
	leaf := mint(t, spec{cn: "*.db.local", by: narrow})
	for want, ok := range map[string]bool{"a.db.local": true, "b.db.local": false} {
		_, err := Policy{Level: ChainAndName, Names: []string{"c.db.local", want}, Anchors: []*x509.Certificate{narrow.cert}}.Check([]*x509.Certificate{leaf.cert})
		if (err == nil) != ok {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// A listed certificate has no chain that could constrain its name.
func TestPolicyNameOfListed(t *testing.T) {
	alone := mint(t, spec{cn: "n1.db.local", noBasic: true})
	for want, ok := range map[string]bool{"n1.db.local": true, "n2.db.local": false} {
		_, err := Policy{Level: ChainAndName, Names: []string{want}, Anchors: []*x509.Certificate{alone.cert}}.Check([]*x509.Certificate{alone.cert})
		if (err == nil) != ok {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func opensslNames(t *testing.T, root *x509.Certificate, peer []*x509.Certificate, want string) bool {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "ca.pem", certsPEM(root))
	write(t, dir, "leaf.pem", certsPEM(peer...))
	flag := "-verify_hostname"
	if strings.Count(want, ".") == 3 && strings.Trim(want, "0123456789.") == "" || strings.Contains(want, ":") {
		flag = "-verify_ip"
	}
	_, err := openssl(t, dir, "verify", "-no-CApath", "-no-CAstore", "-CAfile", "ca.pem", "-untrusted", "leaf.pem", flag, want, "leaf.pem")
	return err == nil
}

// Whatever the system trusts is nothing to a cluster: with no anchor that fits there is no trust.
func TestSystemStoreIsNeverAsked(t *testing.T) {
	root := mint(t, spec{cn: "public root", ca: true, usage: x509.KeyUsageCertSign})
	other := mint(t, spec{cn: "other", ca: true, usage: x509.KeyUsageCertSign})
	leaf := mint(t, spec{cn: "leaf", by: root})
	dir := t.TempDir()
	t.Setenv("SSL_CERT_FILE", write(t, dir, "system.pem", root.certPEM()))
	t.Setenv("SSL_CERT_DIR", dir)
	if _, err := leaf.cert.Verify(x509.VerifyOptions{KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Fatalf("the system store of this test is meant to trust the leaf: %v", err)
	}
	for want, anchors := range map[Kind][]*x509.Certificate{NoAnchors: nil, Untrusted: {other.cert}} {
		_, err := Policy{Level: Chain, Anchors: anchors}.Check([]*x509.Certificate{leaf.cert})
		var ce *CheckError
		if !errors.As(err, &ce) || ce.Kind != want {
			t.Errorf("with %d anchors: %v, want %v", len(anchors), err, want)
		}
	}
}

// A peer writes its own names. None of them may start a new line in the log.
func TestRefusalTextIsOneLine(t *testing.T) {
	root := mint(t, spec{cn: "root", ca: true, usage: x509.KeyUsageCertSign})
	evil := mint(t, spec{cn: "a\nb\x1b[31m", by: root})
	_, err := Policy{Level: ChainAndName, Names: []string{"n"}, Anchors: []*x509.Certificate{root.cert}}.Check([]*x509.Certificate{evil.cert})
	if err == nil || strings.ContainsAny(err.Error(), "\n\x1b") {
		t.Errorf("got %q", err)
	}
}

func TestCheckUsesGivenClock(t *testing.T) {
	root := mint(t, spec{cn: "root", ca: true, usage: x509.KeyUsageCertSign})
	leaf := mint(t, spec{cn: "leaf", by: root})
	later := func() time.Time { return time.Now().Add(100 * 365 * 24 * time.Hour) }
	_, err := Policy{Level: Chain, Anchors: []*x509.Certificate{root.cert}, Now: later}.Check([]*x509.Certificate{leaf.cert})
	var ce *CheckError
	if !errors.As(err, &ce) || ce.Kind != Expired {
		t.Errorf("got %v, want an expired certificate", err)
	}
}

func TestKindNames(t *testing.T) {
	for k := NoCertificate; k <= NoAnchors; k++ {
		if k.String() == Kind(0).String() {
			t.Errorf("kind %d has no name", k)
		}
	}
}

package wire

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"trireme/wire/identity"
	"trireme/wire/record"
)

// papers are certificate files as the recipes make them, by openssl: ca.pem, and for each name NAME.pem with certificate and key.
type papers struct {
	testing.TB
	dir string
}

func newPapers(t testing.TB) *papers {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("the openssl program is not installed; it is the peer of this test")
	}
	p := &papers{t, t.TempDir()}
	p.root("ca")
	p.root("other")
	p.issue("inter", "ca", "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign")
	return p
}

func (p *papers) path(name string) string { return filepath.Join(p.dir, name) }

func (p *papers) openssl(args ...string) {
	p.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = p.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		p.Fatalf("openssl %q: %v\n%s", args, err, out)
	}
}

func (p *papers) root(name string) {
	p.Helper()
	p.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "99", "-subj", "/CN="+name, "-keyout", name+".key", "-out", name+".pem")
}

// issue makes NAME.pem with a certificate of common name NAME. ext are lines of an extension file; none makes a certificate of
// version 1, as the old recipes do.
func (p *papers) issue(name, by, ext string, more ...string) {
	p.Helper()
	p.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN="+name, "-keyout", name+".key", "-out", name+".csr")
	args := []string{"x509", "-req", "-in", name + ".csr", "-CA", by + ".pem", "-CAkey", by + ".key", "-CAcreateserial", "-out", name + ".pem"}
	if ext != "" {
		if err := os.WriteFile(p.path(name+".ext"), []byte(ext), 0o600); err != nil {
			p.Fatal(err)
		}
		args = append(args, "-extfile", name+".ext")
	}
	p.openssl(append(args, more...)...)
	key, err := os.ReadFile(p.path(name + ".key"))
	if err != nil {
		p.Fatal(err)
	}
	f, err := os.OpenFile(p.path(name+".pem"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		p.Fatal(err)
	}
	_, err = f.Write(key)
	if err := errors.Join(err, f.Close()); err != nil {
		p.Fatal(err)
	}
}

// load reads a pair without judging it.
func (p *papers) load(name string) *identity.Material {
	p.Helper()
	m, err := identity.LoadPair(identity.Source{Path: p.path(name + ".pem")}, identity.Source{})
	if err != nil {
		p.Fatal(err)
	}
	return m
}

func (p *papers) policy(level identity.Level, ca string, names ...string) identity.Policy {
	p.Helper()
	b, err := identity.ReadBundle(identity.Source{Path: p.path(ca + ".pem")})
	if err != nil {
		p.Fatal(err)
	}
	return identity.Policy{Level: level, Anchors: b.Certificates, AnchorsFrom: ca + ".pem", Names: names, NamesFrom: "the address"}
}

// verdictIs compares what the policy said with what a test wants.
func verdictIs(t *testing.T, o *objection, warnings []string, kind identity.Kind, text string) {
	t.Helper()
	var ce *identity.CheckError
	switch {
	case kind == 0 && o != nil:
		t.Errorf("refused: %v", o.err)
	case kind == 0 && !strings.Contains(strings.Join(warnings, "\n"), text), kind == 0 && text == "" && len(warnings) > 0:
		t.Errorf("warnings %q, want %q", warnings, text)
	case kind != 0 && o == nil:
		t.Error("accepted")
	case kind != 0 && (!errors.As(o.err, &ce) || ce.Kind != kind || !strings.Contains(o.text, text)):
		t.Errorf("refused with %v, want %v and %q", o.err, kind, text)
	}
}

// TestOpenSSLClient has s_client knock at our listener with all kinds of certificates, and verify ours as strictly as it can.
func TestOpenSSLClient(t *testing.T) {
	p := newPapers(t)
	p.issue("joiner", "ca", "subjectAltName=DNS:n2.db.local")
	p.issue("donor", "ca", "")
	p.issue("deep", "inter", "basicConstraints=CA:FALSE")
	p.issue("alien", "other", "")
	p.issue("expired", "ca", "", "-days", "-1")
	p.issue("server", "ca", "extendedKeyUsage=serverAuth")
	p.root("alone")
	p.openssl("req", "-x509", "-key", "alone.key", "-days", "99", "-subj", "/CN=alone", "-out", "alone.pem")
	p.openssl("x509", "-in", "inter.pem", "-out", "chain.pem")
	for _, tc := range []struct {
		name, cert, ca string
		args           []string
		kind           identity.Kind
		text           string
	}{
		{name: "issued by the CA, version 1", cert: "donor.pem", ca: "ca"},
		{name: "no certificate", ca: "ca", kind: identity.NoCertificate, text: "showed no certificate"},
		{name: "intermediate sent along", cert: "deep.pem", args: []string{"-cert_chain", "chain.pem"}, ca: "ca"},
		{name: "intermediate missing", cert: "deep.pem", ca: "ca", kind: identity.Untrusted, text: `issued by "CN=inter"`},
		{name: "another CA", cert: "alien.pem", ca: "ca", kind: identity.Untrusted, text: `issued by "CN=other"`},
		{name: "expired", cert: "expired.pem", ca: "ca", kind: identity.Expired, text: "clock of this host"},
		{name: "for servers only", cert: "server.pem", ca: "ca", text: "not made for client authentication"},
		{name: "self-signed, listed", cert: "alone.pem", args: []string{"-key", "alone.key"}, ca: "alone"},
		{name: "self-signed, not listed", cert: "alone.pem", args: []string{"-key", "alone.key"}, ca: "ca", kind: identity.Untrusted, text: "self-signed and not listed"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			c := config(t)
			c.Material, c.Policy = p.load("joiner"), p.policy(identity.Chain, tc.ca)
			l := listen(t, c)
			// A second door with the listener's own settings: behind it the peer is judged without a nonce, which s_client does not know.
			door, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer door.Close()
			args := []string{"s_client", "-connect", door.Addr().String(), "-alpn", alpn, "-CAfile", "ca.pem", "-verify_return_error", "-verify_hostname", "n2.db.local", "-servername", "n2.db.local"}
			if tc.cert != "" {
				args = append(args, "-cert", tc.cert)
			}
			ctx, cancel := context.WithTimeout(testContext(t), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, "openssl", append(args, tc.args...)...)
			cmd.Dir = p.dir
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			stdin, err := cmd.StdinPipe() // its end would end s_client before we have looked
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ch, err := knock(ctx, door, l)
			if err != nil {
				cancel()
				_ = cmd.Wait() // the other end has the news
				t.Fatalf("%v; s_client: %s", err, &said)
			}
			warnings, o := ch.judge(c.Policy, x509.ExtKeyUsageClientAuth)
			verdictIs(t, o, warnings, tc.kind, tc.text)
			// Closing in good order lets s_client have its say about our certificate.
			if err := errors.Join(ch.stream.Close(), stdin.Close()); err != nil {
				t.Error(err)
			}
			err = cmd.Wait()
			if text := said.String(); err != nil || !strings.Contains(text, "Verify return code: 0 (ok)") || !strings.Contains(text, "TLSv1.3") {
				t.Errorf("s_client ended with %v and said:\n%s", err, text)
			}
		})
	}
}

// knock takes one connection through TLS as a Listener does.
func knock(ctx context.Context, door net.Listener, l *Listener) (*channel, error) {
	stop := context.AfterFunc(ctx, func() { _ = door.Close() })
	defer stop()
	nc, err := door.Accept()
	if err != nil {
		return nil, err
	}
	s := newSocket(nc)
	tc := record.Server(s, l.tls)
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = tc.Close() // the handshake failed; that is the news
		return nil, err
	}
	return tlsChannel(s, tc)
}

var accepting = regexp.MustCompile(`^ACCEPT (\S+)`)

// TestOpenSSLServer lets our dialler meet s_server, which demands a certificate of us, up to where the preface would start.
func TestOpenSSLServer(t *testing.T) {
	p := newPapers(t)
	p.issue("joiner", "ca", "subjectAltName=DNS:n2.db.local,IP:127.0.0.1")
	p.issue("n3.db.local", "ca", "")
	p.issue("donor", "ca", "subjectAltName=DNS:n1.db.local")
	p.issue("donor-deep", "inter", "basicConstraints=CA:FALSE")
	p.issue("donor-server", "ca", "extendedKeyUsage=serverAuth")
	p.issue("deep", "inter", "subjectAltName=DNS:n2.db.local")
	p.issue("alien", "other", "subjectAltName=DNS:n2.db.local")
	p.issue("expired", "ca", "subjectAltName=DNS:n2.db.local", "-days", "-1")
	p.issue("client", "ca", "subjectAltName=DNS:n2.db.local\nextendedKeyUsage=clientAuth")
	p.openssl("x509", "-in", "inter.pem", "-out", "chain.pem")
	for _, tc := range []struct {
		name, cert, own string
		args            []string
		want            string // name of the joiner
		kind            identity.Kind
		text            string
		cause           Cause
		pin             string // other than cert
		refused         bool   // openssl does not take our certificate
	}{
		{name: "alternative name", cert: "joiner", own: "donor", want: "n2.db.local"},
		{name: "address", cert: "joiner", own: "donor", want: "127.0.0.1"},
		{name: "common name alone, version 1", cert: "n3.db.local", own: "donor", want: "n3.db.local"},
		{name: "wrong name", cert: "joiner", own: "donor", want: "n9.db.local", kind: identity.WrongName, text: "n9.db.local (from the address)"},
		{name: "intermediate sent along", cert: "deep", args: []string{"-cert_chain", "chain.pem"}, own: "donor", want: "n2.db.local"},
		{name: "another CA", cert: "alien", own: "donor", want: "n2.db.local", kind: identity.Untrusted, text: `issued by "CN=other"`},
		{name: "expired", cert: "expired", own: "donor", want: "n2.db.local", kind: identity.Expired, text: "expired on"},
		{name: "for clients only", cert: "client", own: "donor", want: "n2.db.local", text: "not made for server authentication"},
		{name: "own intermediate sent along", cert: "joiner", own: "donor-deep", want: "n2.db.local"},
		{name: "own certificate for servers only", cert: "joiner", own: "donor-server", want: "n2.db.local", refused: true},
		{name: "own certificate of another CA", cert: "joiner", own: "alien", want: "n2.db.local", refused: true},
		{name: "no own certificate", cert: "joiner", want: "n2.db.local", refused: true},
		{name: "another pin", cert: "joiner", own: "donor", pin: "deep", cause: CausePin},
		{name: "no TLS 1.3", cert: "joiner", own: "donor", args: []string{"-no_tls1_3"}, cause: CauseTLS},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(testContext(t), patience)
			defer cancel()
			args := []string{"s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-rev", "-alpn", alpn, "-cert", tc.cert + ".pem", "-CAfile", "ca.pem", "-Verify", "4", "-verify_return_error"}
			cmd := exec.CommandContext(ctx, "openssl", append(args, tc.args...)...)
			cmd.Dir = p.dir
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stderr = cmd.Stdout
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer cancel()
			lines := bufio.NewReader(out)
			c := Config{MinVersion: 1, MaxVersion: 1, Policy: p.policy(identity.ChainAndName, "ca", tc.want)}
			if tc.own != "" {
				c.Material = p.load(tc.own)
				if tc.own == "donor-deep" {
					c.Material.Certificate.Certificate = append(c.Material.Certificate.Certificate, p.load("inter").Leaf.Raw)
				}
			}
			pinned := tc.cert
			if tc.pin != "" {
				pinned = tc.pin
			}
			nc, err := net.Dial("tcp", where(t, lines).String())
			if err != nil {
				t.Fatal(err)
			}
			ch, err := secure(ctx, nc, Ticket{Pin: identity.Pin(p.load(pinned).Leaf)}, c)
			if tc.cause != 0 {
				if causeOf(err) != tc.cause {
					t.Errorf("got %v, want cause %v", err, tc.cause)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer ch.stream.Close()
			warnings, o := ch.judge(c.Policy, x509.ExtKeyUsageServerAuth)
			verdictIs(t, o, warnings, tc.kind, tc.text)
			// In TLS 1.3 the server judges us after our handshake is over; only an answer proves that it took us.
			if err := ch.send("preface", []byte("emerirt\n")); err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 8)
			_, err = io.ReadFull(ch.stream, answer)
			if took := err == nil && string(answer) == "trireme\n"; took == tc.refused {
				cancel()
				rest, _ := io.ReadAll(lines)
				t.Errorf("openssl takes our certificate: %v (%q, %v); it said:\n%s", took, answer, err, rest)
			}
		})
	}
}

// where waits for s_server to say where it listens.
func where(t *testing.T, lines *bufio.Reader) netip.AddrPort {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		if m := accepting.FindStringSubmatch(line); m != nil {
			a, err := netip.ParseAddrPort(m[1])
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		if err != nil {
			t.Fatalf("s_server does not listen: %q, %v", line, err)
		}
	}
}

// OpenSSL's own client is a stranger like any other.
func TestOpenSSLClientIsAStranger(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("the openssl program is not installed")
	}
	var seen strangers
	c := config(t)
	c.OnStranger = seen.add
	l := listen(t, c)
	for _, args := range [][]string{{}, {"-alpn", alpn}, {"-tls1_2"}} {
		ctx, cancel := context.WithTimeout(testContext(t), patience)
		cmd := exec.CommandContext(ctx, "openssl", append([]string{"s_client", "-connect", l.Addr().String(), "-ign_eof"}, args...)...)
		cmd.Stdin = strings.NewReader(strings.Repeat("A", 100))
		out, _ := cmd.CombinedOutput() // it fails, one way or the other
		cancel()
		if strings.Contains(string(out), joinerMagic) {
			t.Errorf("%v: the listener answered:\n%s", args, out)
		}
		if len(args) == 1 && !strings.Contains(string(out), "Cipher is (NONE)") {
			t.Errorf("TLS 1.2 was accepted:\n%s", out)
		}
	}
	seen.has(t, CauseProtocol)
	seen.has(t, CauseTLS)
	d, j := join(t, l, Control, Config{MinVersion: 1, MaxVersion: 1})
	chat(t, d, j)
}

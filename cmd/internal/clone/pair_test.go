package clone

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trireme/cmd/internal/cli"
	"trireme/wire/identity/ca"
)

// receiver is "trireme receive" in this process.
type receiver struct {
	ticket string
	done   chan struct{}
	code   int
	errs   bytes.Buffer // after done
}

// receive starts one and waits for its ticket.
func receive(t *testing.T, ctx context.Context, words ...string) *receiver {
	t.Helper()
	r := &receiver{done: make(chan struct{})}
	in, out := io.Pipe()
	root := cli.Root(cli.Config{Program: "trireme test", Commands: commands(), Out: out, Err: &r.errs})
	go func() {
		defer close(r.done)
		r.code = cli.Run(ctx, root, append([]string{"receive"}, words...))
		out.Close()
	}()
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		<-r.done
		t.Fatalf("no ticket: exit code %d: %s", r.code, r.errs.String())
	}
	if !strings.HasPrefix(line, "trireme send DIR ") || strings.Count(line, " ") != 3 {
		t.Errorf("the line for the other host is %q", line)
	}
	r.ticket = strings.Fields(line)[3]
	return r
}

func (r *receiver) end(t *testing.T, code int) {
	t.Helper()
	<-r.done
	if r.code != code {
		t.Errorf("the receiver ended with %d, want %d: %s", r.code, code, r.errs.String())
	}
}

// TestIPv6: both ends talk over IPv6.
func TestIPv6(t *testing.T) {
	probe, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("this host has no IPv6: %v", err)
	}
	probe.Close()
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "dst")
	left := mariadb(t, src)
	r := receive(t, t.Context(), "--listen", "[::1]:0", dst)
	if !strings.HasPrefix(r.ticket, "[::1]:") {
		t.Errorf("ticket %s", r.ticket)
	}
	mustRun(t, "send", src, r.ticket)
	r.end(t, 0)
	for _, d := range compare(list(t, src), list(t, dst), left) {
		t.Error(d)
	}
}

// TestStreams: at either end the lower of the two options that say how many data connections there may be holds.
func TestStreams(t *testing.T) {
	dir := t.TempDir()
	at := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	both, one, none := at("both.cnf", "[trireme]\nstreams=2\n[sst]\nbackup-threads=8\n"), at("one.cnf", "[sst]\nbackup-threads=2\n"), at("none.cnf", "[sst]\n")
	src := t.TempDir()
	mariadb(t, src)
	for _, c := range []struct{ receiver, sender string }{{both, none}, {one, none}, {none, both}, {none, one}} {
		r := receive(t, t.Context(), "--listen", "127.0.0.1:0", "--defaults-file", c.receiver, filepath.Join(t.TempDir(), "dst"))
		errs := mustRun(t, "send", "--verbose", "--defaults-file", c.sender, src, r.ticket)
		r.end(t, 0)
		if !strings.Contains(errs, "\n2 data connections to ") {
			t.Errorf("%s at the receiver, %s at the sender: %s", filepath.Base(c.receiver), filepath.Base(c.sender), errs)
		}
	}
}

// TestCertificates: with certificates at both ends, by flags and by option file, and with a wrong or a missing one.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	issue := func(authority, node string) {
		a, err := ca.NewCA(authority, ca.Options{})
		if err != nil {
			t.Fatal(err)
		}
		cert, key, err := a.Issue(node, []string{"127.0.0.1"}, ca.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{authority + ".pem": a.CertificatePEM(), node + ".pem": append(bytes.Clone(cert), key...)} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	issue("harbour", "db1")
	issue("strange", "db9")
	pem := func(name string) string { return filepath.Join(dir, name+".pem") }
	cnf := filepath.Join(dir, "my.cnf")
	if err := os.WriteFile(cnf, []byte("[sst]\ntca="+pem("harbour")+"\ntcert="+pem("db1")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	src := t.TempDir()
	mariadb(t, src)
	mine := []string{"--ca", pem("harbour"), "--cert", pem("db1")}
	for name, c := range map[string]struct {
		flags    []string
		code     int
		says     string
		receiver int
	}{
		"flags":       {mine, 0, "complete", 0},
		"option file": {[]string{"--defaults-file", cnf}, 0, "complete", 0},
		"wrong CA":    {[]string{"--ca", pem("strange"), "--cert", pem("db9")}, exitRefused, "", exitOther},
	} {
		t.Run(name, func(t *testing.T) {
			r := receive(t, t.Context(), append([]string{"--listen", "127.0.0.1:0", filepath.Join(t.TempDir(), "dst")}, mine...)...)
			if !strings.HasSuffix(r.ticket, "/"+capCert) {
				t.Errorf("ticket %s", r.ticket)
			}
			// Without a certificate the sender does not even call, and the ticket stays good.
			if code, _, errs := trireme(t.Context(), "send", src, r.ticket); code != cli.ExitUsage || !strings.Contains(errs, "the receiver asks for a certificate: give --ca, --cert and --key") {
				t.Errorf("without a certificate: %d %s", code, errs)
			}
			code, _, errs := trireme(t.Context(), append([]string{"send", src, r.ticket}, c.flags...)...)
			if code != c.code || !strings.Contains(errs, c.says) {
				t.Errorf("exit code %d: %s", code, errs)
			}
			r.end(t, c.receiver)
		})
	}
}

// TestCertificateAdvice: what is wrong with a certificate is told in terms of the flag or of the line of the option file it came from.
func TestCertificateAdvice(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	a, err := ca.NewCA("harbour", ca.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := a.Issue("db1", []string{"192.0.2.1"}, ca.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cnf, bare := at("my.cnf"), at("bare.cnf")
	for name, b := range map[string][]byte{
		at("ca.pem"): a.CertificatePEM(), at("db1.pem"): append(bytes.Clone(cert), key...), at("db1.crt"): cert,
		cnf: []byte("[sst]\ntca=" + at("ca.pem") + "\ntcert=" + at("db1.pem") + "\n"), bare: []byte("[sst]\ntcert=" + at("db1.crt") + "\n"),
	} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src := t.TempDir()
	mariadb(t, src)
	flags, file := []string{"--ca", at("ca.pem"), "--cert", at("db1.pem")}, []string{"--defaults-file", cnf}
	for name, c := range map[string]struct {
		receiver, sender []string // nil receiver: the receiver has the sender's and calls nobody
		says, not        []string
	}{
		"no key, flags":         {nil, []string{"--ca", at("ca.pem"), "--cert", at("db1.crt")}, []string{"--cert=" + at("db1.crt") + " (from command line): ", "set --key, or append"}, []string{"tkey", "ssl-"}},
		"no key, option file":   {nil, []string{"--defaults-file", bare}, []string{"tcert=" + at("db1.crt") + " (from " + bare + ":2 [sst]): ", "set tkey, or append"}, []string{"--key"}},
		"name, flags":           {flags, flags, []string{"192.0.2.1", "(--advertise)"}, []string{"ssl-mode", "tcert"}},
		"name, option file":     {flags, file, []string{"(--advertise)", "ssl-mode=VERIFY_CA beside tcert (" + cnf + ":3 [sst])"}, nil},
		"none shown, flags":     {[]string{}, flags, []string{"give that end --cert and --key", "or both ends none"}, []string{"remove tca"}},
		"none shown, from file": {[]string{}, file, []string{"give that end --cert and --key", "remove what asks for them here (tcert, " + cnf + ":3 [sst])"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			words := []string{"receive", "--listen", "127.0.0.1:0", filepath.Join(t.TempDir(), "dst")} // which finds the same in its own files
			if c.receiver != nil {
				r := receive(t, t.Context(), append(words[1:], c.receiver...)...)
				defer r.end(t, exitOther)
				words = []string{"send", src, r.ticket}
			}
			code, _, errs := trireme(t.Context(), append(words, c.sender...)...)
			if code == 0 {
				t.Error("it went well")
			}
			for _, want := range c.says {
				if !strings.Contains(errs, want) {
					t.Errorf("not said: %q: %s", want, errs)
				}
			}
			for _, not := range c.not {
				if strings.Contains(errs, not) {
					t.Errorf("said: %q: %s", not, errs)
				}
			}
		})
	}
}

// TestCutOff: a receiver that is gone in the middle ends the sender with the cause; the next pair goes on from what had arrived.
func TestCutOff(t *testing.T) {
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "dst")
	left := mariadb(t, src)
	ctx, cancel := context.WithCancel(t.Context())
	r := receive(t, ctx, "--listen", "127.0.0.1:0", dst)
	began := make(chan struct{})
	go func() {
		defer close(began)
		awaitJournal(t, dst)
		cancel()
	}()
	code, _, errs := trireme(t.Context(), "send", "--rate-limit", "16m", src, r.ticket)
	<-began
	if code != exitOther && code != exitNetwork || strings.Contains(errs, "broken pipe") ||
		!strings.Contains(errs, "; the ticket is used up: start trireme receive again on the other host for a new one; what has arrived there is compared and used\n") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	<-r.done
	if r.code == 0 {
		t.Error("the receiver was stopped and says that all is well")
	}
	r = receive(t, t.Context(), "--listen", "127.0.0.1:0", dst)
	mustRun(t, "send", src, r.ticket)
	r.end(t, 0)
	for _, d := range compare(list(t, src), list(t, dst), left) {
		t.Error(d)
	}
}

// TestTransports: the ticket tells the sender how to come, the two may contradict each other, and without encryption there is no QUIC.
func TestTransports(t *testing.T) {
	src := t.TempDir()
	left := mariadb(t, src)
	plain := filepath.Join(t.TempDir(), "my.cnf")
	if err := os.WriteFile(plain, []byte("[sst]\nssl-mode=DISABLED\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name          string
		receive, send []string
		part          string // of the ticket
		says          string // by both ends
		code, told    int    // of the sender and of the receiver
	}{
		{"quic", []string{"--transport", "quic"}, nil, "/quic/", "over QUIC", 0, 0},
		{"auto", []string{"--transport", "auto"}, nil, "/auto/", "over TCP", 0, 0},
		{"auto and QUIC", []string{"--transport", "auto"}, []string{"--transport", "quic"}, "/auto/", "over QUIC", 0, 0},
		{"quic and tls", []string{"--transport", "quic"}, []string{"--transport", "tls"}, "/quic/", "the receiver takes QUIC only", exitRefused, exitOther},
		{"auto, not encrypted", []string{"--transport", "auto", "--defaults-file", plain}, []string{"--defaults-file", plain}, "/plain/", "over TCP", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst := filepath.Join(t.TempDir(), "dst")
			r := receive(t, t.Context(), append([]string{"-v", "--listen", "127.0.0.1:0", dst}, c.receive...)...)
			if !strings.Contains(r.ticket, c.part) || strings.Contains(r.ticket, "/plain/") && strings.Contains(r.ticket, "/auto/") {
				t.Errorf("ticket %s lacks %s", r.ticket, c.part)
			}
			code, _, errs := trireme(t.Context(), append([]string{"send", "-v", src, r.ticket}, c.send...)...)
			if code != c.code || !strings.Contains(errs, c.says) {
				t.Errorf("exit code %d: %s", code, errs)
			}
			r.end(t, c.told)
			if !strings.Contains(r.errs.String(), c.says) {
				t.Errorf("the receiver does not say %q: %s", c.says, r.errs.String())
			}
			if code == 0 {
				for _, d := range compare(list(t, src), list(t, dst), left) {
					t.Error(d)
				}
			}
		})
	}
	if code, _, errs := trireme(t.Context(), "receive", "--transport", "quic", "--defaults-file", plain, filepath.Join(t.TempDir(), "dst")); code != cli.ExitUsage || !strings.Contains(errs, "QUIC always encrypts") {
		t.Errorf("QUIC, not encrypted: %d %s", code, errs)
	}
}

package sst

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trireme/cmd/internal/galera"
	"trireme/cmd/internal/settings"
	"trireme/wire/identity/ca"
)

// certificates are the files of one directory: ca.pem, bundle.pem, node.pem (with the key), node.crt, node.key, and the fixed
// names of method secure_rsync. The certificate is that of 192.0.2.7, valid until year.
func certificates(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	authority, err := ca.NewCA("Harbour authority", ca.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := authority.Issue("db2", []string{"192.0.2.7"}, ca.Options{})
	if err != nil {
		t.Fatal(err)
	}
	both := append(bytes.Clone(cert), key...)
	for name, content := range map[string][]byte{
		"ca.pem": authority.CertificatePEM(), "node.pem": both, "node.crt": cert, "node.key": key,
		"server.pem": both, "client.pem": both, "server.crt": cert, "client.crt": cert,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// channelLine resolves an option file as one end does and returns what that end logs about its channel, the error otherwise, with
// DIR, CNF and the certificate's last day made constant. Warnings are counted.
func channelLine(t *testing.T, method settings.Method, role, dir, cnf string) (line string, warnings int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "my.cnf")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(cnf, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	args, err := galera.ParseArgs([]string{"--role", role, "--datadir", t.TempDir() + "/", "--defaults-file", file, "--address", "192.0.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c := &call{ctx: t.Context(), args: args, method: method, log: galera.NewLog(galera.LogConfig{W: &log})}
	constant := func(s string) string {
		return strings.NewReplacer(dir, "DIR", file, "CNF").Replace(s)
	}
	if err := c.resolve(); err != nil {
		return constant(err.Error()), 0
	}
	ch, err := channel(c.set, role == "joiner")
	if err != nil {
		return constant(err.Error()), 0
	}
	if role == "donor" {
		// Without time to ask, the host itself is all that there is; what a resolver says differs between machines.
		late, cancel := context.WithCancel(t.Context())
		cancel()
		name(late, c.set, &ch.Policy, "192.0.2.7")
	}
	text := constant(describe(c.set, ch))
	if ch.Material != nil && ch.Material.Leaf != nil {
		text = strings.ReplaceAll(text, ch.Material.Leaf.NotAfter.UTC().Format("2006-01-02"), "DAY")
	}
	return text, strings.Count(log.String(), "[WARNING]")
}

// channels are the rows of the README's table of who can get in, and what else decides the channel.
var channels = []struct {
	name   string
	method settings.Method
	cnf    string
}{
	{"tca and tcert", settings.MethodTrireme, "[sst]\ntca=DIR/ca.pem\ntcert=DIR/node.pem\n"},
	{"tca, tcert and tkey", settings.MethodTrireme, "[sst]\ntcert=DIR/node.crt\ntkey=DIR/node.key\ntca=DIR/ca.pem\n"},
	{"ssl options, no mode", settings.MethodTrireme, sslOptions},
	{"ssl options, VERIFY_CA", settings.MethodTrireme, sslOptions + "ssl-mode=VERIFY_CA\n"},
	{"ssl options, VERIFY_IDENTITY", settings.MethodTrireme, sslOptions + "ssl-mode=verify_identity\n"},
	{"ssl options, REQUIRED", settings.MethodTrireme, sslOptions + "ssl-mode=REQUIRED\n"},
	{"nothing", settings.MethodTrireme, "[mysqld]\n"},
	{"DISABLED", settings.MethodTrireme, "[sst]\nssl-mode=DISABLED\n"},
	{"DISABLED with certificates", settings.MethodTrireme, "[sst]\nssl-mode=DISABLED\ntca=DIR/ca.pem\ntcert=DIR/node.pem\n"},
	{"encrypt=0", settings.MethodTrireme, "[sst]\nencrypt=0\n"},
	{"encrypt=2", settings.MethodTrireme, "[sst]\nencrypt=2\ntca=DIR/ca.pem\ntcert=DIR/node.pem\n"},
	{"encrypt=3", settings.MethodTrireme, "[sst]\nencrypt=3\ntca=DIR/ca.pem\ntcert=DIR/node.crt\ntkey=DIR/node.key\n"},
	{"encrypt=3 without CA", settings.MethodTrireme, "[sst]\nencrypt=3\ntcert=DIR/node.crt\ntkey=DIR/node.key\n"},
	{"encrypt=4", settings.MethodTrireme, "[sst]\nencrypt=4\n" + "ssl-ca=DIR/ca.pem\nssl-cert=DIR/node.crt\nssl-key=DIR/node.key\n"},
	{"tcert alone", settings.MethodTrireme, "[sst]\ntcert=DIR/node.pem\n"},
	{"verify=0", settings.MethodTrireme, "[sst]\ntca=DIR/ca.pem\ntcert=DIR/node.pem\nsockopt=verify=0\n"},
	{"empty commonname", settings.MethodTrireme, "[sst]\ntca=DIR/ca.pem\ntcert=DIR/node.pem\nsockopt=commonname=\n"},
	{"commonname", settings.MethodTrireme, "[sst]\ntca=DIR/ca.pem\ntcert=DIR/node.pem\nsockopt=commonname=db\n"},
	{"role options", settings.MethodTrireme, sslOptions + "ssl-server-cert=DIR/server.crt\nssl-client-cert=DIR/client.crt\n"},
	{"method rsync_tunnel", settings.MethodTunnel, "[sst]\ntca=DIR/ca.pem\ntcert=DIR/node.crt\ntkey=DIR/node.key\n"},
	{"method secure_rsync", settings.MethodSecureRsync, "[mysqld]\nwsrep_sst_auth=DIR\n"},
	// Mistakes that are found before anybody is called.
	{"tca alone", settings.MethodTrireme, "[sst]\ntca=DIR/ca.pem\n"},
	{"encrypt=1", settings.MethodTrireme, "[sst]\nencrypt=1\n"},
	{"PREFERRED", settings.MethodTrireme, "[sst]\nssl-mode=PREFERRED\n"},
	{"REQUIRED without certificate", settings.MethodTrireme, "[sst]\nssl-mode=REQUIRED\n"},
	{"verify=1 with nothing", settings.MethodTrireme, "[sst]\nsockopt=verify=1\n"},
	{"missing CA", settings.MethodTrireme, "[sst]\ntca=DIR/none.pem\ntcert=DIR/node.pem\n"},
	{"no key", settings.MethodTrireme, "[sst]\ntca=DIR/ca.pem\ntcert=DIR/node.crt\n"},
	{"method rsync_tunnel without tca", settings.MethodTunnel, "[sst]\ntcert=DIR/node.pem\n"},
}

const sslOptions = "[mysqld]\nssl-ca=DIR/ca.pem\nssl-cert=DIR/node.crt\nssl-key=DIR/node.key\n"

var update = flag.Bool("update", false, "write the golden files anew")

// TestChannelLines compares what both ends log for each way to configure the channel with testdata/channel.golden.
func TestChannelLines(t *testing.T) {
	dir := certificates(t)
	var all strings.Builder
	for _, c := range channels {
		fmt.Fprintf(&all, "%s\n", c.name)
		for _, role := range []string{"joiner", "donor"} {
			line, warnings := channelLine(t, c.method, role, dir, c.cnf)
			if strings.Contains(strings.TrimSpace(line), "\n") {
				t.Errorf("%s, %s: more than one line: %q", c.name, role, line)
			}
			fmt.Fprintf(&all, "  %s, %d warnings: %s\n", role, warnings, line)
		}
	}
	path := filepath.Join("testdata", "channel.golden")
	if *update {
		if err := os.WriteFile(path, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := strings.Split(all.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(got), len(wanted)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(wanted) {
			w = wanted[i]
		}
		if g != w {
			t.Fatalf("line %d of %s:\n got %s\nwant %s", i+1, path, g, w)
		}
	}
}

// TestSocketOptions: what sockopt says reaches the sockets, and bind= decides where a joiner listens.
func TestSocketOptions(t *testing.T) {
	o := socketOptions(settings.SockOpts{Bind: "[::1]", Family: "ip6", Forever: true, Interval: time.Second, SourcePort: 7}, time.Minute)
	if o.Bind != "::1" || o.Family != 6 || o.Retries < 1<<30 || o.RetryEvery != time.Second || o.RetryFor != time.Minute || o.SourcePort != 7 {
		t.Errorf("%+v", o)
	}
	if o := socketOptions(settings.SockOpts{Retry: 3}, 0); o.Retries != 3 || o.RetryFor != 0 {
		t.Errorf("%+v", o)
	}
	for _, c := range []struct {
		host, bind, want string
	}{
		{"127.0.0.1", "", "127.0.0.1:7"},
		{"192.0.2.1", "", ":7"}, // of the documentation's block, so of no host: a translated address
		{"fe80::1", "", ":7"},
		{"192.0.2.1", "127.0.0.2", "127.0.0.2:7"},
		{"192.0.2.1", "::1", "[::1]:7"},
	} {
		if got := bindAddress(galera.Address{Host: c.host, Port: 7}, c.bind); got != c.want {
			t.Errorf("advertised %s, bind=%s: listens on %s, want %s", c.host, c.bind, got, c.want)
		}
	}
}

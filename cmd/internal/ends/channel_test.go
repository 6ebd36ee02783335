package ends

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trireme/cmd/internal/mycnf"
	"trireme/cmd/internal/settings"
	"trireme/wire/identity/ca"
)

// TestSocketOptions: what sockopt says reaches the sockets.
func TestSocketOptions(t *testing.T) {
	o := socketOptions(settings.SockOpts{Bind: "[::1]", Family: "ip6", Forever: true, Interval: time.Second, SourcePort: 7}, time.Minute)
	if o.Bind != "::1" || o.Family != 6 || o.Retries < 1<<30 || o.RetryEvery != time.Second || o.RetryFor != time.Minute || o.SourcePort != 7 {
		t.Errorf("%+v", o)
	}
	for _, waits := range []time.Duration{0, time.Hour} {
		if o := socketOptions(settings.SockOpts{Forever: true}, waits); o.RetryFor != settings.Forever {
			t.Errorf("for ever, with a joiner that waits %s: %s", waits, o.RetryFor)
		}
	}
	if o := socketOptions(settings.SockOpts{Retry: 3}, 0); o.Retries != 3 || o.RetryFor != 0 {
		t.Errorf("%+v", o)
	}
}

// TestListed: under ssl-mode=VERIFY_IDENTITY, and under nothing else, a certificate that stands in the file of the CA itself is
// taken though its CA does not stand there.
func TestListed(t *testing.T) {
	dir := t.TempDir()
	authority, err := ca.NewCA("authority", ca.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := authority.Issue("node", []string{"127.0.0.1"}, ca.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"ca.pem": authority.CertificatePEM(), "node.crt": cert, "node.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	node := "cert=" + dir + "/node.crt\n"
	for _, c := range []struct {
		cnf string
		ok  bool
	}{
		{"ssl-mode=VERIFY_IDENTITY\nssl-ca=" + dir + "/node.crt\nssl-" + node + "ssl-key=" + dir + "/node.key\n", true},
		{"ssl-mode=VERIFY_IDENTITY\nssl-ca=" + dir + "/ca.pem\nssl-" + node + "ssl-key=" + dir + "/node.key\n", true},
		{"ssl-mode=VERIFY_CA\nssl-ca=" + dir + "/node.crt\nssl-" + node + "ssl-key=" + dir + "/node.key\n", false},
		{"encrypt=4\nssl-ca=" + dir + "/node.crt\nssl-" + node + "ssl-key=" + dir + "/node.key\n", false},
		{"tca=" + dir + "/node.crt\nt" + node + "tkey=" + dir + "/node.key\n", false},
	} {
		for _, joiner := range []bool{true, false} {
			file := filepath.Join(dir, "my.cnf")
			if err := os.WriteFile(file, []byte("[sst]\n"+c.cnf), 0o600); err != nil {
				t.Fatal(err)
			}
			in := settings.Input{Datadir: "/d"}
			if err := in.Read(mycnf.Source{DefaultsFile: file}); err != nil {
				t.Fatal(err)
			}
			set, _, err := settings.Resolve(in)
			if err != nil {
				t.Fatal(err)
			}
			ch, err := Channel(set, joiner)
			if err == nil {
				_, err = ch.Policy.Check([]*x509.Certificate{ch.Material.Leaf})
			}
			if (err == nil) != c.ok {
				t.Errorf("joiner %v, %s: %v", joiner, c.cnf, err)
			}
		}
	}
}

package sst

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/galera"
	"trireme/cmd/internal/mycnf"
	"trireme/cmd/internal/serveremul"
	"trireme/cmd/internal/settings"
)

// TestConnectionOptions follows what somebody wrote about connections to where the connection takes it from.
func TestConnectionOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "my.cnf")
	const cnf = "[sst]\nsockopt='retry=7,interval=2,snihost=proxy.example,bind=127.0.0.3'\ndonor-timeout=3\n"
	if err := os.WriteFile(file, []byte(cnf), 0o600); err != nil {
		t.Fatal(err)
	}
	resolve := func(role settings.Role, sockopt string) *settings.Settings {
		t.Helper()
		if sockopt != "" {
			if err := os.WriteFile(file, []byte("[sst]\nsockopt='"+sockopt+"'\ndonor-timeout=0\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		in := settings.Input{Role: role, Datadir: t.TempDir()}
		if err := in.Read(mycnf.Source{DefaultsFile: file}); err != nil {
			t.Fatal(err)
		}
		set, _, err := settings.Resolve(in)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	c, err := ends.Channel(resolve(settings.Donor, ""), false)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Socket; s.Retries != 7 || s.RetryEvery != 2*time.Second || s.ServerName != "proxy.example" || s.Bind != "127.0.0.3" || c.HandshakeTimeout != 3*time.Second {
		t.Errorf("%+v, limit %s", s, c.HandshakeTimeout)
	}
	joiner := resolve(settings.Joiner, "")
	if c, err = ends.Channel(joiner, true); err != nil || c.HandshakeTimeout != 0 {
		t.Errorf("the joiner takes the donor's limit: %s, %v", c.HandshakeTimeout, err)
	}
	if got := ends.ListenAddress(t.Context(), joiner, galera.Address{Host: "127.0.0.9", Port: 4444}); got != "127.0.0.3:4444" {
		t.Errorf("the joiner listens on %s", got)
	}
	c, err = ends.Channel(resolve(settings.Donor, "forever,interval=5,snihost=x,no-sni=1"), false)
	if err != nil || c.Socket.Retries < 60 || c.Socket.RetryFor != 300*time.Second || c.Socket.ServerName != "" || c.HandshakeTimeout != 300*time.Second {
		t.Errorf("%+v, limit %s, %v", c.Socket, c.HandshakeTimeout, err)
	}
}

// TestStreamsOfJoiner: a joiner opens no more than it was told to, whichever of the two options said so.
func TestStreamsOfJoiner(t *testing.T) {
	t.Parallel()
	for _, cnf := range []string{"[trireme]\nstreams=2\n", "[trireme]\nstreams=2\n[sst]\nbackup-threads=3\n", "[sst]\nbackup-threads=2\n"} {
		profile := serveremul.ByName("M10.11")
		p := serveremul.NewPair(t, profile, profile, serveremul.InstallSelf(t, "trireme"))
		p.Known()
		p.Take.DefaultsFile = filepath.Join(t.TempDir(), "joiner.cnf")
		if err := os.WriteFile(p.Take.DefaultsFile, []byte(cnf), 0o600); err != nil {
			t.Fatal(err)
		}
		given, _ := p.MustRun()
		if !strings.Contains(given.Stderr, " 2 data connections to ") {
			t.Errorf("%s\n%s", cnf, given.Stderr)
		}
	}
}

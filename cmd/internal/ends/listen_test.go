package ends

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trireme/cmd/internal/galera"
	"trireme/cmd/internal/mycnf"
	"trireme/cmd/internal/settings"
)

// TestListenAddress: bind= in sockopt decides where a joiner listens, and a translated address makes it listen everywhere.
func TestListenAddress(t *testing.T) {
	resolve := func(bind string) *settings.Settings {
		t.Helper()
		file := filepath.Join(t.TempDir(), "my.cnf")
		text := "[sst]\n"
		if bind != "" {
			text += "sockopt=bind=" + bind + "\n"
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
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
		return set
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
		if got := ListenAddress(t.Context(), resolve(c.bind), galera.Address{Host: c.host, Port: 7}); got != c.want {
			t.Errorf("advertised %s, bind=%s: listens on %s, want %s", c.host, c.bind, got, c.want)
		}
	}
}

// TestListenAddressEnds: a resolver that does not answer holds up nobody who was told to end.
func TestListenAddressEnds(t *testing.T) {
	was := net.DefaultResolver
	defer func() { net.DefaultResolver = was }()
	ctx, cancel := context.WithCancel(t.Context())
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	begin := time.Now()
	got := ListenAddress(ctx, new(settings.Settings), galera.Address{Host: "node.trireme.invalid.", Port: 7})
	if took := time.Since(begin); got != ":7" || took > 2*time.Second {
		t.Errorf("listens on %s after %s", got, took)
	}
}

package ends

import (
	"os"
	"path/filepath"
	"testing"

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
		if got := ListenAddress(resolve(c.bind), galera.Address{Host: c.host, Port: 7}); got != c.want {
			t.Errorf("advertised %s, bind=%s: listens on %s, want %s", c.host, c.bind, got, c.want)
		}
	}
}

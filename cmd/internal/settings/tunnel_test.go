package settings

import (
	"os"
	"path/filepath"
	"testing"

	"trireme/cmd/internal/mycnf"
)

// TestTunnelFiles: the script of the method looked at the default locations only, so files in use may have the options there, while
// the server was started with a file of its own.
func TestTunnelFiles(t *testing.T) {
	own := readFiles(t, "[sst]\ntcert=/own\n", "")
	there := readFiles(t, "[sst]\ntca=/ca\ntcert=/there\ntkey=/k\nsockopt=retry=2\n", "")
	in := Input{Method: MethodTunnel, Files: own, Defaults: there}
	runRows(t, []row{
		{name: "own file first, the rest from the default ones", in: in, get: trust, want: "CA and name verified ca=/ca cert=/own key=/k name", warn: "tcert is set in the option file of this server"},
		{name: "sockopt too", in: in, get: func(s *Settings) any { return s.SockOpts().Retry }, want: "2"},
		{name: "other methods do not look there", in: Input{Files: own, Defaults: there}, get: trust, want: "encrypted, peer not verified cert=/own"},
		{name: "no folding", cnf: "[sst]\nloose-tca=/x\ntcert=/c\n", in: Input{Method: MethodTunnel}, bad: "tca ([sst])", warn: "knows the exact name tca only"},
	})
}

// TestRead: the default locations are read in addition for that method alone, and trouble there is a warning.
func TestRead(t *testing.T) {
	home := t.TempDir()
	own := filepath.Join(home, "own.cnf")
	for name, text := range map[string]string{own: "[sst]\ntcert=/c\n", filepath.Join(home, ".my.cnf"): "[sst]\ntca=/ca-of-home\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source := mycnf.Source{DefaultsFile: own, Home: home, Dirs: []string{filepath.Join(home, "none")}}
	tunnel, plain := Input{Method: MethodTunnel, Datadir: "/d"}, Input{Datadir: "/d"}
	for _, in := range []*Input{&tunnel, &plain} {
		if err := in.Read(source); err != nil {
			t.Fatal(err)
		}
	}
	if plain.Defaults != nil || tunnel.Defaults == nil || len(tunnel.Defaults.Group("sst")) != 1 {
		t.Errorf("defaults %v and %v", plain.Defaults, tunnel.Defaults)
	}
	if s, _, err := Resolve(tunnel); err != nil || s.TLS.CA.Value != "/ca-of-home" {
		t.Errorf("CA of the default file is not used: %v, %v", s != nil, err)
	}
	if err := os.WriteFile(filepath.Join(home, ".my.cnf"), []byte("tca=/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := Input{Method: MethodTunnel, Datadir: "/d"}
	if err := broken.Read(source); err != nil {
		t.Fatal(err)
	}
	if _, warnings, err := Resolve(broken); err == nil || len(warnings) != 1 {
		t.Errorf("error %v, warnings %q; want the missing CA and one line about the file", err, warnings)
	}
}

package settings

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trireme/cmd/internal/mycnf"
)

// FuzzResolve feeds whole option files and server command lines. Either there are settings, or an error made of Problems; the
// table never lacks an origin, and nothing weaker than the pinned mode comes about without an option that decided it.
func FuzzResolve(f *testing.F) {
	f.Add("[sst]\n"+tset+"sockopt=,verify=0,range=10.0.0.0/8\n", "--datadir=/x\n-h\n/y", byte(0))
	f.Add("[mysqld]\n"+sslset+"log-bin\ninnodb_data_file_path=a:1M;b:2M:autoextend\n[trireme]\npasses=3\n", "--log-bin\n--ssl-ca", byte(1))
	f.Add("[sst]\nencrypt=4\nssl-mode=DISABLED\ncpat=.*\\.pem$\\|x\nrlimit=3m\n", "", byte(2))
	f.Add("[mysqld]\nplugin_load_add=file_key_management;x=y.so\nwsrep_provider_options=gcache.dir=g\n", "--no-defaults", byte(7))
	f.Fuzz(func(t *testing.T, text, argv string, kind byte) {
		if strings.Contains(text, "!") {
			return // includes would read files of this machine
		}
		name := filepath.Join(t.TempDir(), "my.cnf")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := mycnf.Read(mycnf.Source{DefaultsFile: name})
		if err != nil {
			return
		}
		in := Input{Files: file, MysqldArgs: strings.Split(argv, "\n"), Datadir: "/d", PXC: kind&4 != 0, Method: Method(1 + kind%3), Role: Role(1 + kind>>3&1)}
		s, _, err := Resolve(in)
		if (s == nil) != (err != nil) {
			t.Fatalf("%v %v", s, err)
		}
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) || p.Option == "" || p.Text == "" {
				t.Fatalf("not a problem: %v", err)
			}
			return
		}
		for _, row := range s.Table() {
			if row.Name == "" || row.Origin == "" {
				t.Fatalf("row without origin: %+v", row)
			}
		}
		m := s.TLS.Mode
		if (m == Plain || m == Required) && !s.TLS.Decider.IsSet() {
			t.Fatalf("mode %s without an option that asks for it", m)
		}
		if m == Plain && in.Method == MethodTunnel {
			t.Fatal("the tunnel without encryption")
		}
		if (m == VerifyCA || m == VerifyIdentity) && (!s.TLS.Cert.IsSet() || !s.TLS.CA.IsSet() && !s.TLS.CAPath.IsSet()) {
			t.Fatalf("verifying without the means: %+v", s.TLS)
		}
		if len(s.SystemFiles) == 0 || !filepath.IsAbs(s.InnoDBHome) || !filepath.IsAbs(s.TmpDir) {
			t.Fatalf("incomplete: %+v", s)
		}
	})
}

func FuzzValues(f *testing.F) {
	for _, s := range []string{"0", "12k", "1.5", "1m30s", "on", "-1", "9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseSize(s); n < 0 || err != nil && n != 0 {
			t.Fatalf("size %d, %v", n, err)
		}
		if d, err := parseDuration(s); d < 0 || d > maxDuration || err != nil && d != 0 {
			t.Fatalf("duration %d, %v", d, err)
		}
		if p, err := parseRange(s); err == nil && p != p.Masked() {
			t.Fatalf("range %s is not masked", p)
		}
		parseArgs([]string{s, "--" + s, "-" + s})
	})
}

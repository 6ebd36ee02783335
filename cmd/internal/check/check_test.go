package check

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"trireme/cmd/internal/cli"
	"trireme/cmd/internal/settings"
	"trireme/wire/identity/ca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden files anew")

// rig is a node of one test: DIR in option files and transcripts stands for its directory.
type rig struct {
	*testing.T
	dir  string
	port int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, dir: t.TempDir()}
	must(t, os.Mkdir(filepath.Join(r.dir, "data"), 0o700))
	must(t, os.Mkdir(filepath.Join(r.dir, "bin"), 0o700))
	for _, m := range methods {
		r.put("bin/wsrep_sst_"+m, "not a script", 0o700)
	}
	t.Setenv("PATH", filepath.Join(r.dir, "bin"))
	authority, err := ca.NewCA("Harbour authority", ca.Options{})
	must(t, err)
	r.put("ca.pem", string(authority.CertificatePEM()), 0o644)
	issue := func(base, cn string, names []string, o ca.Options) {
		cert, key, err := authority.Issue(cn, names, o)
		must(t, err)
		r.put(base+".pem", string(cert)+string(key), 0o600)
		r.put(base+".crt", string(cert), 0o600)
		r.put(base+".key", string(key), 0o600)
	}
	issue("node", "db2", []string{"db2.example", "127.0.0.1"}, ca.Options{})
	issue("elsewhere", "db9", []string{"db9.example"}, ca.Options{})
	issue("expired", "db2", []string{"127.0.0.1"}, ca.Options{Now: func() time.Time { return time.Now().AddDate(0, 0, -30) }, Lifetime: 10 * 24 * time.Hour})
	r.twin(authority)
	r.put("keyring", "SECRET", 0o644) // a mistake that must be shown
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r.port = l.Addr().(*net.TCPAddr).Port
	must(t, l.Close())
	return r
}

// twin makes what package ca refuses to: a node with the subject of its CA.
func (r *rig) twin(a *ca.Authority) {
	r.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(r.T, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: a.Certificate.Subject, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.Certificate, key.Public(), a.Key)
	must(r.T, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(r.T, err)
	r.put("twin.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))+string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), 0o600)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) put(name, content string, mode os.FileMode) {
	r.Helper()
	must(r.T, os.WriteFile(filepath.Join(r.dir, name), []byte(content), mode))
}

func (r *rig) fill(s string) string {
	return strings.NewReplacer("DIR", r.dir, "PORT", fmt.Sprint(r.port)).Replace(s)
}

// run is the command as a person would give it.
func (r *rig) run(words ...string) (out string, code int) {
	var stdout, stderr bytes.Buffer
	root := cli.Root(cli.Config{Program: "trireme 1.2.3", Commands: []*cobra.Command{command(&flags{root: r.dir})}, Out: &stdout, Err: &stderr})
	code = cli.Run(context.Background(), root, append([]string{"check"}, words...))
	return stdout.String() + stderr.String(), code
}

var (
	days  = regexp.MustCompile(`\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d UTC)?`)
	mibs  = regexp.MustCompile(`\d+ [MG]iB`)
	pids  = regexp.MustCompile(`in use by .*\(pid \d+\)`)
	hosts = regexp.MustCompile(`/data/[^ ]+-relay-bin *`)
	after = regexp.MustCompile(`(named|compares:?|one of:) 127\.0\.0\.1[^;\n(]*`)

	strangerLine = regexp.MustCompile(`(?m)^  info  server user: you are not .*\n`)
)

// constant takes out of a transcript what differs between machines and runs.
func (r *rig) constant(s string) string {
	me, err := user.Current()
	must(r.T, err)
	s = strings.NewReplacer(r.dir, "DIR", filepath.Dir(r.dir), "DIR/..", fmt.Sprint(r.port), "PORT", "owner "+me.Username, "owner ME", "user "+me.Username, "user ME", "as "+me.Username+" ", "as ME ", `"`+me.Username+" (owner", `"ME (owner`).Replace(s)
	s = strangerLine.ReplaceAllString(s, "") // said only to those who are not root
	s = days.ReplaceAllString(s, "DAY")
	s = mibs.ReplaceAllString(s, "N MiB")
	s = pids.ReplaceAllString(s, "in use by TEST (pid N)")
	s = hosts.ReplaceAllString(s, "/data/HOST-relay-bin ")
	return after.ReplaceAllString(s, "$1 127.0.0.1 ")
}

const (
	server = "[mysqld]\ndatadir=DIR/data\nwsrep_sst_method=trireme\nwsrep_sst_receive_address=127.0.0.1:PORT\n"
	quiet  = "wsrep_provider_options=\"socket.ssl_ca=DIR/ca.pem;socket.ssl_cert=DIR/node.crt;socket.ssl_key=DIR/node.key\"\n"
	tls    = "[sst]\ntca=DIR/ca.pem\ntcert=DIR/node.pem\n"
)

// transcripts are node set-ups, sound and broken, and the words asked with. The reports are in testdata.
var transcripts = []struct {
	name  string
	cnf   string // "-": there is no file
	words []string
	code  int
}{
	{"sound", server + quiet + tls, []string{"--brief", "--donor-size=1m"}, 0},
	{"nothing-configured", server, nil, 0},
	{"wrong-name", server + quiet + "[sst]\ntca=DIR/ca.pem\ntcert=DIR/elsewhere.pem\n", []string{"--brief"}, ExitBad},
	{"expired", server + quiet + "[sst]\ntca=DIR/ca.pem\ntcert=DIR/expired.pem\n", []string{"--brief"}, ExitBad},
	{"shared-name", server + quiet + "[sst]\ntca=DIR/ca.pem\ntcert=DIR/twin.pem\n", []string{"--brief"}, 0},
	{"key-of-another", server + quiet + "[sst]\ntca=DIR/ca.pem\ntcert=DIR/node.crt\ntkey=DIR/elsewhere.key\n", []string{"--brief"}, ExitBad},
	{"rights", server + quiet + tls, []string{"--brief", "--user=nobody"}, ExitBad},
	{"no-room", server + quiet + tls, []string{"--brief", "--donor-size=900t", "--role=joiner"}, ExitBad},
	{"refused-values", server + "[sst]\nencrypt=1\nsockopt=\"verfy=0,tcpwrap=x\"\nstreamfmt=tar\n[trireme]\nstreem=4\n", nil, ExitBad},
	{"no-address", "[mysqld]\ndatadir=DIR/data\n" + quiet + tls, []string{"--brief"}, 0},
	{"broken-file", "tca=x\n", nil, ExitBad},
	{"no-file", "-", nil, cli.ExitError},
	{"keyring", server + "wsrep_sst_allowed_methods=trireme\npxc_encrypt_cluster_traffic=OFF\nearly-plugin-load=keyring_file.so\nkeyring_file_data=DIR/keyring\n" + tls, []string{"--brief", "--server=pxc"}, 0},
	{"keyring-pinned", server + "wsrep_sst_allowed_methods=trireme\npxc_encrypt_cluster_traffic=OFF\nearly-plugin-load=keyring_file.so\nkeyring_file_data=DIR/keyring\n", []string{"--brief", "--server=pxc"}, 0},
	{"keyring-nowhere", server + "wsrep_sst_allowed_methods=trireme\npxc_encrypt_cluster_traffic=OFF\nearly-plugin-load=keyring_file.so\nkeyring_file_data=DIR/none/keyring\n" + tls, []string{"--brief", "--server=pxc"}, ExitBad},
	{"plain", server + "[sst]\nssl-mode=DISABLED\n", []string{"--brief"}, 0},
	{"tunnel", server + quiet + tls, []string{"--brief", "--method=rsync_tunnel"}, 0},
	{"tunnel-without-ca", server + quiet + "[sst]\ntcert=DIR/node.pem\nloose-tca=DIR/ca.pem\n", []string{"--brief", "--method=rsync_tunnel"}, ExitBad},
	{"secure-rsync-missing", server + quiet + "wsrep_sst_auth=DIR/none\n", []string{"--brief", "--method=secure_rsync"}, ExitBad},
	{"percona-default", server, []string{"--brief", "--server=pxc"}, ExitBad},
	{"percona-methods", server + "pxc_encrypt_cluster_traffic=OFF\nwsrep_sst_allowed_methods=xtrabackup-v2,clone\n", []string{"--brief", "--server=pxc"}, ExitBad},
	{"usage", server, []string{"--role=observer"}, cli.ExitUsage},
	{"json", server + quiet + tls, []string{"--json", "--role=donor"}, 0},
}

func TestTranscripts(t *testing.T) {
	for _, c := range transcripts {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if c.cnf != "-" {
				r.put("my.cnf", r.fill(c.cnf), 0o600)
			}
			out, code := r.run(append([]string{"--defaults-file=" + filepath.Join(r.dir, "my.cnf")}, c.words...)...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			r.golden(c.name, out)
		})
	}
}

// golden compares a transcript with the file of that name.
func (r *rig) golden(name, out string) {
	r.Helper()
	path := filepath.Join("testdata", name+".golden")
	out = r.constant(out)
	if *update {
		must(r.T, os.WriteFile(path, []byte(out), 0o644))
	}
	want, err := os.ReadFile(path)
	must(r.T, err)
	if out != string(want) {
		r.Errorf("%s:\n got %s\nwant %s", path, out, want)
	}
}

// TestCompletion: the shell offers the words that the flags take, and no files.
func TestCompletion(t *testing.T) {
	r := newRig(t)
	for flag, want := range map[string][]string{"--role": roles, "--server": families, "--method": methods} {
		var stdout, stderr bytes.Buffer
		root := cli.Root(cli.Config{Program: "trireme 1.2.3", Commands: []*cobra.Command{command(&flags{root: r.dir})}, Out: &stdout, Err: &stderr})
		if code := cli.Run(context.Background(), root, []string{"__complete", "check", flag, ""}); code != 0 {
			t.Errorf("%s: exit code %d", flag, code)
		}
		got := strings.Split(stdout.String(), "\n:")
		if words := strings.Fields(got[0]); !slices.Equal(words, want) || !strings.HasPrefix(got[len(got)-1], "4") {
			t.Errorf("%s: offered %q, want %q and no files", flag, stdout.String(), want)
		}
	}
}

// TestUnreadable: what the caller may not read is no judgement on the node.
func TestUnreadable(t *testing.T) {
	r := newRig(t)
	file := filepath.Join(r.dir, "my.cnf")
	r.put("my.cnf", r.fill(server), 0o600)
	must(t, os.Symlink("my.cnf/none", filepath.Join(r.dir, "broken")))
	for _, words := range [][]string{
		{"--defaults-file=" + filepath.Join(r.dir, "broken")}, {"--defaults-extra-file=" + filepath.Join(file, "x")},
	} {
		if out, code := r.run(words...); code != cli.ExitError || !strings.Contains(out, "trireme check: the check could not be done: ") {
			t.Errorf("%q: exit code %d\n%s", words, code, out)
		}
	}
}

// TestTablespaceOutside: it is the donor that would leave it out, and both roles are looked at.
func TestTablespaceOutside(t *testing.T) {
	r := newRig(t)
	must(t, os.Mkdir(filepath.Join(r.dir, "far"), 0o700))
	r.put("far/t.ibd", "", 0o600)
	r.put("my.cnf", r.fill(server+"innodb_directories=DIR/far\n"+quiet+tls), 0o600)
	out, code := r.run("--brief", "--defaults-file="+filepath.Join(r.dir, "my.cnf"))
	if code != ExitBad || !strings.Contains(out, r.fill("DIR/far/t.ibd lies outside")) {
		t.Errorf("exit code %d, want %d\n%s", code, ExitBad, out)
	}
}

func TestPortInUse(t *testing.T) {
	r := newRig(t)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", r.port))
	must(t, err)
	defer l.Close()
	r.put("my.cnf", r.fill(server+quiet+tls), 0o600)
	out, code := r.run("--brief", "--defaults-file="+filepath.Join(r.dir, "my.cnf"), "--role=joiner")
	if code != ExitBad || !strings.Contains(out, fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Errorf("exit code %d, want %d and our own process named", code, ExitBad)
	}
	r.golden("port-in-use", out)
}

// TestUDPPort: QUIC needs the UDP port of the same number; transport=auto can do without it.
func TestUDPPort(t *testing.T) {
	r := newRig(t)
	look := func(transport string) (string, int) {
		r.put("my.cnf", r.fill(server+quiet+tls+"[trireme]\ntransport="+transport+"\n"), 0o600)
		return r.run("--defaults-file=" + filepath.Join(r.dir, "my.cnf"))
	}
	taken, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", r.port))
	must(t, err)
	if out, code := look("quic"); code != ExitBad || !strings.Contains(out, fmt.Sprintf("bad   port, joiner: listen on UDP 127.0.0.1:%d: port %d is in use", r.port, r.port)) || !strings.Contains(out, fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Errorf("quic, UDP in use: %d\n%s", code, out)
	}
	if out, code := look("auto"); code != cli.ExitOK || !strings.Contains(out, "warn  port, joiner: transfers use TCP alone: listen on UDP ") {
		t.Errorf("auto, UDP in use: %d\n%s", code, out)
	}
	must(t, taken.Close())
	if out, code := look("quic"); code != cli.ExitOK || !strings.Contains(out, "is free, TCP and UDP (") || !strings.Contains(out, "in force: transport=quic from ") {
		t.Errorf("quic: %d\n%s", code, out)
	}
}

func TestScriptInPlace(t *testing.T) {
	r := newRig(t)
	r.put("bin/wsrep_sst_trireme", "#!/bin/bash\n", 0o700)
	r.put("my.cnf", r.fill(server+quiet+tls), 0o600)
	if out, code := r.run("--defaults-file=" + filepath.Join(r.dir, "my.cnf")); code != ExitBad || !strings.Contains(out, "is a script and not this program") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// TestAccessControl reads what the kernel would show on other machines.
func TestAccessControl(t *testing.T) {
	for file, want := range map[string]string{
		"sys/fs/selinux/enforce":                "SELinux is enforcing",
		"sys/kernel/security/apparmor/profiles": "AppArmor enforces the profile /usr/sbin/mariadbd",
	} {
		r := newRig(t)
		root := t.TempDir()
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o700))
		must(t, os.WriteFile(filepath.Join(root, file), []byte(map[bool]string{true: "1", false: "/usr/bin/man (enforce)\n/usr/sbin/mariadbd (enforce)\n/usr/sbin/mysqld (complain)\n"}[strings.Contains(file, "selinux")]), 0o600))
		r.put("my.cnf", r.fill(server+quiet+tls), 0o600)
		q, err := (&flags{defaultsFile: filepath.Join(r.dir, "my.cnf"), role: "both", family: "mariadb"}).question()
		must(t, err)
		q.root = root
		hits := 0
		for _, f := range examine(t.Context(), q).Findings {
			if f.Area == "access control" {
				hits++
				if f.Level != levelWarn || f.Do == "" || !strings.Contains(f.Text, want) {
					t.Errorf("%+v, want %q", f, want)
				}
			}
		}
		if hits != 1 {
			t.Errorf("%s: %d findings", file, hits)
		}
	}
}

// TestRedLinesSayWhatToDo holds every transcript to the promise of the package.
func TestRedLinesSayWhatToDo(t *testing.T) {
	for _, c := range transcripts {
		if c.code == cli.ExitUsage || c.cnf == "-" {
			continue
		}
		r := newRig(t)
		r.put("my.cnf", r.fill(c.cnf), 0o600)
		words := append([]string{"--defaults-file=" + filepath.Join(r.dir, "my.cnf")}, c.words...)
		if !strings.Contains(strings.Join(words, " "), "--json") {
			words = append(words, "--json")
		}
		out, _ := r.run(words...)
		var got report
		must(t, json.NewDecoder(strings.NewReader(out)).Decode(&got))
		for _, f := range got.Findings {
			if f.Level == levelBad && f.Do == "" {
				t.Errorf("%s: %q does not say what to do", c.name, f.Text)
			}
			if strings.Contains(f.Text+f.Do, "\n") {
				t.Errorf("%s: %q has more than one line", c.name, f.Text)
			}
		}
	}
}

func TestColour(t *testing.T) {
	r := report{Method: "trireme", Findings: []finding{{Level: levelBad, Area: "port", Text: "taken", Do: "free it"}}}
	var plain, coloured bytes.Buffer
	must(t, r.writeText(&plain, style{}))
	must(t, r.writeText(&coloured, style{colour: true}))
	if strings.Contains(plain.String(), "\x1b") || !strings.Contains(coloured.String(), "\x1b[31;1mbad \x1b[0m") {
		t.Errorf("plain %q, coloured %q", plain.String(), coloured.String())
	}
	if colourful(&plain) {
		t.Error("a buffer counts as a terminal")
	}
}

func TestSplitHint(t *testing.T) {
	for in, want := range map[string][2]string{"a; b": {"a", "b"}, "a; b; c": {"a; b", "c"}, "a": {"a", ""}} {
		if what, do := splitHint(in); what != want[0] || do != want[1] {
			t.Errorf("%q: %q, %q", in, what, do)
		}
	}
}

// TestSameAsTheTransfer: the report has no settings but those of the resolver.
func TestSameAsTheTransfer(t *testing.T) {
	r := newRig(t)
	r.put("my.cnf", r.fill(server+quiet+tls), 0o600)
	q, err := (&flags{defaultsFile: filepath.Join(r.dir, "my.cnf"), role: "donor", family: "mariadb"}).question()
	must(t, err)
	in := q.in
	in.Role = settings.Donor
	set, _, err := settings.Resolve(in)
	must(t, err)
	side := examine(t.Context(), q).Sides[0]
	for i, row := range set.Table() {
		if side.Settings[i] != setting(row) {
			t.Errorf("row %d is %+v, the transfer has %+v", i, side.Settings[i], row)
		}
	}
}

package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// trust shows the parts of TLS that decide a session.
func trust(s *Settings) any {
	t := s.TLS
	out := t.Mode.String()
	for _, f := range []struct {
		name string
		at   Setting
	}{{"ca", t.CA}, {"capath", t.CAPath}, {"cert", t.Cert}, {"key", t.Key}, {"peer", t.PeerCert}, {"cn", t.CommonName}} {
		if f.at.IsSet() {
			out += " " + f.name + "=" + f.at.Value
		}
	}
	if t.NameCheck {
		out += " name"
	}
	return out
}

const (
	tset   = "tca=/ca\ntcert=/c\ntkey=/k\n"
	sslset = "ssl-ca=/sca\nssl-cert=/sc\nssl-key=/sk\n"
	files  = " ca=/ca cert=/c key=/k"
	sfiles = " ca=/sca cert=/sc key=/sk"
)

// TestTrust has a case for every row of sst-options 2 and 2.1 and of the table in design 4.
func TestTrust(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file.pem")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	runRows(t, []row{
		{name: "nothing", get: trust, want: "pinned key", warn: "-"},
		{name: "t set", cnf: "[sst]\n" + tset, get: trust, want: "CA and name verified" + files + " name", warn: "-"},
		{name: "t set relative", cnf: "[sst]\ntca=ca\ntcert=c\n", get: trust, want: "CA and name verified ca=/d/ca cert=/d/c name"},
		{name: "tca directory by slash", cnf: "[sst]\ntca=" + dir + "/\ntcert=/c\n", get: trust, want: "CA and name verified capath=" + dir + " cert=/c name"},
		{name: "tca directory by look", cnf: "[sst]\ntca=" + dir + "\ntcert=/c\n", get: trust, want: "CA and name verified capath=" + dir + " cert=/c name"},
		{name: "tcapath", cnf: "[sst]\ntcapath=" + dir + "\ntcert=/c\n", get: trust, want: "CA and name verified capath=" + dir + " cert=/c name"},
		{name: "tcapath is a file", cnf: "[sst]\ntcapath=" + file + "\ntcert=/c\n", bad: "is not a directory"},
		{name: "tcapath missing", cnf: "[sst]\ntcapath=" + dir + "/none\ntcert=/c\n", bad: "no such file"},
		{name: "tcert alone", cnf: "[sst]\ntcert=/c\n", get: trust, want: "encrypted, peer not verified cert=/c", warn: "not verified"},
		{name: "tca alone", cnf: "[sst]\ntca=/ca\n", bad: "this node has no certificate"},
		{name: "t set displaces ssl", cnf: "[sst]\ntcert=/c\n[mysqld]\n" + sslset, get: trust, want: "encrypted, peer not verified cert=/c", warn: "do not mix"},
		{name: "t names outside sst", cnf: "[mysqld]\n" + tset, get: trust, want: "pinned key"},
		{name: "ssl by presence", cnf: "[mysqld]\n" + sslset, get: trust, want: "CA verified" + sfiles, warn: "-"},
		{name: "ssl-capath", cnf: "[mysqld]\nssl-capath=" + dir + "\nssl-cert=/sc\nssl-key=/sk\n", get: trust, want: "CA verified capath=" + dir + " cert=/sc key=/sk"},
		{name: "ssl without CA", cnf: "[mysqld]\nssl-cert=/sc\nssl-key=/sk\n", get: trust, want: "encrypted, peer not verified cert=/sc key=/sk"},
		{name: "ssl without key", cnf: "[mysqld]\nssl-cert=/sc\n", get: trust, want: "pinned key", warn: "is not used"},
		{name: "ssl on the server's command line", in: Input{MysqldArgs: []string{"--ssl-ca=/sca", "--ssl-cert=/sc", "--ssl-key=/sk"}}, get: trust, want: "CA verified" + sfiles},
		{name: "ssl-server on joiner", cnf: "[sst]\n" + sslset + "ssl-server-cert=/x\nssl-client-cert=/y\n", get: trust, want: "CA verified ca=/sca cert=/x key=/sk"},
		{name: "ssl-client on donor", cnf: "[sst]\n" + tset + "ssl-server-cert=/x\nssl-client-cert=/y\nssl-client-key=/z\nssl-client-ca=/w\n", in: Input{Role: Donor}, get: trust, want: "CA and name verified ca=/w cert=/y key=/z name"},
		{name: "ssl-server-capath", cnf: "[sst]\n" + sslset + "ssl-server-capath=" + dir + "\n", get: trust, want: "CA verified ca=/sca capath=" + dir + " cert=/sc key=/sk"},
		{name: "REQUIRED", cnf: "[mysqld]\nssl_mode=required\n" + sslset, get: trust, want: "encrypted, peer not verified cert=/sc key=/sk"},
		{name: "REQUIRED without certificate", cnf: "[sst]\nssl-mode=REQUIRED\n", bad: "needs a certificate"},
		{name: "VERIFY_CA", cnf: "[sst]\nssl-mode=VERIFY_CA\n" + tset, get: trust, want: "CA verified" + files},
		{name: "VERIFY_CA without CA", cnf: "[sst]\nssl-mode=VERIFY_CA\ntcert=/c\n", bad: "needs the file of the CA"},
		{name: "VERIFY_IDENTITY", cnf: "[sst]\nssl-mode=Verify_Identity\n" + sslset, get: trust, want: "CA and name verified" + sfiles + " name"},
		{name: "VERIFY_IDENTITY without CA", cnf: "[sst]\nssl-mode=VERIFY_IDENTITY\ntcert=/c\n", bad: "needs the file of the CA"},
		{name: "DISABLED", cnf: "[sst]\nssl-mode=DISABLED\n", get: trust, want: "plain", warn: "not encrypted"},
		{name: "DISABLED with files", cnf: "[sst]\nssl-mode=DISABLED\n" + tset, get: trust, want: "plain", warn: "certificates are configured"},
		{name: "server group beats sst", cnf: "[sst]\nssl-mode=REQUIRED\n[mysqld]\nssl-mode=VERIFY_CA\n" + sslset, get: trust, want: "CA verified" + sfiles},
		{name: "PREFERRED", cnf: "[sst]\nssl-mode=PREFERRED\n", bad: `"PREFERRED" is not known`},
		{name: "encrypt 0", cnf: "[sst]\nencrypt=0\n", get: trust, want: "plain", warn: "not encrypted"},
		{name: "encrypt 0 with ssl-mode", cnf: "[sst]\nencrypt=0\nssl-mode=VERIFY_CA\n" + tset, get: trust, want: "CA verified" + files},
		{name: "encrypt 1", cnf: "[sst]\nencrypt=1\nencrypt-algo=aes-256-cbc\n", bad: "set ssl-mode"},
		{name: "encrypt 2", cnf: "[sst]\nencrypt=2\n" + tset, get: trust, want: "CA verified" + files},
		{name: "encrypt 2 without CA", cnf: "[sst]\nencrypt=2\ntcert=/c\n", bad: "level 2 needs the file of the CA"},
		{name: "encrypt 3", cnf: "[sst]\nencrypt=3\n" + tset, get: trust, want: "CA and name verified" + files + " name"},
		{name: "encrypt 3 and VERIFY_CA", cnf: "[sst]\nencrypt=3\nssl-mode=VERIFY_CA\n" + tset, get: trust, want: "CA verified" + files},
		{name: "encrypt 3 without CA", cnf: "[sst]\nencrypt=3\ntcert=/c\ntkey=/k\n", get: trust, want: "encrypted, peer not verified cert=/c key=/k"},
		{name: "encrypt 3 and DISABLED", cnf: "[sst]\nencrypt=3\nssl-mode=DISABLED\ntcert=/c\n", get: trust, want: "encrypted, peer not verified cert=/c", warn: "although ssl-mode=DISABLED"},
		{name: "encrypt 3 without anything", cnf: "[sst]\nencrypt=3\n", bad: "level 3 needs a certificate"},
		{name: "encrypt 4", cnf: "[sst]\nencrypt=4\n" + sslset, get: trust, want: "CA verified" + sfiles},
		{name: "encrypt 4 without CA", cnf: "[sst]\nencrypt=4\ntcert=/c\n", bad: "level 4 needs the file of the CA"},
		{name: "encrypt 5", cnf: "[sst]\nencrypt=5\n", bad: `"5" is not a whole number between 0 and 4`},
		{name: "encrypt word", cnf: "[sst]\nencrypt=on\n", bad: `"on" is not a whole number`},
	})
}

func TestTunnel(t *testing.T) {
	tunnel := Input{Method: MethodTunnel}
	runRows(t, []row{
		{name: "as documented", cnf: "[sst]\n" + tset, in: tunnel, get: trust, want: "CA and name verified" + files + " name", warn: "-"},
		{name: "no tcert", cnf: "[sst]\ntca=/ca\n", in: tunnel, bad: "tcert"},
		{name: "no tca", cnf: "[sst]\ntcert=/c\n", in: tunnel, bad: "tca"},
		{name: "nothing is not plain", in: tunnel, bad: "needs a certificate"},
		{name: "verify 0", cnf: "[sst]\ntcert=/c\nsockopt=\",verify=0\"\n", in: tunnel, get: trust, want: "encrypted, peer not verified cert=/c", warn: "NOT verified"},
		{name: "files in sockopt", cnf: "[sst]\nsockopt=cafile=/a,cert=/b,key=/c\n", in: tunnel, get: trust, want: "CA and name verified ca=/a cert=/b key=/c name"},
		{name: "server ssl is not read", cnf: "[sst]\n" + tset + "[mysqld]\nssl-mode=DISABLED\n" + sslset, in: tunnel, get: trust, want: "CA and name verified" + files + " name", warn: "-"},
		{name: "ssl-mode in sst", cnf: "[sst]\nssl-mode=DISABLED\n" + tset, in: tunnel, get: trust, want: "CA and name verified" + files + " name", warn: "rsync_tunnel"},
	})
}

func TestSecureRsync(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"server.pem", "client.pem", "server.crt", "client.crt"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"WSREP_SST_OPT_AUTH": dir}
	joiner, donor := Input{Method: MethodSecureRsync}, Input{Method: MethodSecureRsync, Role: Donor}
	rows := []row{
		{name: "joiner", in: joiner, env: env, get: trust, want: "pinned certificates cert=" + dir + "/server.pem peer=" + dir + "/client.crt"},
		{name: "donor", in: donor, env: env, get: trust, want: "pinned certificates cert=" + dir + "/client.pem peer=" + dir + "/server.crt"},
		{name: "no credentials", in: donor, env: env, get: func(s *Settings) any { return s.SQLUser }, want: ""},
		{name: "missing", in: joiner, env: map[string]string{"WSREP_SST_OPT_AUTH": dir + "/x"}, bad: dir + "/x/server.pem"},
		{name: "explicit options win", cnf: "[sst]\n" + tset, in: joiner, env: env, get: trust, want: "CA and name verified" + files + " name"},
		{name: "verify 0", cnf: "[sst]\nsockopt=verify=0\n", in: joiner, env: env, bad: "verify"},
	}
	if _, err := os.Stat(defaultSecureDir); err != nil {
		rows = append(rows, row{name: "default directory", in: joiner, env: map[string]string{"WSREP_SST_OPT_AUTH": "u:p"}, bad: defaultSecureDir + "/server.pem"})
	}
	runRows(t, rows)
}

func TestPercona(t *testing.T) {
	dir := t.TempDir()
	in := Input{PXC: true, Datadir: dir}
	ours := fmt.Sprintf(" ca=%[1]s/ca.pem cert=%[1]s/server-cert.pem key=%[1]s/server-key.pem", dir)
	runRows(t, []row{
		{name: "default without files", in: in, bad: "ca.pem"},
		{name: "5.7 default is off", in: Input{PXC: true, ServerVersion: "5.7"}, get: trust, want: "pinned key"},
		{name: "server files", cnf: "[mysqld]\n" + sslset, in: in, get: trust, want: "CA verified" + sfiles},
		{name: "part of them", cnf: "[mysqld]\nssl-ca=/sca\n", in: in, bad: "one of them is missing"},
		{name: "overrides sst", cnf: "[mysqld]\n" + sslset + "[sst]\nencrypt=0\nssl-mode=DISABLED\n", in: in, get: trust, want: "CA verified" + sfiles, warn: "overridden"},
		{name: "nothing beside them", cnf: "[mysqld]\n" + sslset, in: in, get: trust, want: "CA verified" + sfiles, warn: "-"},
		{name: "off", cnf: "[mysqld]\npxc_encrypt_cluster_traffic=OFF\n[sst]\nencrypt=4\n" + sslset, in: in, get: trust, want: "CA verified" + sfiles},
		{name: "off, level 3", cnf: "[mysqld]\npxc_encrypt_cluster_traffic=OFF\n[sst]\nencrypt=3\n" + sslset, in: in, bad: "write encrypt=4"},
		{name: "bad switch", cnf: "[mysqld]\npxc_encrypt_cluster_traffic=perhaps\n" + sslset, in: in, bad: "neither on nor off"},
	})
	for _, name := range []string{"ca.pem", "server-cert.pem", "server-key.pem"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runRows(t, []row{{name: "files of the datadir", in: in, get: trust, want: "CA verified" + ours}})
	for _, name := range []string{"tca", "tcapath", "tcert", "tkey", "ssl-ca", "ssl-capath", "ssl-cert", "ssl-key", "ssl-server-cert", "ssl-client-key",
		"sockopt=cafile", "sockopt=capath", "sockopt=certificate", "sockopt=key"} {
		option := strings.Replace(name, "=", " ", 1)
		runRows(t, []row{{name: option, cnf: "[sst]\n" + name + "=/elsewhere\n", in: in, get: trust, want: "CA verified" + ours, warn: option}})
	}
}

// TestDecider checks that the option which decided the mode is named with its place.
func TestDecider(t *testing.T) {
	s, _, err := Resolve(Input{Files: readFiles(t, "[sst]\n\nssl-mode=DISABLED\n", ""), Datadir: "/d"})
	if err != nil {
		t.Fatal(err)
	}
	if d := s.TLS.Decider; d.Name != "ssl-mode" || !strings.HasSuffix(d.Origin, ":3 [sst]") {
		t.Errorf("decider %+v", d)
	}
}

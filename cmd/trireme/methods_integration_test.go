//go:build integration

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trireme/bench/cluster"
	"trireme/wire/identity/ca"
)

// openssl runs one command of a recipe in a directory.
func (p *papers) openssl(dir, line string) {
	p.Helper()
	cmd := exec.Command("openssl", strings.Fields(line)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		p.Fatalf("openssl %s: %v\n%s", line, err, out)
	}
}

// glue writes files one after the other into another, as cat does, and gives it to the server.
func (p *papers) glue(to string, from ...string) string {
	p.Helper()
	var all []byte
	for _, f := range from {
		data, err := os.ReadFile(f)
		p.must(err)
		all = append(all, data...)
	}
	return p.put(to, string(all), 0o400)
}

// use changes the method of both nodes, in the file and in the running server.
func (r *pair) use(method string) {
	r.Helper()
	r.must(r.c.InstallMethod(method, binary))
	for _, n := range []*cluster.Node{r.one, r.two} {
		n.Set("mysqld", "wsrep-sst-method", method)
		r.must(n.WriteOptions())
	}
	r.exec(r.one, "SET GLOBAL wsrep_sst_method='"+method+"'")
}

// checked demands that "trireme check" finds nothing bad on node two, which is down, and that it describes the channel as the
// transfer has done.
func (r *pair) checked(said talk, method string) {
	r.Helper()
	cmd := exec.Command(binary, "check", "--defaults-file="+r.two.OptionFile(), "--method="+method, "--role=joiner", "--brief")
	cmd.Env = append(os.Environ(), "PATH="+r.c.BinDir()+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.Errorf("trireme check: %v\n%s", err, out)
	}
	for _, l := range said.joiner {
		if _, text, ok := strings.Cut(l, "; channel: "); ok {
			text = text[:strings.LastIndex(text, " (")] // the time
			if method == "secure_rsync" {
				// The server hands its directory on in the environment, which a person does not have.
				text, _, _ = strings.Cut(text, " (from ")
			}
			if !strings.Contains(string(out), text) {
				r.Errorf("trireme check does not say %q:\n%s", text, out)
			}
		}
	}
}

// TestMethods puts the program into the place of the two scripts that it replaces, with their documents' recipes to the letter, and
// takes Percona's names to a MariaDB server.
func TestMethods(t *testing.T) {
	elsewhere.take(t)
	r := newPair(t, cluster.Config{})
	r.boot()
	p := newPapers(r)
	r.exec(r.one, "CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, v TEXT); INSERT INTO t SELECT seq, SHA2(seq, 512) FROM seq_1_to_2000")
	joined := false
	// joins lets node two join from what it has, or from nothing.
	joins := func(t *testing.T, method string, one, two options, want ...string) {
		r := r.in(t)
		r.use(method)
		r.apply(r.one, one)
		r.apply(r.two, two)
		r.exec(r.one, "INSERT INTO d.t SELECT MAX(id) + 1, 'more' FROM d.t")
		if joined {
			r.must(r.two.ForceFullSST())
		}
		said := r.join(r.two, r.one)
		joined = true
		r.channel(said, want...)
		r.must(cluster.EqualNodes(r.ctx, r.one, r.two))
		r.must(r.two.Stop(r.ctx))
		r.checked(said, method)
	}
	tunnel(t, p, joins)
	secureRsync(t, p, joins)
	perconaNames(t, p, joins)
}

type joiner func(t *testing.T, method string, one, two options, want ...string)

// tunnel follows README.wsrep_sst_rsync_tunnel, with the nodes' addresses for their names: bind_address is an address here.
func tunnel(t *testing.T, p *papers, joins joiner) {
	hosts := []string{p.one.Host(), p.two.Host()}
	var certs []string
	for _, host := range hosts {
		base := p.path("mysql-" + host)
		p.openssl(p.dir, "genrsa -out "+base+".key 2048")
		p.openssl(p.dir, "req -new -key "+base+".key -x509 -days 365000 -subj /CN="+host+" -out "+base+".crt -batch")
		p.glue(p.path("mysql-"+host+".pem"), base+".key", base+".crt")
		certs = append(certs, base+".crt")
	}
	all := p.glue(p.path("all-mysql.crt"), certs...)
	self := func(host string) options { return options{"tca": all, "tcert": p.path("mysql-" + host + ".pem")} }
	t.Run("rsync_tunnel, self-signed", func(t *testing.T) {
		joins(t, "rsync_tunnel", self(hosts[0]), self(hosts[1]), "must chain to tca="+all, "and be named "+hosts[1])
	})
	t.Run("rsync_tunnel, without verification", func(t *testing.T) {
		one, two := self(hosts[0]), self(hosts[1])
		one["sockopt"], two["sockopt"] = `"verify=0"`, `"verify=0"`
		joins(t, "rsync_tunnel", one, two, "proved by pin and nonce", "sockopt verify from")
	})
	t.Run("rsync_tunnel, CA", func(t *testing.T) {
		signed := func(n int) options {
			base := fmt.Sprintf("mysql%d", n)
			p.issue(p.ca, base, []string{hosts[n-1]}, ca.Options{Algorithm: ca.RSA})
			return options{"tca": p.path("ca.pem"), "tcert": p.path(base + ".crt"), "tkey": p.path(base + ".key")}
		}
		joins(t, "rsync_tunnel", signed(1), signed(2), "must chain to tca="+p.path("ca.pem"), "and be named "+hosts[1])
	})
	t.Run("rsync_tunnel, name of another", func(t *testing.T) {
		r := p.pair.in(t)
		r.must(r.two.ForceFullSST())
		want := []string{hosts[0], "wanted is one of: " + hosts[1]}
		r.refuses(self(hosts[0]), self(hosts[0]), want, want)
	})
}

// secureRsync follows the README of galera-secure-rsync; who asks the questions of "openssl req" with the enter key gets -batch.
func secureRsync(t *testing.T, p *papers, joins joiner) {
	dir := p.shared("percona-ssl")
	for _, end := range []string{"server", "client"} {
		p.openssl(dir, "genrsa -out "+end+".key 2048")
		p.openssl(dir, "req -new -key "+end+".key -x509 -days 365000 -out "+end+".crt -batch")
		base := filepath.Join(dir, end)
		p.glue(base+".pem", base+".key", base+".crt")
		p.must(os.Chmod(base+".crt", 0o400))
		p.must(p.one.Give(base + ".crt"))
	}
	for _, n := range []*cluster.Node{p.one, p.two} {
		n.Set("mysqld", "wsrep-sst-auth", dir)
	}
	// A running server takes no value without a colon, so it is started with the file as the README has it.
	p.must(p.one.Stop(p.ctx))
	p.must(p.one.Restart(p.ctx, true))
	p.must(p.one.WaitSynced(p.ctx))
	t.Run("secure_rsync", func(t *testing.T) {
		joins(t, "secure_rsync", nil, nil, "must show exactly "+filepath.Join(dir, "client.crt"), "must show exactly "+filepath.Join(dir, "server.crt"))
	})
	t.Run("secure_rsync, another client", func(t *testing.T) {
		r := p.pair.in(t)
		r.must(r.two.ForceFullSST())
		good, err := os.ReadFile(filepath.Join(dir, "client.pem"))
		r.must(err)
		cert, key, err := ca.SelfSigned("intruder", nil, ca.Options{})
		r.must(err)
		r.must(os.Chmod(filepath.Join(dir, "client.pem"), 0o600))
		r.put(filepath.Join(dir, "client.pem"), string(cert)+string(key), 0o400)
		want := []string{"intruder"}
		r.refuses(nil, nil, want, want)
		r.must(os.Chmod(filepath.Join(dir, "client.pem"), 0o600))
		r.put(filepath.Join(dir, "client.pem"), string(good), 0o400)
	})
	for _, n := range []*cluster.Node{p.one, p.two} {
		n.Unset("mysqld", "wsrep-sst-auth")
	}
}

// perconaNames follows "Encrypt PXC traffic" as far as a MariaDB server goes along: encrypt=4, and the files that Percona's server makes
// by itself.
func perconaNames(t *testing.T, p *papers, joins joiner) {
	p.openssl(p.dir, "genrsa -out ca-key.pem 2048")
	p.openssl(p.dir, "req -new -x509 -nodes -days 3600 -key ca-key.pem -subj /CN=Percona-CA -out pxc-ca.pem")
	p.openssl(p.dir, "req -newkey rsa:2048 -nodes -keyout server-key.pem -subj /CN=Percona-server -out server-req.pem")
	p.openssl(p.dir, "x509 -req -in server-req.pem -days 3600 -CA pxc-ca.pem -CAkey ca-key.pem -set_serial 01 -out server-cert.pem")
	authority := p.glue(p.path("given-ca.pem"), p.path("pxc-ca.pem"))
	cert := p.glue(p.path("given-cert.pem"), p.path("server-cert.pem"))
	key := p.glue(p.path("given-key.pem"), p.path("server-key.pem"))
	same := options{"encrypt": "4", "ssl-ca": authority, "ssl-cert": cert, "ssl-key": key}
	t.Run("encrypt=4", func(t *testing.T) {
		joins(t, "trireme", same, same, "must chain to ssl-ca="+authority, "(encrypt from")
	})
	t.Run("automatic files", func(t *testing.T) {
		for _, n := range []*cluster.Node{p.one, p.two} {
			p.glue(filepath.Join(n.Datadir(), "ca.pem"), authority)
			p.glue(filepath.Join(n.Datadir(), "server-cert.pem"), cert)
			p.glue(filepath.Join(n.Datadir(), "server-key.pem"), key)
			n.Set("mysqld", "loose-pxc-encrypt-cluster-traffic", "ON")
			defer n.Unset("mysqld", "loose-pxc-encrypt-cluster-traffic")
		}
		joins(t, "trireme", nil, nil, "must chain to pxc-encrypt-cluster-traffic="+filepath.Join(p.two.Datadir(), "ca.pem"))
	})
}

//go:build integration

package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"trireme/bench/cluster"
)

// authorities are the files of a cluster as a DBA makes them with the program itself, in a directory of the servers' user: for the
// transfers, for the group channel and for one server's clients. Nobody runs openssl.
type authorities struct {
	*pair
	dir string
}

func (a *authorities) path(name string) string { return a.dir + "/" + name }

// certs types one command line of the program.
func (a *authorities) certs(line string) {
	a.Helper()
	argv := append(strings.Fields("certs "+line), "--dir", a.dir)
	if out, err := exec.CommandContext(a.ctx, binary, argv...).CombinedOutput(); err != nil {
		a.Fatalf("trireme %s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

// trusts is the group [sst] of a node with these files.
func (a *authorities) trusts(ca, cert string) options {
	return options{"tca": a.path(ca), "tcert": a.path(cert)}
}

// reload makes node one's group channel and its server read their files again.
func (a *authorities) reload() {
	a.Helper()
	a.exec(a.one, "SET GLOBAL wsrep_provider_options = 'socket.ssl_reload=1'; FLUSH SSL")
}

// login proves that node one's server took its ssl-ca, ssl-cert and ssl-key: a real client verifies it, and shows a certificate.
func (a *authorities) login(ca, cert, key string) {
	a.Helper()
	out, err := exec.CommandContext(a.ctx, "mariadb", "--no-defaults", "--protocol=tcp", "--host="+a.one.Host(), "--port="+fmt.Sprint(basePort), "--user=secure",
		"--ssl-ca="+a.path(ca), "--ssl-cert="+a.path(cert), "--ssl-key="+a.path(key), "--ssl-verify-server-cert",
		"--batch", "--skip-column-names", "--execute=SHOW STATUS LIKE 'Ssl_version'").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "TLSv1.3") {
		a.Errorf("a client with %s and %s: %v: %s", ca, cert, err, out)
	}
}

const basePort = 4306

// TestCertsRotation changes the CA of a running cluster by bundles, as the manual of Percona XtraDB Cluster describes, with a join
// after every step. Node one's server, the donor, is never restarted. In the end the stock methods join by the same files.
func TestCertsRotation(t *testing.T) {
	elsewhere.take(t)
	provider := map[string]string{}
	r := newPair(t, cluster.Config{BasePort: basePort, Provider: provider})
	a := &authorities{pair: r, dir: r.shared("tls")}
	one, two := r.one.Host(), r.two.Host()
	a.certs("init --cert old-ca.pem --key old-ca-key.pem")
	old := "--ca old-ca.pem --ca-key old-ca-key.pem "
	a.certs("issue db1 " + one + " --pem old1.pem " + old)
	a.certs("issue db2 " + two + " --pem old2.pem " + old)
	// The group channel has the same files on all nodes, and node one's server its own for clients.
	a.certs("bundle old-ca.pem --out ca.pem")
	a.certs("issue server " + one + " --cert server-cert.pem --key server-key.pem " + old)
	a.certs("issue client --cert client-cert.pem --key client-key.pem " + old)
	provider["socket.ssl_ca"], provider["socket.ssl_cert"], provider["socket.ssl_key"] = a.path("ca.pem"), a.path("server-cert.pem"), a.path("server-key.pem")
	for k, v := range map[string]string{"ssl-ca": "ca.pem", "ssl-cert": "server-cert.pem", "ssl-key": "server-key.pem"} {
		r.one.Set("mysqld", k, a.path(v))
	}
	r.boot()
	r.exec(r.one, "CREATE USER secure@'%' REQUIRE X509; CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, v TEXT); INSERT INTO t SELECT seq, SHA2(seq, 512) FROM seq_1_to_5000")
	a.login("old-ca.pem", "client-cert.pem", "client-key.pem")

	a.certs("init --cert new-ca.pem --key new-ca-key.pem")
	fresh := "--ca new-ca.pem --ca-key new-ca-key.pem "
	a.certs("renew old1.pem --pem new1.pem --new-key " + fresh)
	a.certs("renew old2.pem --pem new2.pem --new-key " + fresh)
	a.certs("bundle old-ca.pem new-ca.pem --out upgrade-ca.pem")

	for _, step := range []struct {
		name     string
		one, two options
		before   []string // command lines
		refused  string   // why, when the step is one too far
	}{
		{name: "old CA", one: a.trusts("old-ca.pem", "old1.pem"), two: a.trusts("old-ca.pem", "old2.pem")},
		// What the manual's second step amounts to when both ends verify: the node that trusts the new CA alone cannot take
		// the certificate of one that still shows an old one.
		{name: "new CA alone too early", one: a.trusts("upgrade-ca.pem", "old1.pem"), two: a.trusts("new-ca.pem", "new2.pem"), refused: "new-ca.pem"},
		{name: "both CAs everywhere, one new certificate", one: a.trusts("upgrade-ca.pem", "old1.pem"), two: a.trusts("upgrade-ca.pem", "new2.pem"),
			before: []string{"bundle upgrade-ca.pem --out ca.pem --force"}},
		{name: "both CAs everywhere, new certificates", one: a.trusts("upgrade-ca.pem", "new1.pem"), two: a.trusts("upgrade-ca.pem", "new2.pem"),
			before: []string{"renew server-cert.pem server-key.pem --new-key --force " + fresh}},
		{name: "old CA dropped", one: a.trusts("new-ca.pem", "new1.pem"), two: a.trusts("new-ca.pem", "new2.pem"),
			before: []string{"bundle new-ca.pem --out ca.pem --force"}},
	} {
		t.Run(step.name, func(t *testing.T) {
			a := &authorities{pair: r.in(t), dir: a.dir}
			for _, line := range step.before {
				a.certs(line)
				a.reload()
			}
			if step.refused != "" {
				a.must(a.two.Stop(a.ctx))
				a.must(a.two.ForceFullSST())
				a.refuses(step.one, step.two, []string{"was issued by", "SST CA", step.refused}, []string{"was issued by", "old1.pem"})
				return
			}
			a.apply(a.one, step.one)
			a.apply(a.two, step.two)
			a.exec(a.one, "INSERT INTO d.t SELECT MAX(id) + 1, 'more' FROM d.t")
			if a.two.Running() {
				a.must(a.two.Stop(a.ctx))
				a.must(a.two.ForceFullSST())
			}
			said := a.join(a.two, a.one)
			a.channel(said, "must chain to tca="+step.one["tca"], "must chain to tca="+step.two["tca"])
			a.must(cluster.EqualNodes(a.ctx, a.one, a.two))
		})
	}
	// The stock methods run on the same files, through stunnel and socat. Node one has them as its server's, in [mysqld], which
	// these methods prefer.
	a.certs("issue sst " + two + " --cert sst-cert.pem --key sst-key.pem " + fresh)
	a.exec(r.one, "CREATE USER backup@localhost IDENTIFIED BY 'backup'; GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR, REPLICA MONITOR ON *.* TO backup@localhost")
	for method, means := range map[string]string{"rsync": "Using stunnel for SSL encryption", "mariabackup": "Using openssl based encryption with socat"} {
		t.Run("stock "+method, func(t *testing.T) {
			a := &authorities{pair: r.in(t), dir: a.dir}
			files := options{"ssl-ca": a.path("new-ca.pem"), "ssl-cert": a.path("sst-cert.pem"), "ssl-key": a.path("sst-key.pem"), "ssl-mode": "VERIFY_CA"}
			if method == "mariabackup" {
				files["encrypt"] = "4"
				// Its socat listens there on every address of the machine, and other clusters' joiners have theirs at 4444.
				a.two.Set("mysqld", "wsrep-sst-receive-address", two+":4446")
			}
			for _, n := range []*cluster.Node{a.one, a.two} {
				a.apply(n, files)
				n.Set("mysqld", "wsrep-sst-method", method)
				n.Set("mysqld", "wsrep-sst-auth", "backup:backup")
				a.must(n.WriteOptions())
			}
			a.exec(a.one, "SET GLOBAL wsrep_sst_auth = 'backup:backup'")
			said := a.rejoin()
			if !says(said.donor, means) {
				a.Errorf("the donor does not say %q:\n%s", means, strings.Join(said.donor, "\n"))
			}
			a.must(cluster.EqualNodes(a.ctx, a.one, a.two))
		})
	}
	a.certs("issue client --cert client2-cert.pem --key client2-key.pem " + fresh)
	a.login("new-ca.pem", "client2-cert.pem", "client2-key.pem")
	if log := r.one.ErrorLog(); !strings.Contains(log, "ssl://") {
		t.Error("the group channel was not encrypted")
	}
}

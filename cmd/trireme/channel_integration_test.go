//go:build integration

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trireme/bench/cluster"
	"trireme/wire/identity/ca"
)

// papers are the certificate files of one test, by name.
type papers struct {
	*pair
	dir string
	ca  *ca.Authority
	// alien signs certificates that nobody here trusts.
	alien *ca.Authority
}

func newPapers(r *pair) *papers {
	p := &papers{pair: r, dir: r.shared("tls")}
	var err error
	p.ca, err = ca.NewCA("Harbour authority", ca.Options{})
	r.must(err)
	p.alien, err = ca.NewCA("Pirate authority", ca.Options{})
	r.must(err)
	p.file("ca.pem", string(p.ca.CertificatePEM()))
	p.file("alien-ca.pem", string(p.alien.CertificatePEM()))
	return p
}

func (p *papers) path(name string) string { return filepath.Join(p.dir, name) }

func (p *papers) file(name string, parts ...string) string {
	p.Helper()
	return p.put(p.path(name), strings.Join(parts, ""), 0o600)
}

// issue makes the files base.pem (certificate and key), base.crt and base.key.
func (p *papers) issue(by *ca.Authority, base string, names []string, o ca.Options) {
	p.Helper()
	cert, key, err := by.Issue(base, names, o)
	p.must(err)
	p.file(base+".pem", string(cert), string(key))
	p.file(base+".crt", string(cert))
	p.file(base+".key", string(key))
}

// options are the group [sst] of one node, and transport of [trireme].
type options map[string]string

// apply replaces the options of a node. The programs read it at each transfer, so a donor need not be restarted.
func (r *pair) apply(n *cluster.Node, o options) {
	r.Helper()
	for _, k := range []string{"tca", "tcert", "tkey", "ssl-ca", "ssl-cert", "ssl-key", "ssl-mode", "encrypt", "sockopt"} {
		n.Unset("sst", k)
	}
	n.Unset("trireme", "transport")
	for k, v := range o {
		group := "sst"
		if k == "transport" {
			group = "trireme"
		}
		n.Set(group, k, v)
	}
	r.must(n.WriteOptions())
}

// at shifts the clock of a certificate's maker.
func at(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }

const day = 24 * time.Hour

// TestChannel lets one cluster join by every kind of channel, and refuse by every kind of mistake (design 4, sst-options 2).
func TestChannel(t *testing.T) {
	elsewhere.take(t)
	r := newPair(t, cluster.Config{})
	r.boot()
	p := newPapers(r)
	one, two := []string{r.one.Host()}, []string{r.two.Host()}
	p.issue(p.ca, "node1", one, ca.Options{})
	p.issue(p.ca, "node2", two, ca.Options{})
	r.exec(r.one, "CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, v TEXT); INSERT INTO t SELECT seq, SHA2(seq, 512) FROM seq_1_to_5000")
	signed := func(n string) options { return options{"tca": p.path("ca.pem"), "tcert": p.path(n + ".pem")} }

	r.apply(r.one, signed("node1"))
	r.apply(r.two, signed("node2"))
	said := r.join(r.two, r.one)
	r.channel(said, "TLS 1.3, showing \"CN=node2\"", "must chain to tca="+p.path("ca.pem"), "and be named "+r.two.Host())
	t.Run("good", func(t *testing.T) { p.good(r.in(t), signed) })
	r.must(r.two.Stop(r.ctx))
	r.must(r.two.ForceFullSST())
	t.Run("bad", func(t *testing.T) { p.bad(r.in(t), signed) })

	// Whatever was refused before, the cluster goes on and the node heals.
	r.apply(r.one, signed("node1"))
	r.apply(r.two, signed("node2"))
	r.join(r.two, r.one)
	r.must(cluster.EqualNodes(r.ctx, r.one, r.two))
}

// channel looks for the line that describes the channel, in both logs, and for the texts in either.
func (r *pair) channel(said talk, texts ...string) {
	r.Helper()
	both := ""
	for end, lines := range map[string][]string{"joiner": said.joiner, "donor": said.donor} {
		found := ""
		for _, l := range lines {
			if _, text, ok := strings.Cut(l, "; channel: "); ok {
				found += text + "\n"
			}
		}
		if strings.Count(found, "\n") != 1 {
			r.Errorf("the %s describes its channel as %q, want one line", end, found)
		}
		both += found
	}
	for _, text := range texts {
		if !strings.Contains(both, text) {
			r.Errorf("no end says %q:\n%s", text, both)
		}
	}
}

func (p *papers) good(r *pair, signed func(string) options) {
	separate := func(n string) options {
		return options{"tca": p.path("ca.pem"), "tcert": p.path(n + ".crt"), "tkey": p.path(n + ".key")}
	}
	bundle := ""
	for i, n := range []*cluster.Node{r.one, r.two} {
		base := "self" + string(rune('1'+i))
		cert, key, err := ca.SelfSigned(base, []string{n.Host()}, ca.Options{})
		r.must(err)
		p.file(base+".pem", string(cert), string(key))
		bundle += string(cert)
	}
	p.file("bundle.pem", bundle)
	self := func(n string) options { return options{"tca": p.path("bundle.pem"), "tcert": p.path(n + ".pem")} }
	unverified := func(n string) options {
		o := self(n)
		o["sockopt"] = "\"verify=0\""
		return o
	}
	server := func(n, mode string) options {
		return options{"ssl-ca": p.path("ca.pem"), "ssl-cert": p.path(n + ".crt"), "ssl-key": p.path(n + ".key"), "ssl-mode": mode}
	}
	by := func(transport string, o options) options {
		o["transport"] = transport
		return o
	}
	p.issue(p.ca, "elsewhere", []string{"db9.example", "192.0.2.9"}, ca.Options{})
	// What stunnel wants for this mode: the nodes' own certificates in the file, and not the CA that has signed them.
	nodes := ""
	for _, n := range []string{"node1", "node2"} {
		data, err := os.ReadFile(p.path(n + ".crt"))
		r.must(err)
		nodes += string(data)
	}
	p.file("nodes.pem", nodes)
	listed := func(n string) options {
		o := server(n, "VERIFY_IDENTITY")
		o["ssl-ca"] = p.path("nodes.pem")
		return o
	}
	pinned := "the other end is proved by pin and nonce of the address only"
	for _, c := range []struct {
		name     string
		one, two options
		warnings int // of each end
		want     []string
	}{
		{"separate key", separate("node1"), separate("node2"), 0, []string{"must chain to tca=", "and be named"}},
		{"bundle of self-signed", self("self1"), self("self2"), 0, []string{"must chain to tca=" + p.path("bundle.pem")}},
		{"self-signed without verification", unverified("self1"), unverified("self2"), 2, []string{"showing \"CN=self2\"", pinned, "sockopt verify from"}},
		// The chain alone: the joiner's certificate is for another name.
		{"VERIFY_CA", server("node1", "VERIFY_CA"), server("elsewhere", "VERIFY_CA"), 0, []string{"must chain to ssl-ca=" + p.path("ca.pem")}},
		{"VERIFY_IDENTITY", server("node1", "VERIFY_IDENTITY"), server("node2", "verify_identity"), 0, []string{"must chain to ssl-ca=" + p.path("ca.pem"), "and be named " + r.two.Host()}},
		{"VERIFY_IDENTITY, listed", listed("node1"), listed("node2"), 0, []string{"must chain to ssl-ca=" + p.path("nodes.pem"), ", or be listed there, and be named " + r.two.Host()}},
		{"REQUIRED", server("node1", "REQUIRED"), server("node2", "REQUIRED"), 1, []string{"showing \"CN=node2\"", pinned, "ssl-mode from"}},
		{"nothing configured", nil, nil, 0, []string{"showing a certificate made for this transfer", "proved by pin and nonce", "no TLS option is set"}},
		{"disabled", options{"ssl-mode": "DISABLED"}, options{"ssl-mode": "DISABLED"}, 1, []string{"NOT ENCRYPTED, as configured (ssl-mode from"}},
		// The donor has no opinion and follows.
		{"QUIC", signed("node1"), by("quic", signed("node2")), 0, []string{"must chain to tca=", "and be named " + r.two.Host(), "in force: transport=quic from "}},
	} {
		r.Run(c.name, func(t *testing.T) {
			r := r.in(t)
			r.apply(r.one, c.one)
			r.apply(r.two, c.two)
			r.exec(r.one, "INSERT INTO d.t SELECT MAX(id) + 1, 'more' FROM d.t")
			said := r.rejoin()
			r.channel(said, c.want...)
			transport := "TCP"
			if c.two["transport"] == "quic" {
				transport = "QUIC"
			}
			if !says(said.donor, " data connections to "+r.two.Host()+" over "+transport) || !says(said.joiner, "data connections come over "+transport) {
				r.Errorf("the logs do not say that data went over %s", transport)
			}
			if warned := level(said.joiner, "WARNING"); len(warned) != c.warnings {
				r.Errorf("%d warnings at the joiner, want %d: %q", len(warned), c.warnings, warned)
			}
			r.must(cluster.EqualNodes(r.ctx, r.one, r.two))
		})
	}
}

// bad makes one mistake at a time. Each is one clear line on both ends, or on the joiner's alone where it finds its own mistake
// before anybody was called, and changes nothing.
func (p *papers) bad(r *pair, signed func(string) options) {
	for i, names := range [][]string{{r.one.Host()}, {r.two.Host()}} {
		n := string(rune('1' + i))
		p.issue(p.alien, "alien"+n, names, ca.Options{})
		p.issue(p.ca, "expired"+n, names, ca.Options{Now: at(-30 * day), Lifetime: 10 * day})
		p.issue(p.ca, "early"+n, names, ca.Options{Now: at(30 * day), Lifetime: 10 * day})
		p.file("locked"+n+".pem", "secret")
		r.must(os.Chmod(p.path("locked"+n+".pem"), 0))
	}
	type files struct{ ca, cert, key string }
	set := func(f files) options {
		o := options{"tca": p.path("ca.pem"), "tcert": p.path(f.cert)}
		if f.ca != "" {
			o["tca"] = p.path(f.ca)
		}
		if f.key != "" {
			o["tkey"] = p.path(f.key)
		}
		return o
	}
	ways := []struct {
		name  string
		files func(n string) files
		want  func(n string) []string
		// both says that the mistake only shows when the ends meet.
		both bool
	}{
		{"wrong CA", func(n string) files { return files{"alien-ca.pem", "alien" + n + ".pem", ""} },
			func(string) []string { return []string{"Harbour authority", "Pirate authority", "ca.pem", "tca="} }, true},
		{"expired", func(n string) files { return files{"", "expired" + n + ".pem", ""} },
			func(n string) []string {
				return []string{"tcert=" + p.path("expired"+n+".pem"), "my.cnf", "expired on"}
			}, false},
		{"not yet valid", func(n string) files { return files{"", "early" + n + ".pem", ""} },
			func(n string) []string { return []string{"tcert=" + p.path("early"+n+".pem"), "is not valid before"} }, false},
		{"missing certificate", func(n string) files { return files{"", "nothing.pem", ""} },
			func(string) []string { return []string{"tcert=" + p.path("nothing.pem"), "no such file"} }, false},
		{"missing CA", func(n string) files { return files{"nothing.pem", "node" + n + ".pem", ""} },
			func(string) []string { return []string{"tca=" + p.path("nothing.pem"), "no such file"} }, false},
		{"unreadable", func(n string) files { return files{"", "node" + n + ".crt", "locked" + n + ".pem"} },
			func(n string) []string { return []string{"tkey=" + p.path("locked"+n+".pem"), "permission denied"} }, false},
		{"mismatched key", func(n string) files { return files{"", "node" + n + ".crt", "elsewhere.key"} },
			func(n string) []string {
				return []string{"tkey=" + p.path("elsewhere.key"), "does not belong to", p.path("node" + n + ".crt")}
			}, false},
	}
	for _, w := range ways {
		r.Run("joiner "+w.name, func(t *testing.T) {
			r := r.in(t)
			donor := w.want("2")
			if !w.both {
				donor = nil
			}
			r.refuses(signed("node1"), set(w.files("2")), w.want("2"), donor)
		})
		r.Run("donor "+w.name, func(t *testing.T) {
			r := r.in(t)
			r.refuses(set(w.files("1")), signed("node2"), w.want("1"), w.want("1"))
		})
	}
	name := []string{r.two.Host(), "db9.example", "192.0.2.9", "elsewhere.pem", "tcert="}
	r.Run("joiner wrong name", func(t *testing.T) {
		r.in(t).refuses(signed("node1"), set(files{"", "elsewhere.pem", ""}), name, name[:3])
	})
	r.Run("joiner wrong name, VERIFY_IDENTITY", func(t *testing.T) {
		server := func(n string) options {
			return options{"ssl-ca": p.path("ca.pem"), "ssl-cert": p.path(n + ".crt"), "ssl-key": p.path(n + ".key"), "ssl-mode": "VERIFY_IDENTITY"}
		}
		r.in(t).refuses(server("node1"), server("elsewhere"), []string{r.two.Host(), "db9.example", "ssl-cert="}, name[:3])
	})
	r.Run("donor wrong name", func(t *testing.T) {
		o := signed("node2")
		o["sockopt"] = "commonname=admiral"
		want := []string{"admiral", "commonname", r.one.Host()}
		r.in(t).refuses(signed("node1"), o, want, want)
	})
	r.Run("joiner plain", func(t *testing.T) {
		want := []string{"the joiner does not encrypt", "ssl-mode=DISABLED"}
		r.in(t).refuses(signed("node1"), options{"ssl-mode": "DISABLED"}, want, want)
	})
	r.Run("donor plain", func(t *testing.T) {
		want := []string{"the joiner encrypts, but this donor is told not to", "ssl-mode=DISABLED"}
		r.in(t).refuses(options{"ssl-mode": "DISABLED"}, signed("node2"), want, want)
	})
	r.Run("joiner QUIC, donor TCP", func(t *testing.T) {
		want := []string{"the joiner takes QUIC only", "transport=auto"}
		one, two := signed("node1"), signed("node2")
		one["transport"], two["transport"] = "tls", "quic"
		r.in(t).refuses(one, two, want, want)
	})
	r.Run("donor without certificate", func(t *testing.T) {
		want := []string{"showed no certificate", "set tcert and tkey on that node"}
		r.in(t).refuses(nil, signed("node2"), want, want)
	})
	r.Run("joiner without certificate", func(t *testing.T) {
		want := []string{"has no certificate configured", "set tcert and tkey on that node"}
		r.in(t).refuses(signed("node1"), nil, want, want)
	})
}

// refuses lets node two fail to join with the given channels.
func (r *pair) refuses(one, two options, joiner, donor []string) {
	r.Helper()
	r.apply(r.one, one)
	r.apply(r.two, two)
	before := r.footprints(r.two.Datadir())
	said := r.fail()
	r.same(before, r.footprints(r.two.Datadir()))
	r.expectOne("joiner", said.joiner, joiner)
	r.expectOne("donor", said.donor, donor)
}

package settings

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// standard decides by ssl-mode and encrypt, and without them by which files are configured. An encrypt of 2 and more is a
// mode of its own and wins over ssl-mode; encrypt=0 leaves the choice to ssl-mode (sst-options 2).
func (r *resolver) standard() {
	if r.percona() {
		return
	}
	encrypt, level := r.encrypt()
	mode := r.sslMode()
	t := r.tFiles()
	f := r.sslFiles(t)
	switch {
	case level >= 2:
		if mode.Value == "DISABLED" {
			r.promise(encrypt, "the transfer is encrypted although ssl-mode=DISABLED is set (%s)", mode.Origin)
		}
		r.byEncrypt(f, encrypt, level, mode)
	case mode.Value == "DISABLED":
		r.plain(f, mode)
	case mode.IsSet():
		r.byMode(f, mode)
	case encrypt.IsSet() && level == 0:
		r.plain(f, encrypt)
	case t.any():
		r.byPresence(f, true)
	default:
		r.byPresence(f, false)
	}
}

// sslMode reads ssl-mode, in upper case. PREFERRED is refused as the scripts refuse it: it would be a fall-back.
func (r *resolver) sslMode() Setting {
	at := r.lookup("ssl-mode", encGroups)
	at.Value = strings.ToUpper(at.Value)
	switch at.Value {
	case "", "DISABLED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY":
		return at
	}
	r.reject(at, "write DISABLED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY", "mode %q is not known", at.Value)
	// Go on as if encryption were wanted, so that nothing weaker is tried.
	return Setting{}
}

// encrypt reads encrypt; the level is -1 when there is none that holds.
func (r *resolver) encrypt() (Setting, int) {
	groups := encGroups
	if r.in.PXC {
		groups = sstGroup
		if at := r.lookup("encrypt", []string{"xtrabackup"}); at.IsSet() {
			r.reject(at, "set encrypt=4 in the group [sst]", "encrypt in the group [xtrabackup] is not supported")
		}
	}
	at := r.lookup("encrypt", groups)
	if !at.IsSet() {
		return at, -1
	}
	level, err := parseInt(at.Value, 0, 4)
	switch {
	case err != nil:
		r.reject(at, "write 0, 2, 3 or 4, or use ssl-mode instead", "%v", err)
	case level == 1:
		r.reject(at, "remove it together with encrypt-algo and encrypt-key, and set ssl-mode and certificates, or nothing at all: the transfer is encrypted by default", "encryption of the stream with a shared key is not supported")
	case r.in.PXC && level != 0 && level != 4:
		r.reject(at, "write encrypt=4", "level %d is not supported by Percona XtraDB Cluster either", level)
	default:
		return at, level
	}
	return at, -1
}

func (r *resolver) plain(f tlsFiles, at Setting) {
	if f.any() {
		r.promise(at, "the transfer is not encrypted, as written down here, although certificates are configured (%s, %s)", f.first().Name, f.first().Origin)
	} else {
		r.promise(at, "the transfer is not encrypted, as written down here")
	}
	r.s.TLS.Mode, r.s.TLS.Decider = Plain, at
}

// byEncrypt maps the levels of the mariabackup script.
func (r *resolver) byEncrypt(f tlsFiles, at Setting, level int, mode Setting) {
	if !f.cert.IsSet() {
		r.reject(at, "set tcert and tkey in the group [sst], or ssl-cert and ssl-key", "level %d needs a certificate", level)
	}
	if level != 3 && !f.hasCA() {
		r.reject(at, "set tca in the group [sst], or ssl-ca", "level %d needs the file of the CA", level)
	}
	switch {
	case level != 3:
		r.use(f, VerifyCA, false, at)
	case !f.hasCA():
		r.use(f, Required, false, at)
	case mode.Value == "VERIFY_CA":
		r.use(f, VerifyCA, false, at)
	default:
		r.use(f, VerifyIdentity, true, at)
	}
}

// byMode follows an ssl-mode that was written down.
func (r *resolver) byMode(f tlsFiles, mode Setting) {
	if !f.cert.IsSet() {
		r.reject(mode, "set ssl-cert and ssl-key, or remove ssl-mode: the transfer is encrypted by default", "mode %s needs a certificate", mode.Value)
	}
	if mode.Value == "REQUIRED" {
		r.use(f, Required, false, mode)
		return
	}
	if !f.hasCA() {
		r.reject(mode, "set ssl-ca or ssl-capath", "mode %s needs the file of the CA", mode.Value)
	}
	if mode.Value == "VERIFY_CA" {
		r.use(f, VerifyCA, false, mode)
		return
	}
	r.use(f, VerifyIdentity, true, mode)
}

// byPresence decides when neither ssl-mode nor encrypt is set. The t* options belong to the transfer alone, so
// they get the tunnel's rule, chain and name; ssl-* may be meant for clients and get the rsync script's rule.
func (r *resolver) byPresence(f tlsFiles, private bool) {
	switch {
	case f.hasCA() && !f.cert.IsSet():
		r.reject(f.first(), "set the certificate and its key too, or ssl-mode=DISABLED if the transfer shall not be encrypted", "a CA is configured for the transfer, but this node has no certificate")
	case f.hasCA() && private:
		r.use(f, VerifyIdentity, true, f.first())
	case f.hasCA():
		r.use(f, VerifyCA, false, f.first())
	case f.cert.IsSet() && (private || f.key.IsSet()):
		r.use(f, Required, false, f.cert)
	case f.any():
		r.promise(f.first(), "is not used: a certificate needs its key and a key its certificate; the transfer is encrypted with a key of its own")
	}
}

// tFiles reads the options private to the transfer. What sockopt names fills the gaps.
func (r *resolver) tFiles() tlsFiles {
	pick := func(name string, sock Setting) Setting {
		at := r.sstOption(name)
		switch {
		case !at.IsSet() && sock.Value != "":
			return sock
		case sock.Value != "" && sock.Value != at.Value:
			r.warn(sock, "is not used: %s is set (%s)", name, at.Origin)
		}
		return at
	}
	return r.splitDir(tlsFiles{
		ca: pick("tca", r.trust.ca), caPath: pick("tcapath", r.trust.caPath),
		cert: pick("tcert", r.trust.cert), key: pick("tkey", r.trust.keyOpt),
	})
}

// sslFiles applies the set rule (any t* option displaces all ssl-* ones) and then the overrides for this role.
func (r *resolver) sslFiles(t tlsFiles) tlsFiles {
	groups := encGroups
	if r.in.PXC {
		groups = []string{"sst", server}
	}
	get := func(name string) Setting { return r.lookup(name, groups) }
	f := tlsFiles{ca: get("ssl-ca"), caPath: get("ssl-capath"), cert: get("ssl-cert"), key: get("ssl-key")}
	if t.any() {
		if f.any() && (f.ca.Value != t.ca.Value || f.caPath.Value != t.caPath.Value || f.cert.Value != t.cert.Value || f.key.Value != t.key.Value) {
			r.warn(f.first(), "is not used for the transfer: %s is set (%s) and the two families do not mix", t.first().Name, t.first().Origin)
		}
		f = t
	}
	prefix := "ssl-server-"
	if r.in.Role == Donor {
		prefix = "ssl-client-"
	}
	over := func(at *Setting, name string) {
		if o := get(prefix + name); o.IsSet() {
			*at = o
		}
	}
	over(&f.ca, "ca")
	over(&f.caPath, "capath")
	over(&f.cert, "cert")
	over(&f.key, "key")
	return r.splitDir(f)
}

// transferFiles are the options for files of the transfer alone: those of the group [sst], and those that sockopt holds.
func (r *resolver) transferFiles() (set []Setting) {
	all := []Setting{r.trust.ca, r.trust.caPath, r.trust.cert, r.trust.keyOpt}
	for _, name := range []string{"tca", "tcapath", "tcert", "tkey"} {
		all = append(all, r.lookup(name, sstGroup))
	}
	for _, prefix := range []string{"ssl-", "ssl-server-", "ssl-client-"} {
		for _, name := range []string{"ca", "capath", "cert", "key"} {
			all = append(all, r.lookup(prefix+name, sstGroup))
		}
	}
	return slices.DeleteFunc(all, func(s Setting) bool { return !s.IsSet() })
}

// percona honours pxc-encrypt-cluster-traffic, which is on by default from Percona's 8.0: TLS with the server's own files, or with
// those the server makes in its datadir, whatever the group [sst] says. Other servers know no such option, but a loose one that was
// written down speaks about safety and is honoured as well. It reports whether it decided.
func (r *resolver) percona() bool {
	at := r.lookup("pxc-encrypt-cluster-traffic", serverGroup)
	if !at.IsSet() {
		if bare := r.serverSwitch("pxc-encrypt-cluster-traffic"); bare.IsSet() {
			at = bare
		}
	}
	if !r.bool(at, r.in.PXC && !strings.HasPrefix(r.in.ServerVersion, "5.")) {
		return false
	}
	r.s.GroupTLS = r.s.GroupTLS || r.in.PXC // the server hands the same files to the provider
	if !at.IsSet() {
		at = Setting{Name: "pxc-encrypt-cluster-traffic", Value: "ON", Origin: OriginDefault}
	}
	for _, name := range []string{"encrypt", "ssl-mode"} {
		if w := r.lookup(name, sstGroup); w.IsSet() && w.Value != "4" {
			r.warn(w, "is overridden: pxc-encrypt-cluster-traffic is on (%s)", at.Origin)
		}
	}
	for _, w := range r.transferFiles() {
		r.warn(w, "is not read: pxc-encrypt-cluster-traffic is on (%s) and decides", at.Origin)
	}
	get := func(name string) Setting { return r.lookup(name, serverGroup) }
	f := tlsFiles{ca: get("ssl-ca"), cert: get("ssl-cert"), key: get("ssl-key")}
	if !f.any() {
		in := func(name string) Setting {
			path := filepath.Join(r.s.Datadir, name)
			s := Setting{Name: at.Name, Value: path, Origin: at.Origin}
			if _, err := os.Stat(path); err != nil {
				r.reject(s, "set ssl-ca, ssl-cert and ssl-key in [mysqld], or pxc_encrypt_cluster_traffic=OFF", "encryption needs %s: %v", path, err)
			}
			return s
		}
		f = tlsFiles{ca: in("ca.pem"), cert: in("server-cert.pem"), key: in("server-key.pem")}
	}
	if !f.ca.IsSet() || !f.cert.IsSet() || !f.key.IsSet() {
		r.reject(at, "set all of ssl-ca, ssl-cert and ssl-key in [mysqld]", "encryption needs CA, certificate and key, and one of them is missing")
	}
	r.use(f, VerifyCA, false, at)
	return true
}

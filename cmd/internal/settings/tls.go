package settings

import (
	"os"
	"path/filepath"
	"strings"
)

// Mode is how the two ends prove themselves. In every mode the session is also bound to the state request by
// the nonce in the address, and, but for Plain, to the pin there (design 4).
type Mode uint8

// The modes. The zero value is the safest that needs no configuration.
const (
	Pinned         Mode = 0 // nothing configured: a key made for this transfer, its pin in the address
	Required       Mode = 1 // encrypt with our certificate, verify no chain and no name
	VerifyCA       Mode = 2 // both ends present a certificate that chains to the CA
	VerifyIdentity Mode = 3 // the same, and the donor checks the joiner's name
	Certificates   Mode = 4 // the peer presents exactly the certificate in PeerCert
	Plain          Mode = 5 // no encryption: written down by the operator
)

// String names the mode for logs.
func (m Mode) String() string {
	switch m {
	case Pinned:
		return "pinned key"
	case Required:
		return "encrypted, peer not verified"
	case VerifyCA:
		return "CA verified"
	case VerifyIdentity:
		return "CA and name verified"
	case Certificates:
		return "pinned certificates"
	case Plain:
		return "plain"
	}
	panic("settings: internal error: unknown TLS mode")
}

// TLS is the result of all options about trust. Paths are absolute; a zero Setting means that nothing was given.
type TLS struct {
	Mode    Mode
	Decider Setting // the option that decided the mode; zero when that was the absence of any

	CA, CAPath Setting
	Cert, Key  Setting // a zero Key beside a Cert means: look for the key in the certificate's file
	PeerCert   Setting // Certificates only

	NameCheck  bool    // the donor compares the joiner's name with the host of the address
	CommonName Setting // the name that the peer must have instead of the host, on either role
}

// tlsFiles is one set of certificate options.
type tlsFiles struct{ ca, caPath, cert, key Setting }

func (f tlsFiles) any() bool {
	return f.ca.IsSet() || f.caPath.IsSet() || f.cert.IsSet() || f.key.IsSet()
}

func (f tlsFiles) hasCA() bool { return f.ca.IsSet() || f.caPath.IsSet() }

// first returns the first value of the set, to have something to point at.
func (f tlsFiles) first() Setting {
	for _, at := range []Setting{f.cert, f.ca, f.caPath, f.key} {
		if at.IsSet() {
			return at
		}
	}
	return Setting{}
}

// tls decides the mode by the rules of the method, then applies what sockopt says on top, as its place at the
// end of the socat address had it.
func (r *resolver) tls() {
	switch r.in.Method {
	case MethodTunnel:
		r.tunnel()
	case MethodSecureRsync:
		if !r.secureRsync() {
			r.standard()
		}
	default:
		r.standard()
	}
	r.peerChecks()
	r.keyringChannel()
	t := &r.s.TLS
	if t.Mode == Required {
		r.promise(t.Decider, "the certificate of the other node is not verified; configure a CA to change that")
	}
	r.showTLS()
}

func (r *resolver) showTLS() {
	t := &r.s.TLS
	r.show("tls", t.Decider, t.Mode.String())
	for _, f := range []struct {
		name string
		at   Setting
	}{{"tls ca", t.CA}, {"tls ca directory", t.CAPath}, {"tls certificate", t.Cert}, {"tls key", t.Key}, {"tls peer certificate", t.PeerCert}, {"tls name", t.CommonName}} {
		r.show(f.name, f.at, f.at.Value)
	}
	r.show("tls name check", t.Decider, onOff(t.NameCheck))
}

// use installs a set of files with a mode.
func (r *resolver) use(f tlsFiles, m Mode, name bool, decider Setting) {
	t := &r.s.TLS
	t.Mode, t.NameCheck, t.Decider = m, name, decider
	t.CA, t.CAPath, t.Cert, t.Key = r.file(f.ca), r.file(f.caPath), r.file(f.cert), r.file(f.key)
	if m == Required {
		// Modes that verify nothing drop the CA: nodes with certificates from different makers are their purpose.
		t.CA, t.CAPath = Setting{}, Setting{}
	}
	r.caDirectory()
}

// file makes the path of a setting absolute.
func (r *resolver) file(at Setting) Setting {
	if at.IsSet() {
		at.Value = r.abs(at.Value)
	}
	return at
}

// caDirectory checks that a CA directory is one.
func (r *resolver) caDirectory() {
	at := r.s.TLS.CAPath
	if !at.IsSet() {
		return
	}
	if fi, err := os.Stat(at.Value); err != nil {
		r.reject(at, "", "look at CA directory: %v", err)
	} else if !fi.IsDir() {
		r.reject(at, "name a file with tca or ssl-ca instead", "%s is not a directory", at.Value)
	}
}

// peerChecks applies verify= and commonname=. Both speak about a check of the peer's certificate chain; where the
// mode has no such check, the wish cannot be honoured and is rejected.
func (r *resolver) peerChecks() {
	t := &r.s.TLS
	chain := t.Mode == VerifyCA || t.Mode == VerifyIdentity
	if v := r.trust.verify; v.IsSet() {
		on := r.bool(v, true)
		switch {
		case on && !chain && t.Mode != Certificates:
			r.reject(v, "set tca and tcert, or remove it", "verification is asked for, but the mode is %q and there is no CA to verify with", t.Mode)
		case !on && chain:
			r.promise(v, "the certificate of the other node is NOT verified on this end; only the secret in the state request ties the connection to it")
			r.use(tlsFiles{cert: t.Cert, key: t.Key}, Required, false, v)
			chain = false
		case !on && t.Mode != Required:
			r.reject(v, "remove it", "verification is switched off, but the mode is %q, in which it cannot be", t.Mode)
		}
	}
	name := r.trust.commonName
	switch {
	case !name.IsSet():
	case name.Value == "":
		if t.Mode == VerifyIdentity {
			t.Mode, t.NameCheck, t.Decider = VerifyCA, false, name
			r.warn(name, "the name of the other node is not checked, as an empty commonname asks")
		}
	case !chain:
		r.reject(name, "set tca and tcert, or remove it", "a name is to be checked, but the mode is %q and verifies no certificate", t.Mode)
	default:
		t.Mode, t.NameCheck, t.CommonName, t.Decider = VerifyIdentity, true, name, name
	}
}

// splitDir turns a CA that is a directory into a CA directory, as the scripts do.
func (r *resolver) splitDir(f tlsFiles) tlsFiles {
	if !f.ca.IsSet() {
		return f
	}
	fi, err := os.Stat(r.abs(f.ca.Value))
	if strings.HasSuffix(f.ca.Value, "/") || err == nil && fi.IsDir() {
		f.caPath, f.ca = f.ca, Setting{}
	}
	return f
}

// defaultSecureDir is the directory written into the secure_rsync script.
const defaultSecureDir = "/etc/percona/ssl"

// secureRsync sets up pinned certificates from a directory with fixed file names. It reports false when the group
// [sst] has certificate options of its own, which win (sst-options 3.3).
func (r *resolver) secureRsync() bool {
	for _, name := range []string{"tca", "tcapath", "tcert", "tkey", "ssl-ca", "ssl-capath", "ssl-cert", "ssl-key", "ssl-mode", "encrypt"} {
		if r.lookup(name, sstGroup).IsSet() {
			return false
		}
	}
	dir := r.authValue()
	if !filepath.IsAbs(dir.Value) {
		dir = Setting{Name: "certificate directory", Value: defaultSecureDir, Origin: OriginDefault}
	}
	own, peer := "server.pem", "client.crt"
	if r.in.Role == Donor {
		own, peer = "client.pem", "server.crt"
	}
	t := &r.s.TLS
	t.Mode, t.Decider = Certificates, Setting{Name: "method", Value: "secure_rsync", Origin: dir.Origin}
	t.Cert = Setting{Name: dir.Name, Value: filepath.Join(dir.Value, own), Origin: dir.Origin}
	t.PeerCert = Setting{Name: dir.Name, Value: filepath.Join(dir.Value, peer), Origin: dir.Origin}
	for _, at := range []Setting{t.Cert, t.PeerCert} {
		if _, err := os.Stat(at.Value); err != nil {
			r.reject(at, "put the file there, or name the directory in wsrep_sst_auth", "method secure_rsync needs %s: %v", at.Value, err)
		}
	}
	return true
}

package settings

import (
	"slices"
	"strings"

	"trireme/cmd/internal/mycnf"
)

// tunnelNames are all the options that the rsync_tunnel script read.
var tunnelNames = []string{"tca", "tcert", "tkey", "sockopt"}

// tunnel holds to the script: t* options and nothing else, always encrypted, verification of chain and name
// unless sockopt turns it off (sst-options 3.3). Server options for client connections were ignored there and stay so.
func (r *resolver) tunnel() {
	f := r.tFiles()
	r.inexact()
	for _, name := range []string{"ssl-mode", "encrypt"} {
		if at := r.lookup(name, sstGroup); at.IsSet() {
			r.warn(at, "is not read under method rsync_tunnel, which encrypts and verifies by tca and tcert")
		}
	}
	at := f.cert
	if !at.IsSet() {
		r.reject(Setting{Name: "tcert", Origin: "[sst]"}, "set tcert, tkey and tca in the group [sst]", "method rsync_tunnel needs a certificate")
	}
	if !f.hasCA() && !r.verifyOff() {
		r.reject(Setting{Name: "tca", Origin: "[sst]"}, "set tca in the group [sst]", "method rsync_tunnel needs the file of the CA")
	}
	r.use(f, VerifyIdentity, true, at)
}

// sstOption looks up one of the options that all methods share. The rsync_tunnel script knew the exact names only and asked for the
// default locations, whatever file its server was started with, so files in use may have them there; the server's own file comes
// first all the same, since it is the one that somebody chose for this server.
func (r *resolver) sstOption(name string) Setting {
	if r.in.Method != MethodTunnel || !slices.Contains(tunnelNames, name) {
		return r.lookup(name, sstGroup)
	}
	r.asked[name] = true
	at := exact(r.in.Files, name)
	if r.in.Defaults == nil {
		return at
	}
	there := exact(r.in.Defaults, name)
	if !at.IsSet() {
		return there
	}
	if there.IsSet() && there.Value != at.Value {
		r.warn(there, "is not used: %s is set in the option file of this server (%s); the script of this method would have taken the value here", name, at.Origin)
	}
	return at
}

func exact(f *mycnf.File, name string) Setting {
	values := f.Group("sst")
	for i := len(values) - 1; i >= 0; i-- {
		if values[i].Name != name {
			continue
		}
		if text := strings.TrimSpace(values[i].Value); text != "" {
			return Setting{Name: name, Value: text, Origin: values[i].Origin.String()}
		}
		return Setting{}
	}
	return Setting{}
}

// inexact warns about spellings that other methods accept and this one did not: whoever wrote loose-tca counts on it.
func (r *resolver) inexact() {
	for _, v := range r.in.Files.Group("sst") {
		name := mycnf.Fold(v.Name)
		if name != v.Name && slices.Contains(tunnelNames, name) {
			r.warn(Setting{Name: v.Name, Origin: v.Origin.String()}, "is not read under method rsync_tunnel, which knows the exact name %s only", name)
		}
	}
}

// verifyOff says that sockopt holds verify=0.
func (r *resolver) verifyOff() bool {
	return r.trust.verify.IsSet() && isOff(r.trust.verify.Value)
}

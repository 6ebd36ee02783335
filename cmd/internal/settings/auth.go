package settings

import (
	"path/filepath"
	"strings"
)

// authValue finds wsrep_sst_auth: received on standard input, from the server's environment, or written down. Old servers
// put the text (null) for nothing.
func (r *resolver) authValue() Setting {
	const name = "wsrep_sst_auth"
	if r.in.Auth != "" {
		return Setting{Name: name, Value: r.in.Auth, Origin: OriginArgument}
	}
	if v := r.in.Env("WSREP_SST_OPT_AUTH"); v != "" && v != "(null)" {
		return Setting{Name: name, Value: v, Origin: OriginEnv}
	}
	at := r.lookup("wsrep-sst-auth", []string{server, "sst"})
	if at.IsSet() {
		at.Name = name
	}
	return at
}

// auth takes the credentials for questions to the donor's server. The value reaches no message and no table: under
// secure_rsync it may be a directory instead, which tls looks at.
func (r *resolver) auth() {
	at := r.authValue()
	if r.in.Method == MethodSecureRsync && filepath.IsAbs(at.Value) {
		return
	}
	colon := false
	if r.s.SQLUser, r.s.SQLPassword, colon = strings.Cut(at.Value, ":"); at.IsSet() && !colon {
		r.warn(at, "has no colon, so all of it counts as the name of an account without a password; write user:password")
	}
	shown := "not set"
	if at.IsSet() {
		shown = "set, not shown"
	}
	r.show("wsrep_sst_auth", at, shown)
}

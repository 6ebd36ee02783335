package settings

import (
	"path/filepath"
	"strings"
)

// ownFiles collects the files with names of the administrator's choice that belong to this node. It runs when all else is known.
func (r *resolver) ownFiles() {
	own := []string{r.s.GCacheFile}
	if r.s.EncryptionKeyFile != "" {
		own = append(own, r.s.EncryptionKeyFile)
	}
	for _, option := range []string{"log-error", "general-log-file", "slow-query-log-file"} {
		at := r.serverOption(option, "")
		if !at.IsSet() {
			continue // a file at the top of the datadir with the name of the host
		}
		name := r.abs(at.Value)
		if option == "log-error" && filepath.Ext(name) == "" {
			name += ".err"
		}
		r.show(option, at, name)
		own = append(own, name)
	}
	r.s.OwnFiles = own
}

// provider finds the files the replication library keeps open and mapped. They must survive every cleaning step,
// wherever the options put them (contract 8.1).
func (r *resolver) provider() {
	home := r.serverOption("wsrep-data-home-dir", "")
	r.s.WsrepDataHome = r.s.Datadir
	if home.IsSet() {
		r.s.WsrepDataHome = r.abs(home.Value)
	}
	r.show("wsrep-data-home-dir", home, r.s.WsrepDataHome)

	// The whole value is not shown: it can hold a key's password.
	options := r.serverOption("wsrep-provider-options", "")
	dir, name := r.s.WsrepDataHome, "galera.cache"
	var certificate, key, off bool
	for _, part := range strings.Split(options.Value, ";") {
		option, value, _ := strings.Cut(part, "=")
		if value = strings.TrimSpace(value); value == "" {
			continue
		}
		switch strings.TrimSpace(option) {
		case "socket.ssl":
			off = isOff(value)
		case "socket.ssl_cert":
			certificate = true
		case "socket.ssl_key":
			key = true
		case "gcache.dir":
			dir = r.abs(value)
		case "gcache.name":
			name = value
		case "gcs.recv_q_hard_limit":
			// The provider judges its own options; what we cannot read sets no limit.
			r.s.RecvQueueMax, _ = ParseSize(value)
		}
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	r.s.GroupTLS = certificate && key && !off
	r.s.GCacheDir, r.s.GCacheFile = dir, filepath.Clean(name)
	r.show("gcache.name", options, r.s.GCacheFile)
	r.show("group channel encrypted", options, onOff(r.s.GroupTLS))
}

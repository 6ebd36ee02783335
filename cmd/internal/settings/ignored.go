package settings

import (
	"net"
	"strconv"
	"strings"
)

// ignoredOption is an option of a replaced tool: accepted, with one line saying why nothing comes of it.
type ignoredOption struct {
	name   string
	groups []string
	why    string
	// quiet lists values that mean the same as not setting it.
	quiet []string
}

var ignoredOptions = []ignoredOption{
	{"streamfmt", sstGroup, "there is no stream format to choose", nil},
	{"ncsockopt", sstGroup, "netcat is not used", nil},
	{"rebuild", sstGroup, "there is no apply step that could rebuild indexes", []string{"0"}},
	{"sst-special-dirs", sstGroup, "special directories are always handled", []string{"1"}},
	{"inno-backup-opts", backupGroups, "no backup tool is run", nil},
	{"inno-apply-opts", backupGroups, "no backup tool is run", nil},
	{"inno-move-opts", backupGroups, "no backup tool is run", nil},
	{"use-memory", backupGroups, "no backup has to be prepared", nil},
	{"compress-chunk-size", encGroups, "it tuned the backup tool's compression", nil},
	{"compress-threads", encGroups, "it tuned the backup tool's compression", nil},
	{"sst-log-archive", sstGroup, "no tool logs are kept that could be archived", []string{"0"}},
	{"sst-log-archive-dir", sstGroup, "no tool logs are kept that could be archived", nil},
	{"xbstream-opts", sstGroup, "xbstream is not used", nil},
	{"netcat-port", sstGroup, "it belongs to the clone method", nil},
	{"joiner-timeout-xst", sstGroup, "it belongs to the clone method", nil},
	{"joiner-timeout-clone-instance", sstGroup, "it belongs to the clone method", nil},
	{"donor-timeout-wait-joiner", sstGroup, "it belongs to the clone method", nil},
	{"ssl-dhparams", encGroups, "TLS 1.3 needs no Diffie-Hellman parameters", nil},
	{"encrypt-threads", encGroups, "it tuned a tool that is not run", nil},
	{"encrypt-chunk-size", encGroups, "it tuned a tool that is not run", nil},
	{"encrypt-algo", encGroups, "the stream is protected by TLS and by no shared key", nil},
	{"encrypt-format", encGroups, "the stream is protected by TLS and by no shared key", nil},
	{"encrypt-key", encGroups, "the stream is protected by TLS and by no shared key", nil},
	{"encrypt-key-file", encGroups, "the stream is protected by TLS and by no shared key", nil},
}

// ignored warns about every option of the list that is set. The value is never part of the line: one of them is a key.
func (r *resolver) ignored() {
	for _, o := range ignoredOptions {
		at := r.lookup(o.name, o.groups)
		if !at.IsSet() || contains(o.quiet, at.Value) {
			continue
		}
		r.warn(at, "has no effect: %s", o.why)
	}
	if at := r.lookup("transferfmt", sstGroup); at.IsSet() {
		m := r.s.TLS.Mode
		if strings.EqualFold(at.Value, "nc") && m != Plain && m != Pinned {
			r.reject(at, "remove transferfmt", "netcat cannot encrypt, but encryption is configured (%s, %s)", r.s.TLS.Decider.Name, r.s.TLS.Decider.Origin)
		} else {
			r.warn(at, "has no effect: neither socat nor netcat is used")
		}
	}
	r.upgrades()
	r.extra()
}

// extra finds the port that the server's pool of threads keeps for administrators. As with the script it is used where use-extra
// asks for it, by the donor's optional help (wsrep_sst_auth): a pool that is used up would let nobody else in.
func (r *resolver) extra() {
	at := r.lookup("use-extra", sstGroup)
	if !r.bool(at, false) {
		return
	}
	handling, port := r.serverOption("thread-handling", ""), r.serverOption("extra-port", "")
	n := r.int(port, 0, 0, 65535)
	if !strings.EqualFold(handling.Value, "pool-of-threads") || n == 0 {
		r.warn(at, "has no effect: it needs thread-handling=pool-of-threads and an extra-port in a group of the server")
		return
	}
	host, _, _ := strings.Cut(r.serverOption("bind-address", "").Value, ",")
	switch host {
	case "", "*", "0.0.0.0", "::":
		host = "127.0.0.1" // the port is open there as well
	}
	r.s.ExtraAddress = net.JoinHostPort(host, strconv.Itoa(n))
	r.show("use-extra", at, onOff(true))
	r.show("thread-handling", handling, handling.Value)
	r.show("extra-port", port, port.Value)
}

// upgrades concerns the Percona script, which starts a temporary server on the joiner. We start none.
func (r *resolver) upgrades() {
	if at := r.lookup("force-upgrade", sstGroup); at.IsSet() && r.bool(at, false) {
		r.reject(at, "remove it and run the upgrade by hand after the node has joined", "this method starts no server on the received data and cannot upgrade it")
	}
	if at := r.lookup("auto-upgrade", sstGroup); at.IsSet() && r.bool(at, false) {
		r.warn(at, "has no effect: data of an older donor is refused instead of upgraded")
	}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

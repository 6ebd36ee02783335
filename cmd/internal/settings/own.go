package settings

import (
	"fmt"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"trireme/cmd/internal/mycnf"
	"trireme/engine/tree"
	"trireme/wire"
)

// Group is the option group that holds our own settings. No server reads it.
const Group = "trireme"

// NoFile is the value of status-file that means none.
const NoFile = "none"

// Defaults of our own settings.
const (
	defaultLockTarget = 2 * time.Second // consistency 10.2
	defaultPasses     = 5               // consistency 10.2
	// defaultReconnect is a little longer than Galera waits until it expels a node (evs.inactive_timeout, 15 s): after that there
	// is no node left to join. A killed donor looks to its joiner like a broken network, so it is not longer either.
	defaultReconnect = 20 * time.Second

	maxStreams = 256
	maxPasses  = 1000
)

// ownNames are the names of the group [trireme] and of our flags.
var ownNames = []string{
	"transport", "streams", "compress", "rate-limit", "lock-target", "lock-max", "passes", "passes-time", "delta",
	"verify", "paranoid", "progress", "status-file", "metrics-file", "log-format", "reconnect", "manifest",
}

// own reads our settings. A flag beats the file. Values that the stock options can give as well (rlimit,
// compressor, progress) are settled in transfer.
func (r *resolver) own() {
	r.unknownNames()
	s := r.s

	at := r.ownValue("transport")
	s.Transport = r.word(at, "", "tls", "quic", "auto")
	if s.Transport == "quic" && s.TLS.Mode == Plain {
		r.reject(at, "write transport=tls, or turn encryption on", "QUIC always encrypts, and %s from %s turns encryption off", s.TLS.Decider.Name, s.TLS.Decider.Origin)
	}
	switch {
	case s.Transport != "":
		r.show("transport", at, s.Transport)
	case r.in.Role == Donor:
		r.show("transport", at, "the joiner's")
	default:
		r.show("transport", at, "tls")
	}

	at = r.ownValue("streams")
	if s.Streams = r.int(at, 0, 0, maxStreams); s.Streams > wire.MaxLinks {
		r.warn(at, "%d is lowered to %d, the most data connections that a transfer has", s.Streams, wire.MaxLinks)
		s.Streams = wire.MaxLinks
	}
	r.show("streams", at, autoOr(s.Streams))

	at = r.ownValue("delta")
	def := "auto"
	if r.in.WAN {
		def = "on"
	}
	s.Delta = r.word(at, def, "auto", "off", "on")
	r.show("delta", at, s.Delta)

	at = r.ownValue("verify")
	// Not page, though the name suggests it: checksums of pages are the server's to judge, and what is copied is compared byte by byte.
	s.Verify = r.word(at, "tag", "tag", "full")
	all := r.ownValue("paranoid")
	if s.Paranoid = r.bool(all, false); s.Paranoid {
		s.Verify, at = "full", all
	}
	full := at
	r.show("verify", at, s.Verify)
	r.show("paranoid", all, onOff(s.Paranoid))

	at = r.ownValue("manifest")
	s.Manifest = r.word(at, "auto", "auto", "off")
	if s.Manifest == "auto" && s.Verify == "full" {
		s.Manifest, at = "off", full // whoever asks for everything to be compared gets that
	}
	r.show("manifest", at, s.Manifest)

	target, most := r.ownValue("lock-target"), r.ownValue("lock-max")
	s.LockTarget, s.LockMax = r.duration(target, defaultLockTarget), r.duration(most, 0)
	if s.LockMax != 0 && s.LockMax < s.LockTarget {
		if target.IsSet() {
			r.reject(most, "raise lock-max or lower lock-target", "lock-max %s is below lock-target %s", s.LockMax, s.LockTarget)
		}
		s.LockTarget, target = s.LockMax, most // the default gives way
	}
	r.show("lock-target", target, s.LockTarget.String())
	r.show("lock-max", most, noLimit(s.LockMax))

	at = r.ownValue("passes")
	s.Passes = r.int(at, defaultPasses, 0, maxPasses)
	r.show("passes", at, strconv.Itoa(s.Passes))

	at = r.ownValue("passes-time")
	s.PassesTime = r.duration(at, 0)
	r.show("passes-time", at, noLimit(s.PassesTime))

	at = r.ownValue("reconnect")
	s.Reconnect = r.duration(at, defaultReconnect)
	r.show("reconnect", at, s.Reconnect.String())
	s.ReconnectFrom = fmt.Sprintf("reconnect=%v, %s", s.Reconnect, originOr(at))

	at = r.ownValue("log-format")
	s.LogFormat = r.word(at, "text", "text", "json")
	r.show("log-format", at, s.LogFormat)

	if at = r.ownValue("status-file"); strings.EqualFold(at.Value, NoFile) {
		s.StatusOff = true
		r.show("status-file", at, NoFile)
	} else if at.IsSet() {
		s.StatusFile = r.ownPath("status-file")
	} else {
		r.show("status-file", at, filepath.Join(s.Datadir, tree.StatusName))
	}
	s.MetricsFile = r.ownPath("metrics-file")
}

// ownValue looks a name up among the flags and in the group.
func (r *resolver) ownValue(name string) Setting {
	if v, ok := r.in.Flags[name]; ok {
		return Setting{Name: name, Value: strings.TrimSpace(v), Origin: OriginFlag}
	}
	at := r.lookup(name, []string{Group})
	if at.IsSet() {
		return at
	}
	// A switch may stand without a value.
	if p := r.present(name, []string{Group}); p.IsSet() && name == "paranoid" {
		p.Value = "on"
		return p
	}
	return Setting{}
}

func (r *resolver) ownPath(name string) string {
	at := r.ownValue(name)
	path := ""
	if at.Value != "" {
		path = r.abs(at.Value)
	}
	r.show(name, at, path)
	return path
}

// unknownNames rejects what the group or the flags hold beyond the list. The group is ours alone, so a name
// that is not known is a typing error and not another program's option.
func (r *resolver) unknownNames() {
	known := make(map[string]bool, len(ownNames))
	for _, n := range ownNames {
		known[n] = true
	}
	check := func(name, origin string) {
		if !known[name] {
			r.reject(Setting{Name: name, Origin: origin}, suggest(name, ownNames), "no such setting of the group [trireme]")
		}
	}
	for _, v := range r.in.Files.Group(Group) {
		name, origin := mycnf.Fold(v.Name), v.Origin.String()
		check(name, origin)
		// Templates leave such lines behind, so it is no error, but nobody should believe that it says something.
		if at := (Setting{Name: name, Origin: origin}); known[name] && name != "paranoid" && strings.TrimSpace(v.Value) == "" {
			r.warn(at, "has no value and counts as not set")
		}
	}
	names := make([]string, 0, len(r.in.Flags))
	for name := range r.in.Flags {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		check(name, OriginFlag)
	}
}

func autoOr(n int) string {
	if n == 0 {
		return "auto"
	}
	return strconv.Itoa(n)
}

func originOr(at Setting) string {
	if at.IsSet() {
		return at.Origin
	}
	return OriginDefault
}

func noLimit(d time.Duration) string {
	if d == 0 {
		return "no limit"
	}
	return d.String()
}

package settings

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// sockRule handles one option of the list.
type sockRule func(r *resolver, at Setting, item sockItem)

// sockRules maps every socat option we know, aliases included, to what becomes of it.
var sockRules = buildSockRules()

func buildSockRules() map[string]sockRule {
	rules := make(map[string]sockRule)
	put := func(rule sockRule, names ...string) {
		for _, n := range names {
			rules[n] = rule
		}
	}
	// Trust.
	put(setTrust(func(t *sockTrust) *Setting { return &t.verify }), "verify", "openssl-verify")
	put(setTrust(func(t *sockTrust) *Setting { return &t.commonName }), "commonname", "cn", "openssl-commonname")
	put(setTrust(func(t *sockTrust) *Setting { return &t.ca }), "cafile", "openssl-cafile")
	put(setTrust(func(t *sockTrust) *Setting { return &t.caPath }), "capath", "openssl-capath")
	put(setTrust(func(t *sockTrust) *Setting { return &t.cert }), "certificate", "cert", "openssl-certificate")
	put(setTrust(func(t *sockTrust) *Setting { return &t.keyOpt }), "key", "openssl-key")
	put(cipher, "cipher", "ciphers", "cipherlist", "openssl-cipherlist")
	put(method, "method", "openssl-method")
	put(minProto, "openssl-min-proto-version", "min-proto-version", "min-version")
	put(maxProto, "openssl-max-proto-version", "max-proto-version", "max-version")
	put(fips, "fips", "openssl-fips")
	put(compress, "compress", "openssl-compress")
	put(text(func(o *SockOpts) *string { return &o.SNIHost }), "snihost", "openssl-snihost")
	put(func(r *resolver, at Setting, item sockItem) { r.s.sock.NoSNI = r.sockSwitch(at, item) }, "no-sni", "nosni", "openssl-no-sni")

	// Addresses and access.
	put(family, "pf", "protocol-family")
	put(localAddress, "bind")
	put(text(func(o *SockOpts) *string { return &o.Interface }), "so-bindtodevice", "bindtodevice", "if", "interface")
	put(number(func(o *SockOpts) *int { return &o.SourcePort }, 1, 65535), "sourceport", "sp")
	put(accessRange, "range")
	put(number(func(o *SockOpts) *int { return &o.TOS }, 0, 255), "tos", "ip-tos")

	// TCP.
	put(toggle(func(o *SockOpts) *Toggle { return &o.KeepAlive }), "keepalive", "so-keepalive")
	put(toggle(func(o *SockOpts) *Toggle { return &o.NoDelay }), "nodelay", "tcp-nodelay")
	put(seconds(func(o *SockOpts) *time.Duration { return &o.KeepIdle }, time.Second), "keepidle", "tcp-keepidle")
	put(seconds(func(o *SockOpts) *time.Duration { return &o.KeepInterval }, time.Second), "keepintvl", "tcp-keepintvl")
	put(number(func(o *SockOpts) *int { return &o.KeepCount }, 1, 127), "keepcnt", "tcp-keepcnt")
	put(milliseconds, "user-timeout", "tcp-user-timeout")
	put(number(func(o *SockOpts) *int { return &o.MSS }, 88, 65495), "mss", "maxseg", "tcp-maxseg", "mss-late", "tcp-maxseg-late")
	put(text(func(o *SockOpts) *string { return &o.Congestion }), "congestion", "tcp-congestion")
	put(buffer(func(o *SockOpts) *int { return &o.SndBuf }), "sndbuf", "so-sndbuf", "sndbuf-late", "so-sndbuf-late")
	put(buffer(func(o *SockOpts) *int { return &o.RcvBuf }), "rcvbuf", "so-rcvbuf", "rcvbuf-late", "so-rcvbuf-late")

	// Connecting.
	put(seconds(func(o *SockOpts) *time.Duration { return &o.ConnectTimeout }, 0), "connect-timeout")
	put(seconds(func(o *SockOpts) *time.Duration { return &o.Interval }, 0), "interval", "intervall")
	put(number(func(o *SockOpts) *int { return &o.Retry }, 0, 1<<31-1), "retry")
	put(func(r *resolver, at Setting, item sockItem) { r.s.sock.Forever = r.sockSwitch(at, item) }, "forever")

	// Accepted: true anyway.
	put(func(*resolver, Setting, sockItem) {}, "reuseaddr", "so-reuseaddr", "fork")

	for reason, names := range sockIgnored {
		put(func(r *resolver, at Setting, _ sockItem) { r.warn(at, "has no effect: %s", reason) }, names...)
	}
	for reason, names := range sockRefused {
		put(func(r *resolver, at Setting, _ sockItem) { r.reject(at, "remove it", "%s", reason) }, names...)
	}
	return rules
}

// sockIgnored lists options that tuned socat, by the reason why nothing is lost.
var sockIgnored = map[string][]string{
	"TLS 1.3 needs no Diffie-Hellman parameters":              {"dhparam", "dhparams", "dh", "openssl-dhparam"},
	"random numbers come from the kernel":                     {"egd", "pseudo", "openssl-egd", "openssl-pseudo"},
	"the source port is free, or given by sourceport":         {"lowport"},
	"the kernel's choice is kept":                             {"cork", "tcp-cork", "syncnt", "tcp-syncnt", "quickack", "tcp-quickack", "defer-accept", "tcp-defer-accept", "ttl", "ip-ttl", "dscp", "reuseport", "so-reuseport", "linger", "so-linger", "priority", "so-priority", "ipv6only", "ipv6-v6only"},
	"the listener takes the connections of one transfer only": {"backlog", "max-children", "max-children-late"},
	"there is no stream pair to shut down":                    {"ignoreeof", "shut-none", "shut-down", "shut-close", "shut-null", "lockfile", "waitlock", "history", "history-file", "end-close", "null-eof", "cloexec", "nonblock"},
}

// sockRefused lists options that would change who may connect, with which rights, or which bytes arrive.
var sockRefused = map[string][]string{
	"host access files are not read, and a lost access rule is dangerous; use range=": {"tcpwrap", "tcpwrappers", "allow-table", "deny-table", "hosts-allow", "hosts-deny", "tcpwrap-etc", "tcpwrap-dir"},
	"process rights are not changed":         {"chroot", "chroot-early", "su", "su-d", "setuid", "setuid-early", "setgid", "user", "user-early", "group", "group-early", "mode", "perm", "umask", "substuser", "substuser-delayed"},
	"it would change the bytes on their way": {"crnl", "cr", "crlf", "readbytes", "bytes", "escape"},
	"proxies are not supported":              {"proxyport", "proxy", "socksport", "socksuser", "socks", "proxyauth", "proxy-authorization", "proxy-resolve"},
	"terminals are not supported":            {"pty", "ctty", "setsid", "stderr", "nofork"},
}

// setTrust keeps a value for tls, which weighs it against the other options.
func setTrust(field func(*sockTrust) *Setting) sockRule {
	return func(r *resolver, at Setting, item sockItem) {
		if item.bare {
			if at.Name != "sockopt verify" && at.Name != "sockopt openssl-verify" {
				r.reject(at, "write "+item.name+"=VALUE", "no value is given")
				return
			}
			at.Value = "1"
		}
		*field(&r.trust) = at
	}
}

func text(field func(*SockOpts) *string) sockRule {
	return func(r *resolver, at Setting, item sockItem) {
		if item.value == "" {
			r.reject(at, "", "no value is given")
			return
		}
		*field(&r.s.sock) = item.value
	}
}

// localAddress takes an IP address, in brackets or not. A name would have to be resolved here and could change in between, and a port
// has an option of its own on the donor and is in the state request on the joiner.
func localAddress(r *resolver, at Setting, item sockItem) {
	a, err := netip.ParseAddr(strings.Trim(item.value, "[]"))
	if err != nil {
		r.reject(at, "write bind=ADDRESS, without a port", "%q is not an IP address", item.value)
		return
	}
	r.s.sock.Bind = a.String()
}

func number(field func(*SockOpts) *int, low, high int) sockRule {
	return func(r *resolver, at Setting, _ sockItem) { *field(&r.s.sock) = r.int(at, 0, low, high) }
}

// seconds parses a time; whole, if not zero, is the unit the kernel counts in.
func seconds(field func(*SockOpts) *time.Duration, whole time.Duration) sockRule {
	return func(r *resolver, at Setting, _ sockItem) {
		d := r.duration(at, 0)
		if whole != 0 && d%whole != 0 {
			r.reject(at, "", "%q is not a whole number of seconds", at.Value)
		}
		*field(&r.s.sock) = d
	}
}

// milliseconds is the unit of TCP_USER_TIMEOUT, which socat passes on as it is.
func milliseconds(r *resolver, at Setting, _ sockItem) {
	r.s.sock.UserTimeout = time.Duration(r.int(at, 0, 0, 1<<31-1)) * time.Millisecond
}

func toggle(field func(*SockOpts) *Toggle) sockRule {
	return func(r *resolver, at Setting, item sockItem) {
		*field(&r.s.sock) = Off
		if r.sockSwitch(at, item) {
			*field(&r.s.sock) = On
		}
	}
}

// sockSwitch is a boolean of the list; without a value it is on.
func (r *resolver) sockSwitch(at Setting, item sockItem) bool {
	return item.bare || r.bool(at, false)
}

// maxBuffer is where a socket buffer stops being one.
const maxBuffer = 1 << 30

func buffer(field func(*SockOpts) *int) sockRule {
	return func(r *resolver, at Setting, _ sockItem) {
		n := r.size(at, 0)
		if n == 0 || n > maxBuffer {
			r.warn(at, "socket buffer of %d bytes is not usable and is ignored", n)
			return
		}
		*field(&r.s.sock) = int(n)
	}
}

func family(r *resolver, at Setting, _ sockItem) {
	switch strings.ToLower(at.Value) {
	case "ip4", "ipv4", "inet", "2":
		r.s.sock.Family = "ip4"
	case "ip6", "ipv6", "inet6", "10":
		r.s.sock.Family = "ip6"
	default:
		r.reject(at, "", "address family %q is neither ip4 nor ip6", at.Value)
	}
}

// accessRange reads address/bits or address:mask, with IPv6 in brackets.
func accessRange(r *resolver, at Setting, _ sockItem) {
	p, err := parseRange(at.Value)
	if err != nil {
		r.reject(at, "write ADDRESS/BITS", "%v", err)
		return
	}
	r.s.sock.Ranges = append(r.s.sock.Ranges, p)
}

func parseRange(s string) (netip.Prefix, error) {
	s = strings.Trim(s, "[]")
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	if host, mask, ok := strings.Cut(s, ":"); ok {
		a, errA := netip.ParseAddr(host)
		m, errM := netip.ParseAddr(mask)
		if errA == nil && errM == nil && a.Is4() && m.Is4() {
			bits := 0
			b := m.As4()
			word := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
			for ; word&(1<<31) != 0; word <<= 1 {
				bits++
			}
			if word == 0 {
				return netip.PrefixFrom(a, bits).Masked(), nil
			}
		}
	}
	return netip.Prefix{}, fmt.Errorf("%q is not an address range", s)
}

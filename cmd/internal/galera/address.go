package galera

import (
	"net"
	"strconv"
	"strings"
)

// DefaultPort is what every stock script takes when an address names none.
const DefaultPort = 4444

// Address is the parsed form of an SST address, "[auth@]host[:port][/path]".
type Address struct {
	Auth    string // text before the last @; a secret
	Host    string // without brackets and zone
	Zone    string // IPv6 zone that was stripped; servers refuse %, so it can never travel in an address
	Port    int    // 1 to 65535
	HasPort bool   // the port was written, not defaulted
	Path    string // after the first slash, without it
}

// SplitAddress parses an SST address. The host may be a name, an IPv4 address, a bracketed IPv6 address, or, from old
// servers, a bare IPv6 address: more than one colon and no bracket make the whole a host (sst-contract 11). The alphabet
// is that of the strictest server that lets a request through, because some check nothing and what they pass on comes
// from another machine. Errors are ExitErrors, with ExitUnsafe for the alphabet and ExitInvalid for the rest; none
// repeats the part before the @.
func SplitAddress(s string) (Address, error) {
	var a Address
	rest := s
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		a.Auth, rest = s[:i], s[i+1:]
		if i := strings.IndexFunc(a.Auth, func(r rune) bool { return r <= ' ' || r == 0x7f }); i >= 0 {
			return Address{}, exitf(ExitUnsafe, "parse address: blank or control character before the @ at offset %d", i)
		}
	}
	host, path, _ := strings.Cut(rest, "/")
	a.Path = path
	if i := strings.IndexFunc(path, func(r rune) bool { return !addressRune(r) }); i >= 0 {
		return Address{}, exitf(ExitUnsafe, "parse address %q: character %q in the path", rest, path[i:i+1])
	}
	port := ""
	switch {
	case strings.HasPrefix(host, "["):
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return Address{}, exitf(ExitInvalid, "parse address %q: no ] after the IPv6 address", rest)
		}
		after := host[end+1:]
		a.Host = host[1:end]
		if after != "" && after[0] != ':' {
			return Address{}, exitf(ExitInvalid, "parse address %q: expected :port after ], found %q", rest, after)
		}
		a.HasPort = after != ""
		port = strings.TrimPrefix(after, ":")
	case strings.Count(host, ":") > 1:
		a.Host = host
	default:
		a.Host, port, a.HasPort = strings.Cut(host, ":")
	}
	if strings.Contains(a.Host, ":") || strings.HasPrefix(host, "[") {
		a.Host, a.Zone, _ = strings.Cut(a.Host, "%")
		if net.ParseIP(a.Host) == nil || !strings.Contains(a.Host, ":") {
			return Address{}, exitf(ExitInvalid, "parse address %q: %q is not an IPv6 address", rest, a.Host)
		}
		if i := strings.IndexFunc(a.Zone, func(r rune) bool { return !addressRune(r) || r == '/' }); i >= 0 {
			return Address{}, exitf(ExitUnsafe, "parse address %q: character %q in the zone", rest, a.Zone[i:i+1])
		}
	}
	if a.Host == "" {
		return Address{}, exitf(ExitInvalid, "parse address %q: no host in it, expected host[:port][/path]", rest)
	}
	if i := strings.IndexFunc(a.Host, func(r rune) bool { return !addressRune(r) || r == '[' || r == ']' }); i >= 0 {
		return Address{}, exitf(ExitUnsafe, "parse address %q: character %q in the host", rest, a.Host[i:i+1])
	}
	a.Port = DefaultPort
	if a.HasPort {
		n, err := parsePort(port)
		if err != nil {
			return Address{}, exitf(ExitInvalid, "parse address %q: %w", rest, err)
		}
		a.Port = n
	}
	return a, nil
}

// HostPort returns host:port, with brackets round an IPv6 host: a form to dial, and to advertise.
func (a Address) HostPort() string {
	return net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}

// ParsedAddress parses Args.Address and holds --host and --port against it, which the servers never give but people do.
// A --port that contradicts the address is an ExitError with ExitMissing, the code of the stock scripts.
func (a Args) ParsedAddress() (Address, error) {
	s := a.Address
	if s == "" {
		s = a.Host
	}
	addr, err := SplitAddress(s)
	if err != nil {
		return Address{}, err
	}
	if a.Port == "" {
		return addr, nil
	}
	port, err := parsePort(a.Port)
	if err != nil {
		return Address{}, exitf(ExitInvalid, "read argument --port: %w", err)
	}
	if addr.HasPort && addr.Port != port {
		return Address{}, exitf(ExitMissing, "read argument --port: %d contradicts port %d of --address, give one of them", port, addr.Port)
	}
	addr.Port, addr.HasPort = port, true
	return addr, nil
}

// parsePort reads a decimal port; signs and blanks are errors.
func parsePort(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, exitf(ExitInvalid, "%q is not a port, expected 1 to 65535", s)
	}
	return int(n), nil
}

// addressRune reports whether every server of sst-contract 4.2 lets r through in an address.
func addressRune(r rune) bool {
	return isAlnum(r) || strings.ContainsRune("-_.:[]/", r)
}

func isAlnum(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

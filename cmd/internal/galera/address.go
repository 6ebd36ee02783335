package galera

import "errors"

// DefaultPort is what every stock script takes when an address names none.
const DefaultPort = 4444

// Address is the parsed form of an SST address.
type Address struct {
	Auth    string // text before the last @; a secret
	Host    string // without brackets and zone
	Zone    string // IPv6 zone that was stripped; it can never travel in an address
	Port    int
	HasPort bool   // the port was written, not defaulted
	Path    string // after the first slash, without it
}

// SplitAddress parses an SST address.
func SplitAddress(s string) (Address, error) { return Address{}, errors.ErrUnsupported }

// ParseAddress is SplitAddress in loose values.
func ParseAddress(s string) (host string, port int, path string, auth string, err error) {
	return "", 0, "", "", errors.ErrUnsupported
}

// HostPort returns host:port, with brackets round an IPv6 host.
func (a Address) HostPort() string { return "" }

// ParsedAddress parses Args.Address and holds --host and --port against it.
func (a Args) ParsedAddress() (Address, error) { return Address{}, errors.ErrUnsupported }

package serveremul

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	wordAddress = regexp.MustCompile(`^[\w:/.\[\]-]+$`)
	plainText   = regexp.MustCompile(`^[A-Za-z0-9_.:\[\]/-]+$`)
	methodName  = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	positionRE  = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}:-?[0-9]+( .*)?$`)
)

// request is what a donor's server makes of the joiner's method and address (sst-contract 4.2).
func (p Profile) request(o Options) (address, auth string, err error) {
	address = o.Address
	if p.Address == AddressAny {
		return address, "", nil
	}
	if !methodName.MatchString(o.Method) {
		return "", "", fmt.Errorf("invalid method %q in the request", o.Method)
	}
	if p.Address == AddressAuth {
		if i := strings.LastIndexByte(address, '@'); i >= 0 {
			auth, address = address[:i], address[i+1:]
		}
	}
	switch {
	case p.Address == AddressPXC && !slices.Contains(o.Allowed, o.Method):
		return "", "", fmt.Errorf("method %q is not in wsrep_sst_allowed_methods", o.Method)
	case p.Address == AddressPXC && !wordAddress.MatchString(address),
		p.Address != AddressPXC && !plainText.MatchString(address):
		return "", "", fmt.Errorf("invalid address %q in the request", address)
	}
	return address, auth, nil
}

// checkPosition judges a line that should be a position.
func checkPosition(s string) error {
	if !positionRE.MatchString(s) {
		return errors.New("unreadable position " + s)
	}
	return nil
}

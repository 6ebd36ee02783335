package identity

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// commonNames returns all of them: OpenSSL compares each, while pkix.Name keeps only the last.
func commonNames(c *x509.Certificate) []string {
	var names []string
	for _, a := range c.Subject.Names {
		if s, ok := a.Value.(string); ok && a.Type.Equal(oidCommonName) {
			names = append(names, s)
		}
	}
	return names
}

// matchName looks for want in the certificate: alternative names first, the common name only when the certificate has
// neither DNS names nor addresses (sst-options 4). warning is set when the match is one that a strict peer would not accept.
func matchName(c *x509.Certificate, want string) (ok bool, warning string) {
	want = strings.TrimSuffix(want, ".")
	if want == "" {
		return false, ""
	}
	legacy := len(c.DNSNames) == 0 && len(c.IPAddresses) == 0
	if ip, err := netip.ParseAddr(strings.Trim(want, "[]")); err == nil {
		return matchAddress(c, ip.WithZone("").Unmap(), legacy)
	}
	for _, n := range c.DNSNames {
		if matchPattern(n, want) {
			return true, ""
		}
	}
	if !legacy {
		return false, ""
	}
	for _, n := range commonNames(c) {
		if matchPattern(n, want) {
			return true, ""
		}
	}
	return false, ""
}

// matchAddress also takes an address that was written into a DNS name or a common name, as socat and stunnel do.
func matchAddress(c *x509.Certificate, want netip.Addr, legacy bool) (ok bool, warning string) {
	for _, ip := range c.IPAddresses {
		if a, valid := netip.AddrFromSlice(ip); valid && a.Unmap() == want {
			return true, ""
		}
	}
	texts := c.DNSNames
	where := "a DNS name"
	if legacy {
		texts, where = commonNames(c), "the common name"
	}
	for _, n := range texts {
		if a, err := netip.ParseAddr(strings.Trim(n, "[]")); err == nil && a.Unmap() == want {
			return true, fmt.Sprintf("the address %s stands in %s of certificate %s as text; put it into an IP alternative name", want, where, Describe(c))
		}
	}
	return false, ""
}

// matchPattern compares host names without regard to case. A star may stand for the whole leftmost label and needs two labels
// after it, so that *.local does not cover every host there is (OpenSSL has the same rule).
func matchPattern(pattern, host string) bool {
	pattern = strings.ToLower(strings.TrimSuffix(pattern, "."))
	host = strings.ToLower(host)
	if pattern == "" {
		return false
	}
	rest, wild := strings.CutPrefix(pattern, "*.")
	if !wild {
		return pattern == host
	}
	label, domain, ok := strings.Cut(host, ".")
	return ok && label != "" && strings.Contains(rest, ".") && !strings.Contains(rest, "*") && domain == rest
}

// vouches says whether the name constraints of a CA let it give somebody this host name or address (RFC 5280 section 4.2.1.10).
func vouches(ca *x509.Certificate, name string) bool {
	host := strings.ToLower(strings.TrimSuffix(name, "."))
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		a := net.IP(ip.WithZone("").Unmap().AsSlice())
		return within(ca.PermittedIPRanges, ca.ExcludedIPRanges, func(n *net.IPNet) bool { return n.Contains(a) })
	}
	return within(ca.PermittedDNSDomains, ca.ExcludedDNSDomains, func(domain string) bool {
		domain = strings.ToLower(domain)
		// A dot in front leaves the domain itself out; crypto/x509 reads it so as well.
		return domain == "" || host == domain || strings.HasSuffix(host, "."+strings.TrimPrefix(domain, "."))
	})
}

// within applies one kind of constraints: nothing excluded may cover a name, and something permitted must if there is any.
func within[T any](permitted, excluded []T, covers func(T) bool) bool {
	return !slices.ContainsFunc(excluded, covers) && (len(permitted) == 0 || slices.ContainsFunc(permitted, covers))
}

// NamesOf lists what the certificate could be matched by, for messages.
func NamesOf(c *x509.Certificate) string {
	var names []string
	for _, n := range c.DNSNames {
		names = append(names, "DNS:"+clean(n))
	}
	for _, ip := range c.IPAddresses {
		names = append(names, "IP:"+ip.String())
	}
	if len(names) == 0 {
		for _, n := range commonNames(c) {
			names = append(names, "CN="+clean(n))
		}
	}
	if len(names) == 0 {
		return "no name"
	}
	if len(names) > 8 {
		names = append(names[:8], fmt.Sprintf("and %d more", len(names)-8))
	}
	return strings.Join(names, ", ")
}

// SharedName explains the trap of the recipes by hand: a node's certificate with the name of the CA that issued it. It returns
// nothing for a self-signed certificate, which shares its name with itself.
func SharedName(c *x509.Certificate) string {
	// Names are compared as OpenSSL does, which looks neither at the case nor at the type of the strings in them.
	same := strings.EqualFold(c.Subject.String(), c.Issuer.String())
	switch {
	case selfSigned(c):
	case same && (len(c.AuthorityKeyId) == 0 || len(c.SubjectKeyId) == 0):
		return fmt.Sprintf("certificate %s has the same subject as the CA that signed it; OpenSSL-based tools take it for self-signed and refuse it", Describe(c))
	case same:
		return fmt.Sprintf("certificate %s has the same subject as the CA that signed it; only their key identifiers tell them apart, which not every program looks at", Describe(c))
	case c.Issuer.CommonName != "" && slices.ContainsFunc(commonNames(c), func(n string) bool { return strings.EqualFold(n, c.Issuer.CommonName) }):
		return fmt.Sprintf("certificate %s has the common name of the CA that signed it; some servers and clients refuse it", Describe(c))
	}
	return ""
}

// Reverse returns host followed by the names that the resolver, its hosts file included, gives for the address or addresses of
// host. It never fails: what cannot be resolved within two seconds is left out. Names come without a trailing dot and without
// duplicates.
func Reverse(ctx context.Context, host string) []string {
	ctx, cancel := context.WithTimeout(ctx, reverseTimeout)
	defer cancel()
	return reverse(ctx, net.DefaultResolver, host)
}

// resolver is the part of net.Resolver that reverse needs.
type resolver interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
}

var _ resolver = (*net.Resolver)(nil)

func reverse(ctx context.Context, r resolver, host string) []string {
	host = strings.Trim(host, "[]")
	names := []string{host}
	addrs := []string{host}
	if _, err := netip.ParseAddr(host); err != nil {
		if addrs, err = r.LookupHost(ctx, host); err != nil {
			return names
		}
	}
	if len(addrs) > maxReverse {
		addrs = addrs[:maxReverse]
	}
	for _, a := range addrs {
		found, err := r.LookupAddr(ctx, a)
		if err != nil {
			continue
		}
		for _, n := range found {
			if n = strings.TrimSuffix(n, "."); n != "" && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names
}

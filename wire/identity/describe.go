package identity

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// clean makes text out of a certificate fit for a log line: a peer chooses its own names, and a line break in one must not
// forge a log entry.
func clean(s string) string {
	const most = 128
	if len(s) > most {
		s = s[:most] + "..."
	}
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}

// Describe names a certificate in messages, fit for a log line: in quotes, without control characters, not too long.
func Describe(c *x509.Certificate) string {
	if s := c.Subject.String(); s != "" {
		return `"` + clean(s) + `"`
	}
	pin := Pin(c)
	return fmt.Sprintf(`"(no subject, SHA-256 %x...)"`, pin[:6])
}

// DescribeIssuer names a certificate's issuer in messages.
func DescribeIssuer(c *x509.Certificate) string { return `"` + clean(c.Issuer.String()) + `"` }

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// listSubjects names at most four certificates.
func listSubjects(certs []*x509.Certificate) string {
	var names []string
	for i, c := range certs {
		if i == 4 {
			names = append(names, fmt.Sprintf("and %d more", len(certs)-i))
			break
		}
		names = append(names, Describe(c))
	}
	return strings.Join(names, ", ")
}

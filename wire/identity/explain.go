package identity

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
)

// explain turns crypto/x509's verdict into the sentence an operator can act on. It follows the issuers by hand to find the
// place where the chain breaks.
func (c *checker) explain(peer []*x509.Certificate, cause error) error {
	var invalid x509.CertificateInvalidError
	if errors.As(cause, &invalid) && invalid.Cert != nil {
		switch invalid.Reason {
		case x509.Expired:
			if err := c.dates(invalid.Cert, "the CA certificate"); err != nil {
				return err
			}
		case x509.TooManyIntermediates:
			return &CheckError{Untrusted, fmt.Sprintf("the chain of %s is longer than the path length that %s allows", Describe(peer[0]), Describe(invalid.Cert)), "issue the certificate from that CA itself"}
		case x509.CANotAuthorizedForThisName:
			return outsideConstraints(peer[0], invalid.Detail)
		}
	}
	var critical x509.UnhandledCriticalExtension
	if errors.As(cause, &critical) {
		return &CheckError{Untrusted, fmt.Sprintf("certificate %s, or one above it, has a critical extension that is not understood here, so it may not be used", Describe(peer[0])), "issue it again without that extension"}
	}
	from := c.AnchorsFrom
	if from == "" {
		from = "the CA file"
	}
	at := peer[0]
	for range maxChain + len(c.Anchors) {
		issuer, where := c.issuerOf(at, peer[1:], from)
		switch {
		case selfSigned(at) && !c.holds(at):
			// Another certificate of the same name, an older one of the same node for instance, is not its issuer.
			return &CheckError{Untrusted, fmt.Sprintf("certificate %s is self-signed and not listed in %s, which has %s", Describe(at), from, listSubjects(c.Anchors)),
				"append it to the CA file of this node, or issue it from the CA"}
		case issuer == nil && at == peer[0] && c.holds(at):
			return &CheckError{Untrusted, fmt.Sprintf("certificate %s is listed in %s, but it is not self-signed, and its issuer %q is not there", Describe(at), from, clean(at.Issuer.String())),
				"put the root certificate into the CA file"}
		case issuer == nil && c.own != "":
			// Cause first and short: a donor's refusal travels to the joiner, which cuts it.
			return &CheckError{Untrusted, fmt.Sprintf("certificate %s was issued by %q, which is neither in %s nor in %s; the CA there is %s", Describe(at), clean(at.Issuer.String()), from, c.own, listSubjects(c.Anchors)),
				"take the CA that issued it, or append the missing intermediate to " + c.own}
		case issuer == nil:
			return &CheckError{Untrusted, fmt.Sprintf("certificate %s was issued by %q, which is neither in %s (it has %s) nor among what the peer sent", Describe(at), clean(at.Issuer.String()), from, listSubjects(c.Anchors)),
				"put that certificate into the CA file, or append the missing intermediate to the peer's certificate file"}
		}
		if err := brokenLink(at, issuer, where); err != nil {
			return err
		}
		if err := c.dates(issuer, "the CA certificate"); err != nil {
			return err
		}
		if selfSigned(issuer) && c.holds(issuer) {
			break
		}
		at = issuer
	}
	return &CheckError{Untrusted, fmt.Sprintf("certificate %s does not verify against %s: %s", Describe(peer[0]), from, clean(cause.Error())), "compare with openssl verify"}
}

func outsideConstraints(leaf *x509.Certificate, detail string) *CheckError {
	return &CheckError{Untrusted, fmt.Sprintf("certificate %s carries a name that the name constraints of its CA do not allow: %s", Describe(leaf), clean(detail)), "issue it with a name within them"}
}

// issuerOf finds the best candidate that could have signed cert: one whose signature fits, else one with the right name.
func (c *checker) issuerOf(cert *x509.Certificate, sent []*x509.Certificate, from string) (found *x509.Certificate, where string) {
	for _, set := range []struct {
		certs []*x509.Certificate
		where string
	}{{c.Anchors, from}, {sent, c.sender()}} {
		for _, s := range set.certs {
			if s.Equal(cert) || !bytes.Equal(s.RawSubject, cert.RawIssuer) {
				continue
			}
			if cert.CheckSignatureFrom(s) == nil {
				return s, set.where
			}
			if found == nil {
				found, where = s, set.where
			}
		}
	}
	return found, where
}

func (c *checker) holds(cert *x509.Certificate) bool {
	for _, a := range c.Anchors {
		if a.Equal(cert) {
			return true
		}
	}
	return false
}

// brokenLink says why issuer cannot have, or may not have, signed cert. nil means that the link is good.
func brokenLink(cert, issuer *x509.Certificate, where string) error {
	err := cert.CheckSignatureFrom(issuer)
	var insecure x509.InsecureAlgorithmError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &insecure) || errors.Is(err, x509.ErrUnsupportedAlgorithm):
		return &CheckError{BadSignatureAlg, fmt.Sprintf("certificate %s is signed with %s, which is not accepted any more", Describe(cert), cert.SignatureAlgorithm), "issue it again with SHA-256"}
	case issuer.Version == 3 && !issuer.BasicConstraintsValid:
		return &CheckError{Untrusted, fmt.Sprintf("certificate %s was issued by %s in %s, which is no CA certificate: it has no basic constraints extension", Describe(cert), Describe(issuer), where),
			"make the CA certificate again with basicConstraints=critical,CA:TRUE"}
	case issuer.BasicConstraintsValid && !issuer.IsCA:
		return &CheckError{Untrusted, fmt.Sprintf("certificate %s was issued by %s in %s, which is no CA certificate: its basic constraints say CA:FALSE", Describe(cert), Describe(issuer), where),
			"make the CA certificate again with basicConstraints=critical,CA:TRUE"}
	case issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCertSign == 0:
		return &CheckError{Untrusted, fmt.Sprintf("certificate %s was issued by %s in %s, whose key usage does not allow it to sign certificates", Describe(cert), Describe(issuer), where),
			"make the CA certificate again with keyCertSign among its key usages"}
	}
	return &CheckError{Untrusted, fmt.Sprintf("certificate %s names %s as its issuer, but the one in %s did not sign it: another CA with the same name", Describe(cert), Describe(issuer), where),
		"give all nodes the same CA file, and issue the certificate again if the CA was renewed with a new key"}
}

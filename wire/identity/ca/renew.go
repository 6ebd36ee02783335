package ca

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Renew makes the successor of a node's certificate: the same subject and names, new dates and serial number. With a nil key a
// new one is made. A certificate without alternative names gets its common name as one, which every verifier that took the old
// certificate matches as well.
func (a *Authority) Renew(old *x509.Certificate, key crypto.Signer, o Options) (certPEM, keyPEM []byte, err error) {
	if old.IsCA {
		return nil, nil, fmt.Errorf("renew certificate of %q: it is a CA certificate below another; only roots are renewed here", old.Subject.CommonName)
	}
	t, err := successor(old, o, nodeLifetime)
	if err != nil {
		return nil, nil, err
	}
	return a.complete(t, key, o)
}

// RenewSelf is Renew for a certificate that is its own issuer, a root included. A root keeps its key: one with the same name and
// another key would be another CA, which the certificates in use do not lead to.
func RenewSelf(old *x509.Certificate, key crypto.Signer, o Options) (certPEM, keyPEM []byte, err error) {
	lifetime := nodeLifetime
	if old.IsCA {
		if key == nil {
			return nil, nil, errors.New("renew CA certificate: a CA with a new key is a new CA; make one with init, and a bundle of both for the time of the change")
		}
		lifetime = authorityLifetime
	}
	t, err := successor(old, o, lifetime)
	if err != nil {
		return nil, nil, err
	}
	return complete(t, key, nil, o)
}

// successor is the template of a renewal. Extensions that this package does not make itself are not carried over.
func successor(old *x509.Certificate, o Options, lifetime time.Duration) (*x509.Certificate, error) {
	t, err := blank(o, lifetime)
	if err != nil {
		return nil, fmt.Errorf("renew certificate of %q: %w", old.Subject.CommonName, err)
	}
	// The bytes, not the parsed form: names below a renewed root compare them.
	t.Subject, t.RawSubject = old.Subject, old.RawSubject
	t.DNSNames, t.IPAddresses, t.EmailAddresses, t.URIs = old.DNSNames, old.IPAddresses, old.EmailAddresses, old.URIs
	if old.IsCA {
		t.IsCA, t.MaxPathLen, t.MaxPathLenZero = true, old.MaxPathLen, old.MaxPathLenZero
		t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		t.SubjectKeyId = old.SubjectKeyId
		return t, nil
	}
	forNode(t)
	if len(t.DNSNames) == 0 && len(t.IPAddresses) == 0 {
		// A common name such as "node 1" cannot be one. It was never compared with a host either.
		_ = addName(t, old.Subject.CommonName)
	}
	return t, nil
}

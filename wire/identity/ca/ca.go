package ca

import (
	"crypto"
	"crypto/x509"
	"time"
)

// Algorithm of the keys that are made.
type Algorithm uint8

// Key algorithms.
const (
	ECDSA Algorithm = 0 // P-256
	RSA   Algorithm = 1 // 3072 bits
)

// Options of one certificate. The zero value is a good choice.
type Options struct {
	Algorithm Algorithm
	Lifetime  time.Duration    // zero: ten years for a CA and for self-signed ones, two years for a node
	Now       func() time.Time // nil: time.Now
}

// Authority is a CA certificate with its key.
type Authority struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

func NewCA(cn string, o Options) (*Authority, error)  { panic("wire/identity/ca: not built yet") }
func Load(certPEM, keyPEM []byte) (*Authority, error) { panic("wire/identity/ca: not built yet") }
func (a *Authority) CertificatePEM() []byte           { panic("wire/identity/ca: not built yet") }
func (a *Authority) KeyPEM() ([]byte, error)          { panic("wire/identity/ca: not built yet") }
func (a *Authority) Issue(cn string, names []string, o Options) (certPEM, keyPEM []byte, err error) {
	panic("wire/identity/ca: not built yet")
}
func SelfSigned(cn string, names []string, o Options) (certPEM, keyPEM []byte, err error) {
	panic("wire/identity/ca: not built yet")
}

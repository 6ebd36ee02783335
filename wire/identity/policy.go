package identity

import (
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Level says how much a peer must prove with its certificate.
type Level uint8

// Levels of checking. Higher is not stronger in every respect; each is one of the modes of sst-options 2.1.
const (
	None         Level = 0 // nothing is asked for (REQUIRED, encrypt=3 without CA, verify=0)
	Chain        Level = 1 // the certificate must lead to an anchor (VERIFY_CA, encrypt=2 and 4)
	ChainAndName Level = 2 // and carry one of the wanted names (VERIFY_IDENTITY, the tunnel's donor)
	Exact        Level = 3 // it must be this very certificate; dates only warn (secure_rsync)
)

// String returns the name of the level as used in logs.
func (l Level) String() string {
	switch l {
	case None:
		return "none"
	case Chain:
		return "chain"
	case ChainAndName:
		return "chain and name"
	case Exact:
		return "exact certificate"
	}
	return fmt.Sprintf("level %d", uint8(l))
}

// Policy is what the peer's certificate must satisfy. The zero value asks for nothing.
type Policy struct {
	Level Level

	// Names are the acceptable names of the peer, one match is enough: the host of the address, what it resolves back to, or
	// the value of commonname=. NamesFrom tells messages where they came from.
	Names     []string
	NamesFrom string

	// Exact is the pinned certificate of level Exact.
	Exact *x509.Certificate

	// Anchors are trusted when self-signed; others among them only help to build a chain. AnchorsFrom is for messages.
	Anchors     []*x509.Certificate
	AnchorsFrom string

	// AcceptListed also trusts a peer's certificate that stands among the anchors byte for byte without being self-signed:
	// stunnel's reading of VERIFY_IDENTITY, where the CA file is a bundle of node certificates.
	AcceptListed bool

	// Usage is what the peer uses its certificate for. A certificate that is restricted to something else is accepted with
	// a warning. x509.ExtKeyUsageAny, the zero value, turns the warning off.
	Usage x509.ExtKeyUsage

	// Now is the clock of the date checks; nil means time.Now.
	Now func() time.Time

	// Advice is what refusals tell people to do, where the options of a node are not what they have.
	Advice Advice

	// own is the name of the option with the node's own certificate where that is what is checked. No peer has sent anything then.
	own string
}

// Advice is the end of some refusals, in the words of whoever calls. Empty means those for the nodes of a cluster.
type Advice struct {
	Show string // the peer shows no certificate of its own
	Name string // its certificate has none of the names
}

// show and otherName are the advice in force.
func (p Policy) show() string {
	return cmp.Or(p.Advice.Show, "set tcert and tkey on that node, or remove tca and tcert on both")
}

func (p Policy) otherName() string {
	return cmp.Or(p.Advice.Name, "issue a certificate with that name as alternative name, let the joiner advertise a name it has, or set ssl-mode=VERIFY_CA to check the chain only")
}

// sender says in messages where the certificates beside the anchors came from.
func (p Policy) sender() string {
	if p.own != "" {
		return p.own
	}
	return "what the peer sent"
}

// Check decides about the certificates that the peer showed, leaf first, as they came out of a TLS handshake (which has proved
// that the peer owns the leaf's key). A nil error means that the policy is satisfied. Every refusal is a *CheckError. Check
// only reads its arguments and may be called by several goroutines.
func (p Policy) Check(peer []*x509.Certificate) (warnings []string, err error) {
	if p.Level == None {
		return nil, nil
	}
	if len(peer) == 0 {
		return nil, &CheckError{NoCertificate, "the peer showed no certificate", p.show()}
	}
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	c := checker{Policy: p, now: now()}
	switch p.Level {
	case Exact:
		err = c.exact(peer[0])
	case Chain, ChainAndName:
		err = c.chain(peer)
	default:
		panic("identity: internal error: unknown level " + p.Level.String())
	}
	if err != nil {
		return nil, err
	}
	c.usage(peer[0])
	return c.warnings, nil
}

// checker is one run of Check.
type checker struct {
	Policy
	now      time.Time
	chains   [][]*x509.Certificate // what build found, each from the leaf to an anchor; none for a leaf that is listed
	warnings []string
}

func (c *checker) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

func (c *checker) exact(leaf *x509.Certificate) error {
	if c.Exact == nil {
		panic("identity: internal error: level exact without a certificate to compare with")
	}
	if !leaf.Equal(c.Exact) {
		got, want := Pin(leaf), Pin(c.Exact)
		return &CheckError{WrongCertificate,
			fmt.Sprintf("the peer showed certificate %s with SHA-256 %x, but only %s with SHA-256 %x is accepted", Describe(leaf), got, Describe(c.Exact), want),
			"copy the same pair of certificates to all nodes"}
	}
	// The key is known by heart, so a date proves nothing more. The stock method never looked at it either.
	if err := c.dates(leaf, "the pinned certificate"); err != nil {
		c.warn("%s; it is accepted because it is pinned", err.Text)
	}
	return nil
}

func (c *checker) chain(peer []*x509.Certificate) error {
	leaf := peer[0]
	if len(peer) > maxChain {
		return &CheckError{Untrusted, fmt.Sprintf("%d certificates in %s, at most %d are looked at", len(peer), c.sender(), maxChain), "send the leaf and its intermediates only"}
	}
	if len(c.Anchors) == 0 {
		return &CheckError{NoAnchors, "a trusted chain is asked for, but no CA certificate is configured", "set tca (or ssl-ca)"}
	}
	if err := c.strength(leaf); err != nil {
		return err
	}
	if err := c.dates(leaf, "the certificate"); err != nil {
		return err
	}
	if thrownAway(leaf) && !c.listed(leaf) {
		return &CheckError{NoCertificate, "the peer has no certificate configured, it showed one that was made for this transfer", c.show()}
	}
	if !c.listed(leaf) {
		if err := c.build(peer); err != nil {
			return err
		}
	}
	if c.Level == ChainAndName {
		return c.name(leaf)
	}
	return nil
}

// listed accepts a leaf that is an anchor itself. No signature is looked at: its bytes are on file here.
func (c *checker) listed(leaf *x509.Certificate) bool {
	for _, a := range c.Anchors {
		if a.Equal(leaf) {
			return c.AcceptListed || selfSigned(a)
		}
	}
	return false
}

// build looks for a chain from the leaf to a self-signed anchor. Everything else that is known serves as intermediate, as in
// OpenSSL without -partial_chain.
func (c *checker) build(peer []*x509.Certificate) error {
	roots, inter := x509.NewCertPool(), x509.NewCertPool()
	for _, a := range c.Anchors {
		if selfSigned(a) {
			roots.AddCert(a)
		} else {
			inter.AddCert(a)
		}
	}
	for _, m := range peer[1:] {
		inter.AddCert(m)
	}
	var err error
	if c.chains, err = peer[0].Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: inter,
		CurrentTime:   c.now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return c.explain(peer, err)
	}
	if trap := SharedName(peer[0]); trap != "" {
		c.warn("%s", trap)
	}
	return nil
}

func (c *checker) name(leaf *x509.Certificate) error {
	var outside error
	for _, want := range c.Names {
		ok, warning := matchName(leaf, want)
		switch {
		case !ok:
			continue
		case !c.vouched(want):
			outside = outsideConstraints(leaf, want)
			continue
		case warning != "":
			c.warn("%s", warning)
		}
		return nil
	}
	if outside != nil {
		return outside
	}
	from := ""
	if c.NamesFrom != "" {
		from = " (from " + c.NamesFrom + ")"
	}
	want := "none"
	if len(c.Names) > 0 {
		want = strings.Join(c.Names, ", ")
	}
	return &CheckError{WrongName,
		fmt.Sprintf("certificate %s is valid for %s, wanted is one of: %s%s", Describe(leaf), NamesOf(leaf), want, from), c.otherName()}
}

// vouched says whether the CAs of some chain may all give somebody this name. crypto/x509 has asked that of the alternative names, but
// not of a common name, nor of an address that is written as text whether it is within the constraints for addresses.
func (c *checker) vouched(name string) bool {
	return len(c.chains) == 0 || slices.ContainsFunc(c.chains, func(chain []*x509.Certificate) bool {
		return !slices.ContainsFunc(chain[1:], func(ca *x509.Certificate) bool { return !vouches(ca, name) })
	})
}

// dates tells the two ends of the validity apart, which crypto/x509 does not.
func (c *checker) dates(cert *x509.Certificate, what string) *CheckError {
	switch {
	case c.now.Before(cert.NotBefore):
		return &CheckError{NotYetValid,
			fmt.Sprintf("%s %s is not valid before %s, and the clock of this host says %s", what, Describe(cert), date(cert.NotBefore), date(c.now)),
			"check the clocks of both hosts"}
	case c.now.After(cert.NotAfter):
		return &CheckError{Expired,
			fmt.Sprintf("%s %s expired on %s, and the clock of this host says %s", what, Describe(cert), date(cert.NotAfter), date(c.now)),
			"renew it"}
	}
	return nil
}

func (c *checker) strength(leaf *x509.Certificate) error {
	key, ok := leaf.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil
	}
	switch bits := key.N.BitLen(); {
	case bits < minRSABits:
		return &CheckError{WeakKey, fmt.Sprintf("certificate %s has an RSA key of %d bits, at least %d are needed", Describe(leaf), bits, minRSABits), "make a new key"}
	case bits < commonRSABits:
		c.warn("certificate %s has an RSA key of %d bits; most systems refuse less than %d by now", Describe(leaf), bits, commonRSABits)
	}
	return nil
}

func (c *checker) usage(leaf *x509.Certificate) {
	if c.Usage == x509.ExtKeyUsageAny || (len(leaf.ExtKeyUsage) == 0 && len(leaf.UnknownExtKeyUsage) == 0) {
		return
	}
	if slices.Contains(leaf.ExtKeyUsage, c.Usage) || slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return
	}
	missing := "server authentication"
	if c.Usage == x509.ExtKeyUsageClientAuth {
		missing = "client authentication"
	}
	c.warn("certificate %s is not made for %s (extended key usage); it is accepted, but other programs will refuse it in this role", Describe(leaf), missing)
}

// selfSigned decides what counts as an anchor. A signature with an algorithm that Go does not check any more (SHA-1 roots are
// still around) is not held against it: an anchor is trusted because it is configured, not because of its signature.
func selfSigned(c *x509.Certificate) bool {
	if string(c.RawSubject) != string(c.RawIssuer) {
		return false
	}
	if len(c.AuthorityKeyId) > 0 && len(c.SubjectKeyId) > 0 && string(c.AuthorityKeyId) != string(c.SubjectKeyId) {
		return false
	}
	switch c.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519:
		// Not CheckSignatureFrom: that looks at basic constraints too, which a self-signed node certificate lacks.
		return c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
	}
	return true
}

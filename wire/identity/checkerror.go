package identity

// Kind classifies a CheckError. The numbers do not travel.
type Kind uint8

// Kinds of refusal.
const (
	NoCertificate    Kind = 1 // the peer showed none
	Untrusted        Kind = 2 // it does not lead to an anchor
	Expired          Kind = 3
	NotYetValid      Kind = 4
	WrongName        Kind = 5
	WrongCertificate Kind = 6 // pinned to another one
	WeakKey          Kind = 7
	BadSignatureAlg  Kind = 8 // a signature in the chain uses SHA-1, MD5 or something unknown
	NoAnchors        Kind = 9 // a chain is asked for and there is nothing to lead it to
)

// String returns the name of the kind as used in logs.
func (k Kind) String() string {
	switch k {
	case NoCertificate:
		return "no certificate"
	case Untrusted:
		return "untrusted"
	case Expired:
		return "expired"
	case NotYetValid:
		return "not yet valid"
	case WrongName:
		return "wrong name"
	case WrongCertificate:
		return "wrong certificate"
	case WeakKey:
		return "weak key"
	case BadSignatureAlg:
		return "bad signature algorithm"
	case NoAnchors:
		return "no anchors"
	}
	return "unknown kind"
}

// CheckError says why a certificate was refused: Text what was found and expected, Hint what to do about it.
type CheckError struct {
	Kind Kind
	Text string
	Hint string // may be empty
}

func (e *CheckError) Error() string {
	if e.Hint == "" {
		return e.Text
	}
	return e.Text + "; " + e.Hint
}

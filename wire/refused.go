package wire

// Code is the class of a refusal as it travels. Text goes with it and is never parsed.
type Code uint8

// Codes of refusals.
const (
	CodeOK      Code = 0
	CodeSetup   Code = 1
	CodePolicy  Code = 2
	CodeVersion Code = 3
	CodeBusy    Code = 4
	CodeNonce   Code = 5
	CodeMode    Code = 6
	CodeSession Code = 7
)

// RefusedError says that a peer which proved that it belongs to this state request could not be used, or that it could not
// use us.
type RefusedError struct {
	Remote string
	ByPeer bool // true: the peer refused; false: we did
	Code   Code
	Reason string
	Also   string // what the other end had to complain about as well
	Err    error  // the local cause, for instance an *identity.CheckError
}

func (e *RefusedError) Error() string { return e.Reason }
func (e *RefusedError) Unwrap() error { return e.Err }

package msg

import "encoding/binary"

// PassKind says what the donor's server does while a pass runs.
type PassKind uint8

// The kinds of passes.
const (
	PassLive   PassKind = 1 // the server works, nothing of it is consistent (R-COPY-7)
	PassLocked PassKind = 2 // everything that differs, under the lock
	PassVerify PassKind = 3 // under the lock or after it: find out whether anything still differs
)

func (k PassKind) String() string {
	switch k {
	case PassLive:
		return "live"
	case PassLocked:
		return "locked"
	case PassVerify:
		return "verify"
	}
	return "unknown"
}

// PassBegin opens a pass. Catalog frames follow on control, then data.
//
//	u16 number | counts from 1 through the whole transfer
//	u8 kind    | 1 live, 2 locked, 3 verify
//	u8 reserved
type PassBegin struct {
	Number uint16
	Kind   PassKind
}

// Len is the length of the encoded message.
func (p PassBegin) Len() int { return 4 }

// Append adds the encoded message to b.
func (p PassBegin) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, p.Number)
	return append(b, byte(p.Kind), 0)
}

// ParsePassBegin reads the body of a PassBegin frame.
func ParsePassBegin(body []byte) (PassBegin, error) {
	r := reader{typ: TypePassBegin, b: body}
	p := PassBegin{Number: r.u16(), Kind: PassKind(r.u8())}
	if r.err == nil && (p.Kind < PassLive || p.Kind > PassVerify) {
		r.fail("kind %d", p.Kind)
	}
	r.zero(1)
	if err := r.done(); err != nil {
		return PassBegin{}, err
	}
	return p, nil
}

// PassEnd closes a pass: the donor has had every Flush of its data connections
// answered, so all it sent is applied.
//
//	u16 number
//	u16 reserved
//	u64 differing | bytes the pass found different and sent
type PassEnd struct {
	Number    uint16
	Differing int64
}

// Len is the length of the encoded message.
func (p PassEnd) Len() int { return 12 }

// Append adds the encoded message to b.
func (p PassEnd) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, p.Number)
	b = append(b, 0, 0)
	return binary.BigEndian.AppendUint64(b, uint64(p.Differing))
}

// ParsePassEnd reads the body of a PassEnd frame.
func ParsePassEnd(body []byte) (PassEnd, error) {
	r := reader{typ: TypePassEnd, b: body}
	p := PassEnd{Number: r.u16()}
	r.zero(2)
	p.Differing = r.size("differing bytes")
	if err := r.done(); err != nil {
		return PassEnd{}, err
	}
	return p, nil
}

// PassDone is the joiner's answer to PassEnd.
//
//	u16 number
//	u16 reserved
type PassDone struct{ Number uint16 }

// Len is the length of the encoded message.
func (p PassDone) Len() int { return 4 }

// Append adds the encoded message to b.
func (p PassDone) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, p.Number)
	return append(b, 0, 0)
}

// ParsePassDone reads the body of a PassDone frame.
func ParsePassDone(body []byte) (PassDone, error) {
	r := reader{typ: TypePassDone, b: body}
	p := PassDone{Number: r.u16()}
	r.zero(2)
	if err := r.done(); err != nil {
		return PassDone{}, err
	}
	return p, nil
}

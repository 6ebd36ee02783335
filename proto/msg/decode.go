package msg

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed is wrapped by every error of a Parse function: the peer sent
// something that version 1 does not allow.
var ErrMalformed = errors.New("msg: malformed message")

func malformed(t Type, format string, args ...any) error {
	return fmt.Errorf("%w: %v: %s", ErrMalformed, t, fmt.Sprintf(format, args...))
}

// reader takes fields off a body. The first field that does not fit makes it
// fail for good; callers look at the error once, at the end.
type reader struct {
	typ Type
	b   []byte
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = malformed(r.typ, format, args...)
		r.b = nil
	}
}

func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if len(r.b) < n {
		r.fail("%d bytes wanted, %d left", n, len(r.b))
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) u8() uint8 {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if p := r.take(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if p := r.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if p := r.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// size reads a byte count that must stay within MaxSize.
func (r *reader) size(what string) int64 {
	n := r.u64()
	if n > MaxSize {
		r.fail("%s %d is over the limit of %d", what, n, int64(MaxSize))
		return 0
	}
	return int64(n)
}

// count reads a 16-bit count of things that take at least each bytes; a count
// that the rest of the body cannot hold is refused before anything is allocated.
func (r *reader) count(what string, limit, each int) int {
	n := int(r.u16())
	if n > limit {
		r.fail("%d %s are over the limit of %d", n, what, limit)
		return 0
	}
	if n*each > len(r.b) {
		r.fail("%d %s do not fit %d bytes", n, what, len(r.b))
		return 0
	}
	return n
}

// text reads a string with a 16-bit length.
func (r *reader) text(what string, limit int) string {
	n := int(r.u16())
	if n > limit {
		r.fail("%s of %d bytes is over the limit of %d", what, n, limit)
		return ""
	}
	return string(r.take(n))
}

// zero reads n reserved bytes.
func (r *reader) zero(n int) {
	for _, c := range r.take(n) {
		if c != 0 {
			r.fail("reserved byte is 0x%02x", c)
			return
		}
	}
}

// flags reads a byte of which only the bits in known may be set.
func (r *reader) flags(known uint8) uint8 {
	f := r.u8()
	if f&^known != 0 {
		r.fail("reserved flag bits 0x%02x are set", f&^known)
		return 0
	}
	return f
}

// done reports the first failure; bytes left over are one.
func (r *reader) done() error {
	if r.err == nil && len(r.b) != 0 {
		r.fail("%d bytes too many", len(r.b))
	}
	return r.err
}

func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

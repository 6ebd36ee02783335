package msg

import "encoding/binary"

// Mode is what the donor was told to do.
//
//	u8 kind        | 1 bypass (IST follows, no data), 2 full copy
//	3 reserved bytes
//	32 bytes key   | keys the digests of this transfer; zero for bypass
//	16 bytes id    | names the transfer in journals and logs
//	u32 files      | entries the donor saw before the lock, for space and progress
//	u64 bytes      | their content
//	u64 allocated  | what they take on the donor's disk
//	text state     | bypass: coordinates to report; full: empty, they come with Commit
//
// Before a Mode that says "full" has arrived the joiner must not change anything
// (R-JOIN-1).
type Mode struct {
	Bypass    bool
	Key       [32]byte
	ID        [16]byte
	Files     uint32
	Bytes     int64
	Allocated int64
	State     string
}

const (
	modeBypass = 1
	modeFull   = 2
)

// Len is the length of the encoded message.
func (m Mode) Len() int { return 4 + 32 + 16 + 4 + 8 + 8 + 2 + len(m.State) }

// Append adds the encoded message to b.
func (m Mode) Append(b []byte) []byte {
	kind := byte(modeFull)
	if m.Bypass {
		kind = modeBypass
	}
	b = append(b, kind, 0, 0, 0)
	b = append(b, m.Key[:]...)
	b = append(b, m.ID[:]...)
	b = binary.BigEndian.AppendUint32(b, m.Files)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Bytes))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Allocated))
	return appendText(b, m.State)
}

// ParseMode reads the body of a Mode frame.
func ParseMode(body []byte) (Mode, error) {
	r := reader{typ: TypeMode, b: body}
	kind := r.u8()
	if r.err == nil && kind != modeBypass && kind != modeFull {
		r.fail("kind %d", kind)
	}
	r.zero(3)
	m := Mode{Bypass: kind == modeBypass}
	copy(m.Key[:], r.take(32))
	copy(m.ID[:], r.take(16))
	m.Files = r.u32()
	m.Bytes = r.size("byte count")
	m.Allocated = r.size("allocated size")
	m.State = r.text("state", MaxText)
	if err := r.done(); err != nil {
		return Mode{}, err
	}
	return m, nil
}

// Accept is the joiner's answer to Mode. After it the donor may open data
// connections and begin.
//
//	u16 streams | data connections the donor may open
//	2 reserved bytes
type Accept struct{ Streams uint16 }

// Len is the length of the encoded message.
func (a Accept) Len() int { return 4 }

// Append adds the encoded message to b.
func (a Accept) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, a.Streams)
	return append(b, 0, 0)
}

// ParseAccept reads the body of an Accept frame.
func ParseAccept(body []byte) (Accept, error) {
	r := reader{typ: TypeAccept, b: body}
	a := Accept{Streams: r.u16()}
	if r.err == nil && (a.Streams == 0 || a.Streams > 256) {
		r.fail("%d streams", a.Streams)
	}
	r.zero(2)
	if err := r.done(); err != nil {
		return Accept{}, err
	}
	return a, nil
}

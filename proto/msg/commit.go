package msg

import "encoding/binary"

// Commit tells the joiner that the copy is complete and at which position.
//
//	u32 entries | of the catalogue, without what is gone
//	u64 bytes   | their sizes added up
//	text state  | coordinates to report: "uuid:seqno" or "uuid:seqno domain"
type Commit struct {
	Entries uint32
	Bytes   int64
	State   string
}

// Len is the length of the encoded message.
func (c Commit) Len() int { return 14 + len(c.State) }

// Append adds the encoded message to b.
func (c Commit) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, c.Entries)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Bytes))
	return appendText(b, c.State)
}

// ParseCommit reads the body of a Commit frame.
func ParseCommit(body []byte) (Commit, error) {
	r := reader{typ: TypeCommit, b: body}
	c := Commit{Entries: r.u32(), Bytes: r.size("byte count"), State: r.text("state", MaxText)}
	if err := r.done(); err != nil {
		return Commit{}, err
	}
	return c, nil
}

// Committed is the joiner's answer to Commit. It has no body.
type Committed struct{}

// Len is the length of the encoded message.
func (Committed) Len() int { return 0 }

// Append adds nothing to b.
func (Committed) Append(b []byte) []byte { return b }

// ParseCommitted refuses a body that is not empty.
func ParseCommitted(body []byte) (Committed, error) {
	r := reader{typ: TypeCommitted, b: body}
	return Committed{}, r.done()
}

// Abort ends a session with its first cause.
//
//	u8 code   | see SPEC.md, "Abort codes"
//	u8 reserved
//	text      | for a person; never parsed
type Abort struct {
	Code uint8
	Text string
}

// Len is the length of the encoded message.
func (a Abort) Len() int { return 4 + min(len(a.Text), MaxText) }

// Append adds the encoded message to b. A text over MaxText is cut.
func (a Abort) Append(b []byte) []byte {
	b = append(b, a.Code, 0)
	return appendText(b, a.Text[:min(len(a.Text), MaxText)])
}

// ParseAbort reads the body of an Abort frame.
func ParseAbort(body []byte) (Abort, error) {
	r := reader{typ: TypeAbort, b: body}
	a := Abort{Code: r.u8()}
	r.zero(1)
	a.Text = r.text("text", MaxText)
	if err := r.done(); err != nil {
		return Abort{}, err
	}
	return a, nil
}

// Heartbeat says that the sender lives and how far it is.
//
//	u64 bytes | content handled so far in this pass: hashed, read or written
type Heartbeat struct{ Bytes int64 }

// Len is the length of the encoded message.
func (h Heartbeat) Len() int { return 8 }

// Append adds the encoded message to b.
func (h Heartbeat) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(h.Bytes))
}

// ParseHeartbeat reads the body of a Heartbeat frame.
func ParseHeartbeat(body []byte) (Heartbeat, error) {
	r := reader{typ: TypeHeartbeat, b: body}
	h := Heartbeat{Bytes: r.size("byte count")}
	if err := r.done(); err != nil {
		return Heartbeat{}, err
	}
	return h, nil
}

package msg

import "encoding/binary"

// Fact is one property that both ends state about themselves so that what must
// match can be compared before anything is touched (R-META-1).
type Fact struct {
	Name  string // stable, lower case, as in SPEC.md
	Value string // "" when this end does not know
	From  string // where the value came from, for the message that reports a mismatch
}

// Hello is the first message of each end on the control connection.
//
//	u16 streams  | data connections this end is willing to have, 1..256
//	text software | program and version, for the log
//	text node     | host or node name, for the log
//	u16 n, then n times: text name, text value, text from
type Hello struct {
	Streams  uint16
	Software string
	Node     string
	Facts    []Fact
}

// Len is the length of the encoded message.
func (h Hello) Len() int {
	n := 2 + 2 + len(h.Software) + 2 + len(h.Node) + 2
	for _, f := range h.Facts {
		n += 6 + len(f.Name) + len(f.Value) + len(f.From)
	}
	return n
}

// Append adds the encoded message to b.
func (h Hello) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, h.Streams)
	b = appendText(b, h.Software)
	b = appendText(b, h.Node)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.Facts)))
	for _, f := range h.Facts {
		b = appendText(b, f.Name)
		b = appendText(b, f.Value)
		b = appendText(b, f.From)
	}
	return b
}

// ParseHello reads the body of a Hello frame.
func ParseHello(body []byte) (Hello, error) {
	r := reader{typ: TypeHello, b: body}
	h := Hello{Streams: r.u16(), Software: r.text("software", MaxText), Node: r.text("node", MaxText)}
	if r.err == nil && (h.Streams == 0 || h.Streams > 256) {
		r.fail("%d streams", h.Streams)
	}
	n := r.count("facts", MaxFacts, 6)
	for range n {
		h.Facts = append(h.Facts, Fact{
			Name:  r.text("name", MaxText),
			Value: r.text("value", MaxText),
			From:  r.text("origin", MaxText),
		})
	}
	if err := r.done(); err != nil {
		return Hello{}, err
	}
	return h, nil
}

package msg

import "encoding/binary"

// Queue tells the donor how many bytes of transactions wait at the joiner until the
// copy is there, and how many more it has room for. They grow with every second of
// a transfer, so a donor should not polish its live passes while they pile up.
//
//	u64 bytes waiting
//	u64 bytes of room left
type Queue struct{ Waiting, Room int64 }

// Len is the length of the encoded message.
func (q Queue) Len() int { return 16 }

// Append adds the encoded message to b.
func (q Queue) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(q.Waiting))
	return binary.BigEndian.AppendUint64(b, uint64(q.Room))
}

// ParseQueue reads the body of a Queue frame.
func ParseQueue(body []byte) (Queue, error) {
	r := reader{typ: TypeQueue, b: body}
	q := Queue{Waiting: r.size("bytes waiting"), Room: r.size("bytes of room")}
	if err := r.done(); err != nil {
		return Queue{}, err
	}
	return q, nil
}

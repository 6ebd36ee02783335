package wire

import (
	"encoding/binary"
	"fmt"
)

// Types of frames from linkTypes on belong to Links. The users of a Link never see them and cannot send them.
const (
	linkTypes = 0xf0

	// frameAttach opens every connection of kind Data, from the donor, and is answered by the joiner in the same form.
	//
	//	0 2  link: 0 is the control link
	//	2 1  1 when the connection before was given up on purpose, with nothing of it lost; else 0
	//	3 1  reserved, zero
	//	4 4  attempt, counting the connections that were opened for this link; the answer repeats it and what stands before
	//	8 8  frames of this link received so far
	frameAttach = 0xf0

	// frameAck says how many frames have been received.
	//
	//	0 8  frames of this link received so far
	frameAck = 0xf1

	// frameEnd says that nothing follows and that the sender's link is over. It is empty.
	frameEnd = 0xf2

	attachSize = 16
	ackSize    = 8

	// flagAck in a frame's header asks for a frameAck.
	flagAck = 1
)

// attach is the content of a frameAttach.
type attach struct {
	link     uint16
	planned  bool
	attempt  uint32
	received uint64
}

func appendAttach(b []byte, a attach) []byte {
	b = binary.BigEndian.AppendUint16(b, a.link)
	planned := byte(0)
	if a.planned {
		planned = 1
	}
	b = append(b, planned, 0)
	b = binary.BigEndian.AppendUint32(b, a.attempt)
	return binary.BigEndian.AppendUint64(b, a.received)
}

func parseAttach(b []byte) (attach, error) {
	if len(b) != attachSize {
		return attach{}, fmt.Errorf("frame that attaches a connection has %d bytes, wanted %d", len(b), attachSize)
	}
	if b[2] > 1 || b[3] != 0 {
		return attach{}, fmt.Errorf("frame that attaches a connection has bytes % x that mean nothing", b[2:4])
	}
	return attach{binary.BigEndian.Uint16(b), b[2] == 1, binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint64(b[8:])}, nil
}

func appendAck(b []byte, received uint64) []byte { return binary.BigEndian.AppendUint64(b, received) }

func parseAck(b []byte) (uint64, error) {
	if len(b) != ackSize {
		return 0, fmt.Errorf("acknowledgement has %d bytes, wanted %d", len(b), ackSize)
	}
	return binary.BigEndian.Uint64(b), nil
}

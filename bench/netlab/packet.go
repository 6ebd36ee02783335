package netlab

import (
	"encoding/binary"
	"net/netip"
)

// IP protocol numbers of Packet.
const (
	TCP = 6
	UDP = 17
)

// Packet is what a firewall sees of a packet.
type Packet struct {
	Protocol uint8 // TCP, UDP or another number of the IP registry
	From, To netip.AddrPort
	Len      int // with headers

	raw     []byte
	segment []byte // of TCP, header included; nil for others
}

// Flow is a conversation: protocol and both ends, whichever sends.
type Flow struct {
	Protocol uint8
	A, B     netip.AddrPort // A is the smaller one
}

// Flow returns the conversation that the packet belongs to.
func (p Packet) Flow() Flow {
	f := Flow{p.Protocol, p.From, p.To}
	if f.B.Compare(f.A) < 0 {
		f.A, f.B = f.B, f.A
	}
	return f
}

// Port says whether one end of the packet is that port.
func (p Packet) Port(n uint16) bool { return p.From.Port() == n || p.To.Port() == n }

// Verdict is what a firewall does with a packet.
type Verdict uint8

// The verdicts. Reset drops the packet and tells both ends of a TCP connection that it is over; with other protocols it drops only.
const (
	Pass Verdict = iota
	Drop
	Reset
)

const (
	headerFour = 20
	headerSix  = 40
	headerTCP  = 20
)

// parse reads headers. What it does not understand, extension headers and fragments among it, is a packet without ports.
func parse(b []byte) (p Packet) {
	p.Len, p.raw = len(b), b
	var rest []byte
	switch {
	case len(b) >= headerFour && b[0]>>4 == 4:
		size := int(b[0]&15) * 4
		if size < headerFour || size > len(b) {
			return p
		}
		p.Protocol = b[9]
		p.From = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:16])), 0)
		p.To = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[16:20])), 0)
		if binary.BigEndian.Uint16(b[6:])&0x1fff == 0 {
			rest = b[size:]
		}
	case len(b) >= headerSix && b[0]>>4 == 6:
		p.Protocol = b[6]
		p.From = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), 0)
		p.To = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[24:40])), 0)
		rest = b[headerSix:]
	}
	if (p.Protocol == TCP || p.Protocol == UDP) && len(rest) >= 4 {
		p.From = netip.AddrPortFrom(p.From.Addr(), binary.BigEndian.Uint16(rest))
		p.To = netip.AddrPortFrom(p.To.Addr(), binary.BigEndian.Uint16(rest[2:]))
		if p.Protocol == TCP && len(rest) >= headerTCP {
			p.segment = rest
		}
	}
	return p
}

// Flags of TCP.
const (
	flagFIN = 1
	flagSYN = 2
	flagRST = 4
	flagACK = 16
)

// resets returns the packets that end a TCP connection in the middle, one for each end: what the receiver of p would get and what
// its sender would. nil stands for one that is not due: p is a reset itself, or not of TCP.
func (p Packet) resets() (ahead, back []byte) {
	s := p.segment
	if s == nil || s[13]&flagRST != 0 {
		return nil, nil
	}
	seq, ack := binary.BigEndian.Uint32(s[4:]), binary.BigEndian.Uint32(s[8:])
	ahead = reset(p.From, p.To, seq, ack, s[13]&flagACK)
	if s[13]&flagACK != 0 {
		return ahead, reset(p.To, p.From, ack, 0, 0)
	}
	// To a SYN the answer says what it answers.
	length := uint32(len(s) - int(s[12]>>4)*4)
	if s[13]&(flagSYN|flagFIN) != 0 {
		length++
	}
	return ahead, reset(p.To, p.From, 0, seq+length, flagACK)
}

// reset makes a packet that ends a connection (RFC 9293 3.5.2).
func reset(from, to netip.AddrPort, seq, ack uint32, flags byte) []byte {
	size := headerFour
	if from.Addr().Is6() {
		size = headerSix
	}
	b := make([]byte, size+headerTCP)
	s := b[size:]
	if size == headerFour {
		b[0], b[8], b[9] = 0x45, 64, TCP
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		copy(b[12:], from.Addr().AsSlice())
		copy(b[16:], to.Addr().AsSlice())
		binary.BigEndian.PutUint16(b[10:], ^sum(0, b[:size]))
	} else {
		b[0], b[6], b[7] = 0x60, TCP, 64
		binary.BigEndian.PutUint16(b[4:], headerTCP)
		copy(b[8:], from.Addr().AsSlice())
		copy(b[24:], to.Addr().AsSlice())
	}
	binary.BigEndian.PutUint16(s, from.Port())
	binary.BigEndian.PutUint16(s[2:], to.Port())
	binary.BigEndian.PutUint32(s[4:], seq)
	binary.BigEndian.PutUint32(s[8:], ack)
	s[12], s[13] = headerTCP/4<<4, flagRST|flags
	// The checksum covers addresses, protocol and length as well.
	pseudo := sum(TCP+headerTCP, from.Addr().AsSlice())
	pseudo = sum(uint32(pseudo), to.Addr().AsSlice())
	binary.BigEndian.PutUint16(s[16:], ^sum(uint32(pseudo), s))
	return b
}

// sum is the ones' complement sum of the Internet checksum; b has an even length.
func sum(start uint32, b []byte) uint16 {
	for i := 0; i+1 < len(b); i += 2 {
		start += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for start > 0xffff {
		start = start>>16 + start&0xffff
	}
	return uint16(start)
}

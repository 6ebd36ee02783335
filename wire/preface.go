package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// The preface is what both ends say before the first frame. It is the same for every protocol version, for all time, so that any
// two versions can tell each other why they do not get along. PREFACE.md is the normative text.
//
//	hello (48 bytes, donor then joiner)
//	 0  8  magic: "TRIREMED" from the donor, "TRIREMEJ" from the joiner
//	 8  2  lowest protocol version spoken, big endian
//	10  2  highest protocol version spoken
//	12  1  donor: kind of connection; joiner: 0, or the code version when the ranges do not meet
//	13  3  zero
//	16 32  random
//
//	verdict (36 bytes and a reason, donor then joiner)
//	 0 32  proof
//	32  1  code of the refusal, 0 for none
//	33  1  zero
//	34  2  length of the reason, at most 512
//	36  n  reason, printable UTF-8
const (
	helloSize   = 48
	verdictSize = 36

	donorMagic  = "TRIREMED"
	joinerMagic = "TRIREMEJ"
)

// hello is the first message of either side.
type hello struct {
	magic    string // donorMagic or joinerMagic
	min, max uint16
	word     uint8 // Kind from the donor, Code from the joiner
	random   [32]byte
}

// appendHello appends the 48 bytes of h.
func appendHello(b []byte, h hello) []byte {
	b = append(b, h.magic...)
	b = binary.BigEndian.AppendUint16(b, h.min)
	b = binary.BigEndian.AppendUint16(b, h.max)
	b = append(b, h.word, 0, 0, 0)
	return append(b, h.random[:]...)
}

// parseHello reads what appendHello wrote. The caller has at least the magic checked by the look of it; here everything is.
func parseHello(b []byte, magic string) (hello, error) {
	if len(b) != helloSize {
		return hello{}, fmt.Errorf("preface of %d bytes, wanted %d", len(b), helloSize)
	}
	if string(b[:8]) != magic {
		return hello{}, fmt.Errorf("preface starts with %q, wanted %q", b[:8], magic)
	}
	h := hello{
		magic: magic,
		min:   binary.BigEndian.Uint16(b[8:]),
		max:   binary.BigEndian.Uint16(b[10:]),
		word:  b[12],
	}
	if h.min == 0 || h.max < h.min {
		return hello{}, fmt.Errorf("preface has the version range %d to %d", h.min, h.max)
	}
	if b[13] != 0 || b[14] != 0 || b[15] != 0 {
		return hello{}, fmt.Errorf("preface has reserved bytes % x that are not zero", b[13:16])
	}
	copy(h.random[:], b[16:])
	return h, nil
}

// verdict is the second message of either side.
type verdict struct {
	proof  [32]byte
	code   Code
	reason string
}

// appendVerdict appends v. The reason must have gone through cleanReason.
func appendVerdict(b []byte, v verdict) []byte {
	b = append(b, v.proof[:]...)
	return append(b, v.tail()...)
}

// tail is the part after the proof, which the proof covers.
func (v verdict) tail() []byte {
	if len(v.reason) > maxReason {
		panic("wire: internal error: reason was not shortened")
	}
	b := []byte{byte(v.code), 0}
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.reason)))
	return append(b, v.reason...)
}

// parseVerdictHead reads the fixed part and returns how many bytes of reason follow.
func parseVerdictHead(b []byte) (v verdict, reasonLen int, err error) {
	if len(b) != verdictSize {
		return verdict{}, 0, fmt.Errorf("verdict of %d bytes, wanted %d", len(b), verdictSize)
	}
	reasonLen = int(binary.BigEndian.Uint16(b[34:]))
	if reasonLen > maxReason {
		return verdict{}, 0, fmt.Errorf("verdict announces a reason of %d bytes, at most %d are allowed", reasonLen, maxReason)
	}
	if b[33] != 0 {
		return verdict{}, 0, fmt.Errorf("verdict has a reserved byte %#x that is not zero", b[33])
	}
	v.code = Code(b[32])
	copy(v.proof[:], b)
	return v, reasonLen, nil
}

// Labels separate the uses of one key. The zero byte ends each, so that none is the beginning of another.
const (
	labelDonor   = "trireme donor proof\x00"
	labelJoiner  = "trireme joiner proof\x00"
	labelSession = "trireme session\x00"
	labelData    = "trireme data key\x00"

	// exporterLabel names our use of TLS exporters (RFC 8446 section 7.5). They differ on the two sides of a relay, which is
	// what makes a proof worthless when it is carried over to another TLS session.
	exporterLabel = "EXPORTER-trireme-preface"
	exporterSize  = 32
)

// transcript is what both ends have said so far, which every proof covers.
type transcript struct {
	key      []byte // nonce, or what dataKey made of it
	exporter []byte // empty in plain mode
	said     []byte // the hellos, then the donor's verdict
}

func mac(key []byte, parts ...[]byte) [32]byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	var sum [32]byte
	m.Sum(sum[:0])
	return sum
}

// prove covers label, exporter, everything said before and the rest of this verdict.
func (t transcript) prove(label string, v verdict) [32]byte {
	return mac(t.key, []byte(label), []byte{byte(len(t.exporter))}, t.exporter, t.said, v.tail())
}

// good compares in constant time.
func (t transcript) good(label string, v verdict) bool {
	want := t.prove(label, v)
	return hmac.Equal(want[:], v.proof[:])
}

// session is the secret that both ends of a control connection share from now on, and nobody who only knows the nonce.
func (t transcript) session() [32]byte {
	return mac(t.key, []byte(labelSession), []byte{byte(len(t.exporter))}, t.exporter, t.said)
}

// dataKey replaces the nonce on data connections.
func dataKey(nonce [16]byte, session [32]byte) []byte {
	key := mac(nonce[:], []byte(labelData), session[:])
	return key[:]
}

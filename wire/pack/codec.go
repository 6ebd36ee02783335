package pack

import "fmt"

// Codec says how a piece was packed. The numbers travel.
type Codec uint8

// The codecs: zstd for content in general, S2 (an extension of Snappy's block format)
// where the processor is weak and the link is not.
const (
	None Codec = 0
	Zstd Codec = 1
	S2   Codec = 2
)

// String returns the name that options and logs use.
func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Zstd:
		return "zstd"
	case S2:
		return "s2"
	}
	return fmt.Sprintf("codec %d", uint8(c))
}

// Known says whether an Unpacker can undo the codec.
func (c Codec) Known() bool { return c <= S2 }

// Mode is what the operator asks for.
type Mode uint8

// The modes. Auto packs while the link is what the transfer waits for, with what moves
// content fastest.
const (
	Off Mode = iota
	Auto
	AlwaysZstd
	AlwaysS2
)

// ParseMode reads the words of the option compress.
func ParseMode(s string) (Mode, error) {
	switch s {
	case "off":
		return Off, nil
	case "auto":
		return Auto, nil
	case "zstd":
		return AlwaysZstd, nil
	case "s2":
		return AlwaysS2, nil
	}
	return Off, fmt.Errorf("compression %q is not one of auto, off, zstd, s2", s)
}

// Codecs lists what an end in this mode packs with or takes, the preferred one first.
func (m Mode) Codecs() []Codec {
	switch m {
	case Auto:
		return []Codec{Zstd, S2}
	case AlwaysZstd:
		return []Codec{Zstd}
	case AlwaysS2:
		return []Codec{S2}
	}
	return nil
}

package msg

import "fmt"

// Type is the number in a frame's header.
//
// Numbers are part of the protocol and never reused. 0x80 and above may be
// skipped by a peer that does not know them, below that an unknown type ends the
// session (SPEC.md, "Types").
type Type uint8

// The types of version 1.
const (
	TypeHello     Type = 0x01 // both ways on control: what each end is
	TypeMode      Type = 0x02 // donor: bypass or full copy
	TypeAccept    Type = 0x03 // joiner: prepared, go on
	TypePassBegin Type = 0x04 // donor: a pass starts
	TypeCatalog   Type = 0x05 // donor: entries that are new, changed or gone
	TypeHave      Type = 0x06 // joiner: what it holds of them
	TypePassEnd   Type = 0x07 // donor: all of the pass was sent
	TypePassDone  Type = 0x08 // joiner: all of the pass is in place
	TypeCommit    Type = 0x09 // donor: make it durable under these coordinates
	TypeCommitted Type = 0x0a // joiner: durable
	TypeAbort     Type = 0x0b // both ways on control: the first cause
	TypeKeyring   Type = 0x0c // donor: the keys of encrypted tables

	TypeChunk   Type = 0x10 // donor, data: bytes of one file
	TypeCompare Type = 0x11 // donor, data: which group digests it wants
	TypeGroups  Type = 0x12 // joiner, data: those digests
	TypeAsk     Type = 0x13 // donor, data: groups whose leaves it wants
	TypeLeaves  Type = 0x14 // joiner, data: those digests
	TypeFlush   Type = 0x15 // donor, data: answer when all before this is applied
	TypeFlushed Type = 0x16 // joiner, data: the answer

	TypeHeartbeat Type = 0x80 // both ways on control: alive, and how far
	TypeQueue     Type = 0x81 // joiner: transactions that wait there
)

// Skippable says whether a peer that does not know the type goes on without it.
func (t Type) Skippable() bool { return t >= 0x80 }

var typeNames = map[Type]string{
	TypeHello: "Hello", TypeMode: "Mode", TypeAccept: "Accept", TypePassBegin: "PassBegin",
	TypeCatalog: "Catalog", TypeHave: "Have", TypePassEnd: "PassEnd", TypePassDone: "PassDone",
	TypeCommit: "Commit", TypeCommitted: "Committed", TypeAbort: "Abort", TypeChunk: "Chunk",
	TypeCompare: "Compare", TypeGroups: "Groups", TypeAsk: "Ask", TypeLeaves: "Leaves",
	TypeFlush: "Flush", TypeFlushed: "Flushed", TypeHeartbeat: "Heartbeat", TypeQueue: "Queue",
	TypeKeyring: "Keyring",
}

func (t Type) String() string {
	if n, ok := typeNames[t]; ok {
		return n
	}
	return fmt.Sprintf("type 0x%02x", uint8(t))
}

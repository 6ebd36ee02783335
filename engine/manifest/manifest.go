package manifest

import (
	"encoding/binary"
	"errors"
	"fmt"

	"trireme/engine/tree"
)

// The file begins with magic and version; another version is another layout.
const (
	magic   = "trireme\x00"
	version = 2
)

// Limits, checked before anything is taken for granted.
const (
	// MaxRows is how many files a manifest may list: more than fit a datadir that anybody copies by hand.
	MaxRows = 4 << 20
	// MaxNode is the longest name of a donor in bytes, MaxPath the longest path.
	MaxNode = 512
	MaxPath = tree.MaxPath

	headSize = len(magic) + 2 + 2 + 4 + 16 + 16 + 8 + 16 + 2 // before the name
	rowSize  = 1 + 2 + 2*len(tree.Stamp{})                   // without the path
	sumSize  = 32
	// MaxSize follows from the others.
	MaxSize = int64(headSize+MaxNode+sumSize) + MaxRows*int64(rowSize+MaxPath)
)

// ErrMalformed is wrapped by every error about what a file holds.
var ErrMalformed = errors.New("manifest: malformed")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Header says when and of what the manifest was made.
type Header struct {
	Rows     uint32
	Transfer [16]byte
	Host     tree.Host // of the joiner
	// Definitions is what tree.Definitions says of the rows, with the donor's stamps; zero without any definition.
	Definitions [16]byte
	Node        string // what the donor called itself, for people
}

// Row is one file. The path of a Row that a Reader gave is valid until its next call.
type Row struct {
	Role   tree.Role
	Path   []byte
	Theirs tree.Stamp // the donor's, of what was copied
	Ours   tree.Stamp // of the copy
}

// before says whether r comes before a row of the role and path.
func (r *Row) before(role tree.Role, path []byte) bool {
	if r.Role != role {
		return r.Role < role
	}
	return string(r.Path) < string(path)
}

func (h *Header) append(b []byte) []byte {
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, version)
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint32(b, h.Rows)
	b = append(b, h.Transfer[:]...)
	b = append(b, h.Host.Boot[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Host.Clock))
	b = append(b, h.Definitions[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.Node)))
	return append(b, h.Node...)
}

func (r *Row) append(b []byte) []byte {
	b = append(b, uint8(r.Role))
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.Path)))
	b = append(b, r.Path...)
	b = append(b, r.Theirs[:]...)
	return append(b, r.Ours[:]...)
}

// check finds what no row may be.
func (r *Row) check(before *Row, first bool) error {
	switch {
	case !r.Role.Valid():
		return malformed("role %d is not defined", r.Role)
	case tree.ValidPath(string(r.Path)) != nil:
		return malformed("%q is no path", r.Path)
	case r.Theirs == (tree.Stamp{}) || r.Ours == (tree.Stamp{}):
		return malformed("%q has no stamp", r.Path)
	case !first && !before.before(r.Role, r.Path):
		return malformed("%q (%s) is not in order", r.Path, r.Role)
	}
	return nil
}

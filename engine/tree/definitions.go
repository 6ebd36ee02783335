package tree

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/zeebo/blake3"
)

// Definition says whether e is what tells the engine of a table, and CheckEngines reads.
func (e *Entry) Definition() bool {
	return !e.Dir && isDefinition(e.Role, e.Path) && e.Class.Props().Send != Never
}

func isDefinition(r Role, path string) bool { return r == RoleData && strings.HasSuffix(path, ".frm") }

// judgement stands for what CheckEngines accepts. It is in the stamps of definitions, so that a stamp says as well that the definition
// was accepted by these rules.
var judgement = sync.OnceValue(func() [8]byte { return judgementOf(copyable) })

func judgementOf(engines map[string]bool) [8]byte {
	names := slices.Sorted(maps.Keys(engines))
	sum := blake3.Sum256([]byte(strings.Join(names, " ")))
	return [8]byte(sum[:8])
}

// Definitions digests the stamps of all definitions of a transfer, to be compared with those of another. Add is called in the order
// of Scan. The zero value is ready; it is used by one goroutine.
type Definitions struct {
	h *blake3.Hasher
	b []byte
	n int
}

const definitionsContext = "trireme 2026 definitions\x00"

// Add takes in a file, unless it is no definition of a table that a server has: what a DDL statement has left behind is judged anew.
func (d *Definitions) Add(c Class, r Role, path string, s Stamp) {
	if !isDefinition(r, path) || c.Props().Send != Live {
		return
	}
	if d.h == nil {
		d.h = blake3.New()
		_, _ = d.h.WriteString(definitionsContext) // never fails
	}
	d.n++
	d.b = binary.BigEndian.AppendUint16(d.b[:0], uint16(len(path)))
	d.b = append(append(d.b, path...), s[:]...)
	_, _ = d.h.Write(d.b)
}

// Sum returns the digest, and how many definitions it is about; zero without any.
func (d *Definitions) Sum() (sum [16]byte, n int) {
	if d.h != nil {
		copy(sum[:], d.h.Sum(nil))
	}
	return sum, d.n
}

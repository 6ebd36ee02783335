package manifest

import (
	"bufio"
	"fmt"
	"io"

	"github.com/zeebo/blake3"
)

const bufferSize = 64 << 10

// Writer writes a manifest. It is used by one goroutine. After an error it gives only that error.
type Writer struct {
	to   io.Writer
	out  *bufio.Writer // to both to and sum, in large pieces
	sum  *blake3.Hasher
	left uint32
	last Row
	any  bool
	row  []byte
	err  error
}

// NewWriter begins a manifest of h.Rows rows.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	if h.Rows > MaxRows {
		return nil, fmt.Errorf("manifest: %d files, at most %d are listed", h.Rows, MaxRows)
	}
	if len(h.Node) > MaxNode {
		h.Node = h.Node[:MaxNode]
	}
	m := &Writer{to: w, sum: blake3.New(), left: h.Rows}
	m.out = bufio.NewWriterSize(io.MultiWriter(w, m.sum), bufferSize)
	return m, m.write(h.append(nil))
}

func (m *Writer) write(b []byte) error {
	if m.err == nil {
		_, m.err = m.out.Write(b)
	}
	return m.err
}

// Add writes the next row. The path is not kept.
func (m *Writer) Add(r Row) error {
	if m.err != nil {
		return m.err
	}
	if m.err = r.check(&m.last, !m.any); m.err != nil {
		return m.err
	}
	if m.left == 0 || len(r.Path) > MaxPath {
		m.err = malformed("%q is one row too many, or too long", r.Path)
		return m.err
	}
	m.left--
	m.any = true
	m.last.Role, m.last.Path = r.Role, append(m.last.Path[:0], r.Path...)
	m.row = r.append(m.row[:0])
	return m.write(m.row)
}

// Close ends the manifest. What it was written to stays open.
func (m *Writer) Close() error {
	if m.err == nil && m.left != 0 {
		m.err = malformed("%d rows are missing", m.left)
	}
	if m.err == nil {
		m.err = m.out.Flush()
	}
	if m.err == nil {
		_, m.err = m.to.Write(m.sum.Sum(nil))
	}
	return m.err
}

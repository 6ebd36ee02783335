package manifest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/zeebo/blake3"

	"trireme/engine/tree"
)

// Reader reads a manifest. It is used by one goroutine.
type Reader struct {
	Header Header

	from io.Reader
	in   *bufio.Reader // from from to sum, in large pieces; without the sum at the end
	sum  *blake3.Hasher
	left uint32
	last Row
	any  bool
	buf  [MaxPath]byte
	err  error
}

// NewReader reads the header of a manifest that is size bytes long.
func NewReader(r io.Reader, size int64) (*Reader, error) {
	if size < int64(headSize+sumSize) || size > MaxSize {
		return nil, malformed("it has %d bytes", size)
	}
	m := &Reader{from: r, sum: blake3.New()}
	m.in = bufio.NewReaderSize(io.TeeReader(io.LimitReader(r, size-sumSize), m.sum), bufferSize)
	b := m.take(headSize)
	if m.err != nil {
		return nil, m.err
	}
	if string(b[:len(magic)]) != magic {
		return nil, malformed("it does not begin as one does")
	}
	b = b[len(magic):]
	if v := binary.BigEndian.Uint16(b); v != version {
		return nil, malformed("it has version %d, this program knows %d", v, version)
	}
	if binary.BigEndian.Uint16(b[2:]) != 0 {
		return nil, malformed("reserved bytes are set")
	}
	h := &m.Header
	h.Rows = binary.BigEndian.Uint32(b[4:])
	b = b[8:]
	copy(h.Transfer[:], b)
	copy(h.Host.Boot[:], b[16:])
	h.Host.Clock = int64(binary.BigEndian.Uint64(b[32:]))
	copy(h.Definitions[:], b[40:])
	node := int(binary.BigEndian.Uint16(b[56:]))
	if node > MaxNode {
		return nil, malformed("the donor's name has %d bytes", node)
	}
	if h.Rows > MaxRows || int64(h.Rows)*int64(rowSize+1) > size-int64(headSize+node+sumSize) {
		return nil, malformed("%d rows do not fit %d bytes", h.Rows, size)
	}
	h.Node = string(m.take(node))
	m.left = h.Rows
	return m, m.err
}

// take reads n bytes into buf, which has room for them.
func (m *Reader) take(n int) []byte {
	if m.err != nil {
		return m.buf[:n]
	}
	if _, err := io.ReadFull(m.in, m.buf[:n]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = malformed("it is cut off")
		}
		m.err = err
		return m.buf[:n]
	}
	return m.buf[:n]
}

// peek returns the next n bytes, which the buffer has room for, and leaves them there.
func (m *Reader) peek(n int) []byte {
	if m.err != nil {
		return nil
	}
	b, err := m.in.Peek(n)
	if err == io.EOF {
		err = malformed("it is cut off")
	}
	m.err = err
	return b
}

// Next returns the next row, and false after the last one or after an error, which Close tells.
func (m *Reader) Next() (Row, bool) {
	if m.err != nil || m.left == 0 {
		return Row{}, false
	}
	head := m.peek(3)
	if m.err != nil {
		return Row{}, false
	}
	r := Row{Role: tree.Role(head[0])}
	n := int(binary.BigEndian.Uint16(head[1:]))
	if n > MaxPath {
		m.err = malformed("a path has %d bytes", n)
		return Row{}, false
	}
	b := m.peek(rowSize + n)
	if m.err != nil {
		return Row{}, false
	}
	r.Path, b = b[3:3+n], b[3+n:]
	copy(r.Theirs[:], b)
	copy(r.Ours[:], b[len(r.Theirs):])
	if m.err = r.check(&m.last, !m.any); m.err != nil {
		return Row{}, false
	}
	_, _ = m.in.Discard(rowSize + n) // has just been looked at; the path is good until the next call
	m.left--
	m.any = true
	m.last.Role, m.last.Path = r.Role, append(m.last.Path[:0], r.Path...)
	return r, true
}

// Close reads what is left and says whether the file is whole. What it was read from stays open.
func (m *Reader) Close() error {
	for {
		if _, more := m.Next(); !more {
			break
		}
	}
	if m.err != nil {
		return m.err
	}
	if _, err := m.in.ReadByte(); err == nil {
		m.err = malformed("something follows its end")
	} else if err != io.EOF {
		m.err = err
	}
	if m.err != nil {
		return m.err
	}
	var got [sumSize]byte
	if _, err := io.ReadFull(m.from, got[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		m.err = malformed("it is cut off")
	} else if err != nil {
		m.err = err
	} else if !bytes.Equal(got[:], m.sum.Sum(nil)) {
		m.err = malformed("the sum at its end is not that of its content")
	}
	return m.err
}

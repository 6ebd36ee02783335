package record

import (
	"io"
	"net"
)

// intake lies below crypto/tls and hands it the bytes of one record at a time, so that what follows the handshake is still in the
// kernel when the handshake is over. It belongs to the one who reads.
type intake struct {
	net.Conn
	free  bool // crypto/tls stays, and may read what it likes
	ended bool // the connection below has come to its end

	header [headerSize]byte
	have   int // bytes of header
	left   int // bytes of the record behind it
}

func (i *intake) Read(p []byte) (int, error) {
	if !i.free {
		p = p[:min(len(p), i.rest())]
	}
	n, err := i.Conn.Read(p)
	if err == io.EOF {
		i.ended = true
	}
	if !i.free {
		i.count(p[:n])
	}
	return n, err
}

// rest is how many bytes belong to the same header, or to the same record behind it.
func (i *intake) rest() int {
	if i.have < headerSize {
		return headerSize - i.have
	}
	return i.left
}

// count takes note of bytes that were handed on, of which there are at most rest.
func (i *intake) count(p []byte) {
	if i.have < headerSize {
		i.have += copy(i.header[i.have:], p)
		if i.have < headerSize {
			return
		}
		// Whatever it says: crypto/tls judges headers.
		i.left = length(i.header[:])
	} else {
		i.left -= len(p)
	}
	if i.left == 0 {
		i.have = 0
	}
}

// length is what a record's header announces.
func length(header []byte) int { return int(header[3])<<8 | int(header[4]) }

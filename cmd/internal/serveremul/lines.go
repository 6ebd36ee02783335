package serveremul

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// lineReader reads like fgets with a fixed buffer: a line that does not fit comes in pieces, each of them a line of its
// own to the server.
type lineReader struct {
	r     *bufio.Reader
	limit int // bytes a piece can have, newline included
}

func newLineReader(r io.Reader, buffer int) *lineReader {
	return &lineReader{r: bufio.NewReader(r), limit: buffer - 1}
}

// next returns a piece without its newline, and whether there was one.
func (l *lineReader) next() (text string, whole bool, err error) {
	var b strings.Builder
	for b.Len() < l.limit {
		c, err := l.r.ReadByte()
		if err != nil {
			if b.Len() > 0 && errors.Is(err, io.EOF) {
				return b.String(), false, nil
			}
			return "", false, err
		}
		if c == '\n' {
			return b.String(), true, nil
		}
		b.WriteByte(c)
	}
	return b.String(), false, nil
}

// hasPrefix compares the first word the way servers do.
func hasPrefix(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

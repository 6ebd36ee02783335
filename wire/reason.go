package wire

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// cleanReason makes a reason fit to travel and to be logged: printable characters only, others escaped, at most maxReason bytes,
// cut at a character. The receiver applies it again, because the sender may be anybody. Doing it twice changes nothing.
func cleanReason(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		piece := s[i : i+n]
		switch {
		case r == utf8.RuneError && n == 1:
			piece = escapeByte(s[i])
		case !unicode.IsPrint(r):
			piece = ""
			for j := range n {
				piece += escapeByte(s[i+j])
			}
		}
		if b.Len()+len(piece) > maxReason {
			break
		}
		b.WriteString(piece)
		i += n
	}
	return b.String()
}

func escapeByte(b byte) string {
	const hex = "0123456789abcdef"
	if b == '\n' {
		return `\n`
	}
	return string([]byte{'\\', 'x', hex[b>>4], hex[b&15]})
}

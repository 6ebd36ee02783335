package mycnf

import "bytes"

// lineLimit is the longest piece of a line taken at once: the server reads into a
// buffer of 4096 bytes, keeps one byte back, and another goes to the terminating
// zero. What is left over is taken as a line of its own, and so it is here.
const lineLimit = 4094

// isSpace follows the server, which classifies bytes as latin1: the no-break space counts,
// even when it is the second half of a UTF-8 letter.
func isSpace(c byte) bool {
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xA0
}

func trimLeft(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}

func trimRight(b []byte) []byte {
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// nextLine cuts one line, its newline included, off the data. more says that the limit ended it.
func nextLine(data []byte) (line, rest []byte, more bool) {
	n := len(data)
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		n = i + 1
	}
	if n > lineLimit {
		return data[:lineLimit], data[lineLimit:], true
	}
	return data[:n], data[n:], false
}

// cutComment drops a comment that starts in the middle of a line: a # outside
// quotes. Within quotes a backslash shields the next byte.
func cutComment(b []byte) []byte {
	var quote byte
	escape := false
	for i, c := range b {
		if (c == '\'' || c == '"') && !escape {
			switch quote {
			case 0:
				quote = c
			case c:
				quote = 0
			}
		}
		if quote == 0 && c == '#' {
			return b[:i]
		}
		escape = quote != 0 && c == '\\' && !escape
	}
	return b
}

// splitOption takes a trimmed option line apart.
func splitOption(b []byte) (name, value string, bare bool) {
	b = cutComment(b)
	i := bytes.IndexByte(b, '=')
	if i < 0 {
		return string(trimRight(b)), "", true
	}
	return string(trimRight(b[:i])), unescape(unquote(trimRight(trimLeft(b[i+1:])))), false
}

// unquote removes one pair of equal outer quotes; a lone quote stays.
func unquote(b []byte) []byte {
	if n := len(b); n > 1 && (b[0] == '"' || b[0] == '\'') && b[0] == b[n-1] {
		return b[1 : n-1]
	}
	return b
}

// escapes lists what may follow a backslash. After any other byte the backslash stays, so
// that a pattern such as \.pem survives; a backslash at the very end stays too.
var escapes = [256]byte{
	'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 's': ' ',
	'"': '"', '\'': '\'', '\\': '\\',
}

func unescape(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i == len(b)-1 {
			out = append(out, b[i])
			continue
		}
		i++
		if c := escapes[b[i]]; c != 0 {
			out = append(out, c)
		} else {
			out = append(out, '\\', b[i])
		}
	}
	return string(out)
}

package settings

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// maxPattern keeps a pattern at a length somebody can have written by hand.
const maxPattern = 4096

// ConvertPattern turns the pattern of cpat into a regular expression for whole paths. The syntax is the one
// the scripts' find command takes by default: basic expressions in which \| is "or" and \( \) groups, while + and ? repeat
// without a backslash and are letters with one. Back references cannot be expressed and are an error.
func ConvertPattern(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("pattern is longer than %d bytes", maxPattern)
	}
	out, err := convertPattern(pattern)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	re, err := regexp.Compile(`^(?s:` + out + `)$`)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	return re, nil
}

func convertPattern(p string) (string, error) {
	var b strings.Builder
	start := true // where a repetition sign has nothing to repeat and is a letter
	for i := 0; i < len(p); i++ {
		c, atStart := p[i], start
		start = false
		switch c {
		case '\\':
			i++
			if i == len(p) {
				return "", errors.New("ends in a backslash")
			}
			text, opens, err := escapedPattern(p[i])
			if err != nil {
				return "", err
			}
			b.WriteString(text)
			start = opens
		case '*', '+', '?':
			if atStart {
				b.WriteString(regexp.QuoteMeta(string(c)))
				continue
			}
			b.WriteByte(c)
			// A second sign would mean "lazy" to Go. Repeating a repetition needs a group.
			if i+1 < len(p) && strings.IndexByte("*+?", p[i+1]) >= 0 {
				return "", fmt.Errorf("repeats a repetition at byte %d", i+1)
			}
		case '[':
			n, err := bracketLength(p[i:])
			if err != nil {
				return "", err
			}
			// Inside brackets a backslash is a letter here and an escape in Go; an opening bracket needs one
			// unless it begins a class such as [:digit:].
			b.WriteString(quoteBracket(p[i : i+n]))
			i += n - 1
		case '^':
			b.WriteString(anchorOr(atStart, `\A`, `\^`))
			start = atStart
		case '$':
			end := i+1 == len(p) || strings.HasPrefix(p[i+1:], `\|`) || strings.HasPrefix(p[i+1:], `\)`)
			b.WriteString(anchorOr(end, `\z`, `\$`))
		case '.':
			b.WriteByte('.')
		default:
			b.WriteString(quoteByte(c))
		}
	}
	return b.String(), nil
}

// escapedPattern converts a backslash and the byte after it. opens says that an expression starts behind it.
func escapedPattern(c byte) (text string, opens bool, err error) {
	switch c {
	case '(':
		return "(?:", true, nil
	case '|':
		return "|", true, nil
	case ')':
		return ")", false, nil
	case 'w', 'W', 'b', 'B':
		return `\` + string(c), false, nil
	case '<', '>':
		return `\b`, false, nil
	case '`':
		return `\A`, true, nil
	case '\'':
		return `\z`, false, nil
	case '{', '}':
		return "", false, errors.New(`has an interval \{ \}, which is not supported; write the repetition out`)
	}
	if c >= '1' && c <= '9' {
		return "", false, fmt.Errorf(`has a back reference \%c, which is not supported`, c)
	}
	return quoteByte(c), false, nil
}

// quoteByte quotes one byte. Bytes above ASCII pass, so that the parts of a UTF-8 letter stay together.
func quoteByte(c byte) string {
	if c >= 0x80 {
		return string([]byte{c})
	}
	return regexp.QuoteMeta(string(rune(c)))
}

func anchorOr(anchor bool, yes, no string) string {
	if anchor {
		return yes
	}
	return no
}

// bracketLength finds the end of a bracket expression: a ] directly after the opening (or after ^) is a letter, and classes
// have brackets of their own.
func bracketLength(p string) (int, error) {
	i := 1
	if i < len(p) && p[i] == '^' {
		i++
	}
	if i < len(p) && p[i] == ']' {
		i++
	}
	for ; i < len(p); i++ {
		switch {
		case p[i] == '[' && i+1 < len(p) && p[i+1] == ':':
			end := strings.Index(p[i:], ":]")
			if end < 0 {
				return 0, errors.New("has an open character class")
			}
			i += end + 1
		case p[i] == ']':
			return i + 1, nil
		}
	}
	return 0, errors.New("has an open bracket")
}

func quoteBracket(p string) string {
	var b strings.Builder
	b.WriteByte('[')
	inner := p[1 : len(p)-1]
	if strings.HasPrefix(inner, "^") {
		b.WriteByte('^')
		inner = inner[1:]
	}
	for i := 0; i < len(inner); i++ {
		if strings.HasPrefix(inner[i:], "[:") {
			end := strings.Index(inner[i:], ":]") + 2
			b.WriteString(inner[i : i+end])
			i += end - 1
			continue
		}
		switch c := inner[i]; c {
		case '\\', '[', ']', '^', '&', '~':
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte(']')
	return b.String()
}

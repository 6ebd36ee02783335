package galera

import (
	"strconv"
	"strings"
)

// maxRest bounds the text after a position: Codership 8.0's "uuid:seqno serverid" is the longest known form.
const maxRest = 80

// GTID is a position of the cluster as scripts and servers write it.
type GTID struct {
	UUID   string // lower case, 8-4-4-4-12
	Seqno  int64  // -1 = undefined
	Domain string // the rest of the line: a domain number, or Codership 8.0's local position and server id; may be empty
}

// ParseGTID reads "uuid:seqno" and, after blanks, an optional rest that is passed on unread. Text from the other end is
// expected here, so everything is checked: what this accepts can be printed to the server as it is.
func ParseGTID(s string) (GTID, error) {
	position, rest, _ := strings.Cut(s, " ")
	uuid, number, found := strings.Cut(position, ":")
	if !found || !validUUID(uuid) {
		return GTID{}, exitf(ExitProto, "parse position %q: expected uuid:seqno", clip(s))
	}
	seqno, err := strconv.ParseInt(number, 10, 64)
	if err != nil || seqno < -1 || number[0] == '+' {
		return GTID{}, exitf(ExitProto, "parse position %q: %q is not a sequence number", clip(s), clip(number))
	}
	rest = strings.Trim(rest, " ")
	if len(rest) > maxRest || strings.IndexFunc(rest, func(r rune) bool { return !restRune(r) }) >= 0 {
		return GTID{}, exitf(ExitProto, "parse position %q: %q cannot follow a position", clip(s), clip(rest))
	}
	return GTID{UUID: strings.ToLower(uuid), Seqno: seqno, Domain: rest}, nil
}

// String returns "uuid:seqno", followed by a blank and the domain when there is one.
func (g GTID) String() string {
	s := g.UUID + ":" + strconv.FormatInt(g.Seqno, 10)
	if g.Domain != "" {
		s += " " + g.Domain
	}
	return s
}

// check reports a position that ParseGTID would not give back.
func (g GTID) check() error {
	_, err := ParseGTID(g.String())
	return err
}

func restRune(r rune) bool {
	return isAlnum(r) || strings.ContainsRune(" :,-", r)
}

func validUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// clip shortens text of foreign origin for an error message.
func clip(s string) string {
	const limit = 120
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}

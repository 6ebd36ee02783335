package galera

import "errors"

// GTID is a position of the cluster as scripts and servers write it.
type GTID struct {
	UUID   string // lower case, 8-4-4-4-12
	Seqno  int64
	Domain string // the rest of the line: a domain number, or Codership 8.0's local position and server id; may be empty
}

// ParseGTID reads "uuid:seqno" with an optional rest after blanks.
func ParseGTID(s string) (GTID, error) { return GTID{}, errors.ErrUnsupported }

// String returns "uuid:seqno", followed by a blank and the domain when there is one.
func (g GTID) String() string { return "" }

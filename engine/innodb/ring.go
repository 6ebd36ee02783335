package innodb

import "strings"

// Ring tells where in a redo log file an LSN lies: since MariaDB 10.8 the log is one
// file whose records follow each other from the end of the head to the end of the
// file, and then from the end of the head again, without any framing between them.
type Ring struct {
	first, lsn uint64
	size       int64
}

// RingOf returns the ring of a log file of the given size in bytes; false for other
// formats and for a head that makes no sense.
func RingOf(c Checkpoint, size int64) (Ring, bool) {
	if !strings.HasPrefix(c.Format, "mariadb-10.8") || size <= headSize || c.First == 0 || c.LSN < c.First {
		return Ring{}, false
	}
	return Ring{first: c.First, lsn: c.LSN, size: size}, true
}

// LSN is the checkpoint that the log's head named.
func (r Ring) LSN() uint64 { return r.lsn }

// Capacity is how many bytes of log the file holds.
func (r Ring) Capacity() int64 { return r.size - headSize }

// Offset is where in the file the byte with the given LSN lies. An LSN before the
// file's first one has no place and is given that of the first.
func (r Ring) Offset(lsn uint64) int64 {
	lsn = max(lsn, r.first)
	return headSize + int64((lsn-r.first)%uint64(r.Capacity()))
}

// mark is what ends a mini-transaction whose last record ends at an LSN.
func (r Ring) mark(lsn uint64) byte {
	return byte(1 - (lsn-r.first)/uint64(r.Capacity())%2)
}

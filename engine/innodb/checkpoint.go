package innodb

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// Digest identifies the raw bytes of a part of the redo log's head.
type Digest [sha256.Size]byte

// Checkpoint is what the head of a redo log says. Two values are comparable with ==, which is what Equal does.
type Checkpoint struct {
	// Header and Slots are digests of the first block and of the two checkpoint slots as they are on disk.
	Header Digest
	Slots  [2]Digest
	// LSN is the newest valid checkpoint, 0 when neither slot is valid or the format is unknown.
	LSN uint64
	// First is the LSN at the log file's first record, where the format has that (see Ring).
	First uint64
	// Format names the log format: "mariadb-10.8", "mariadb-10.5", …, with "-encrypted" where the header says so, or
	// "unknown".
	Format string
}

// Equal reports whether neither the header nor a slot changed between the two readings.
func (c Checkpoint) Equal(o Checkpoint) bool { return c == o }

// String is for logs.
func (c Checkpoint) String() string { return fmt.Sprintf("%s checkpoint LSN %d", c.Format, c.LSN) }

// The two layouts of the head. Formats before MariaDB 10.8, and MySQL's, have slots of one 512-byte block at 512 and
// 1536; since 10.8 they are 64 bytes each in blocks of their own at 4096 and 8192, so that a checkpoint is one write of
// a physical block.
const (
	headSize  = 12 << 10
	oldSlot   = 512
	oldSlot0  = 512
	oldSlot1  = 1536
	newSlot   = 64
	newBlock  = 4 << 10
	newSlot0  = 4 << 10
	newSlot1  = 8 << 10
	firstLSN  = 8
	encrypted = 1 << 31 // of an old format
)

const (
	format108    = 0x50687973
	formatEnc108 = 0xf09f979d // the same, encrypted
	format105    = 0x50485953
)

// oldFormats share the old layout.
var oldFormats = map[uint32]string{
	0: "mysql-5.6", 1: "mysql-5.7", 2: "mysql-8.0.1", 3: "mysql-8.0.3", 4: "mysql-8.0.19", 5: "mysql-8.0.28",
	6: "mysql-8.0.30", 103: "mariadb-10.3", 104: "mariadb-10.4", format105: "mariadb-10.5",
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ReadCheckpoint reads the head of a redo log: ib_logfile0, or any file of #innodb_redo. size is the size of the file;
// one that cannot hold a head is an error. A damaged or half-written slot is not an error: it has no LSN, and its
// digest will differ from the next reading. At most 12 KiB are read.
func ReadCheckpoint(r io.ReaderAt, size int64) (Checkpoint, error) {
	if size < headSize {
		return Checkpoint{}, fmt.Errorf("read redo log head: the file has %d bytes, a head needs %d", size, headSize)
	}
	head := make([]byte, headSize)
	if n, err := r.ReadAt(head, 0); n < headSize {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Checkpoint{}, fmt.Errorf("read redo log head at offset %d: %w", n, err)
	}
	return decode(head), nil
}

func decode(head []byte) Checkpoint {
	format := binary.BigEndian.Uint32(head)
	c := Checkpoint{Header: sha256.Sum256(head[:oldSlot])}
	name, old := oldFormats[format&^encrypted]
	switch {
	case format == format108, format == formatEnc108:
		c.Format = "mariadb-10.8"
		c.Slots = digests(head[newSlot0:newSlot0+newBlock], head[newSlot1:newSlot1+newBlock])
		c.LSN = max(newLSN(head[newSlot0:]), newLSN(head[newSlot1:]))
		c.First = binary.BigEndian.Uint64(head[firstLSN:])
	case old:
		c.Format = name
		c.Slots = digests(head[oldSlot0:oldSlot0+oldSlot], head[oldSlot1:oldSlot1+oldSlot])
		c.LSN = max(oldLSN(head[oldSlot0:]), oldLSN(head[oldSlot1:]))
	default:
		// Whatever lies there, a checkpoint of either layout would change it.
		c.Format = "unknown"
		c.Slots = digests(head[oldSlot:newSlot0], head[newSlot0:])
		return c
	}
	if format == formatEnc108 || old && format&encrypted != 0 {
		c.Format += "-encrypted"
	}
	return c
}

func digests(a, b []byte) [2]Digest { return [2]Digest{sha256.Sum256(a), sha256.Sum256(b)} }

// newLSN: 8 bytes checkpoint LSN, 8 bytes end LSN, zeroes, CRC-32C of the first 60 bytes.
func newLSN(slot []byte) uint64 {
	if crc32.Checksum(slot[:newSlot-4], castagnoli) != binary.BigEndian.Uint32(slot[newSlot-4:]) {
		return 0
	}
	return binary.BigEndian.Uint64(slot)
}

// oldLSN: 8 bytes checkpoint number, 8 bytes checkpoint LSN, …, CRC-32C of the first 508 bytes. A server with an older
// checksum setting is not worth a second algorithm here: it only loses the number in the log.
func oldLSN(slot []byte) uint64 {
	if crc32.Checksum(slot[:oldSlot-4], castagnoli) != binary.BigEndian.Uint32(slot[oldSlot-4:]) {
		return 0
	}
	return binary.BigEndian.Uint64(slot[8:])
}

package tree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// frmHead is the fixed part of a table definition; the fields used here:
//
//	offset 0   2 bytes  magic fe 01
//	offset 3   1        number of the engine; from 45 on numbers are given out at run time and mean nothing elsewhere
//	offset 4   2        length of the second header ("extra2"), which starts at frmHead unless a slash stands there
//	offset 6   2        offset of the key information
//	offset 14  2        its length, or ffff and then 4 bytes at 47
//	offset 16  2        length of the default record that follows the key information
//	offset 55  4        length of the extra segment after that record: connection string, then the engine's name, each
//	                    with 2 bytes of length
//	offset 61  1        number of the engine of the partitions, 0 without partitions
const frmHead = 64

// frmEngines are the fixed engine numbers that current servers write.
var frmEngines = map[byte]string{
	6: "MEMORY", 8: "MRG_ISAM", 9: "MyISAM", 10: "MRG_MyISAM", 12: "InnoDB", 14: "ndbcluster", 15: "EXAMPLE",
	16: "ARCHIVE", 17: "CSV", 18: "FEDERATED", 19: "BLACKHOLE", 20: "partition", 27: "MARIA",
	28: "PERFORMANCE_SCHEMA", 41: "S3", 42: "Aria", 43: "TokuDB", 44: "SEQUENCE",
}

// extra2PartEngine is the tag of the name of the partitions' engine in the second header.
const extra2PartEngine = 1

var errNotFrm = errors.New("not a table definition")

// Engine returns the storage engine that a .frm file names, as the server spells it: for a partitioned table that of
// its partitions, for a sequence that of the table behind it, and "VIEW" for a view. frm is the beginning of the file;
// when it is cut off before the engine's name the number in the header decides, and an engine without a fixed number is
// an error then. It allocates no more than the name.
func Engine(frm []byte) (name string, err error) {
	if bytes.HasPrefix(frm, []byte("TYPE=VIEW\n")) {
		return "VIEW", nil
	}
	if len(frm) < frmHead || frm[0] != 0xfe || frm[1] != 1 {
		return "", errNotFrm
	}
	name = frmExtraName(frm)
	if name == "" {
		name = frmEngines[frm[3]]
	}
	if name == "partition" || frm[3] == 20 || frm[61] != 0 {
		if part := frmPartEngine(frm); part != "" {
			return part, nil
		}
		if part, ok := frmEngines[frm[61]]; ok && frm[61] != 20 {
			return part, nil
		}
		return "", fmt.Errorf("the engine of the partitions has number %d, which is unknown", frm[61])
	}
	if name == "" {
		return "", fmt.Errorf("the engine has number %d, which is unknown, and no name", frm[3])
	}
	return name, nil
}

// frmNames returns how much of a definition, of which frm is the beginning, Engine looks at.
func frmNames(frm []byte) int {
	if len(frm) < frmHead || frm[0] != 0xfe || frm[1] != 1 {
		return 0
	}
	names := frmHead + int(binary.LittleEndian.Uint16(frm[4:]))
	if at, size := frmExtra(frm); size > 0 {
		names = max(names, int(min(at+size, math.MaxInt32)))
	}
	return names
}

// frmExtra returns where the extra segment lies and its length, 0 when there is none.
func frmExtra(frm []byte) (at, size uint64) {
	le := binary.LittleEndian
	keys := uint64(le.Uint16(frm[14:]))
	if keys == 0xffff {
		keys = uint64(le.Uint32(frm[47:]))
	}
	// Sums of at most 32 bits cannot wrap around in 64.
	return uint64(le.Uint16(frm[6:])) + keys + uint64(le.Uint16(frm[16:])), uint64(le.Uint32(frm[55:]))
}

// frmExtraName reads the engine's name from the extra segment, "" when there is none within frm.
func frmExtraName(frm []byte) string {
	at, size := frmExtra(frm)
	if at+size > uint64(len(frm)) {
		size = uint64(len(frm)) - min(at, uint64(len(frm)))
	}
	if size == 0 {
		return ""
	}
	_, seg, ok := lengthPrefixed(frm[at : at+size])
	if !ok {
		return ""
	}
	name, _, ok := lengthPrefixed(seg)
	if !ok || !plausibleName(name) {
		return ""
	}
	return string(name)
}

// frmPartEngine reads the partitions' engine from the second header, "" when there is none.
func frmPartEngine(frm []byte) string {
	n := int(binary.LittleEndian.Uint16(frm[4:]))
	rest := frm[frmHead:]
	if len(rest) < n || n == 0 || rest[0] == '/' {
		return ""
	}
	rest = rest[:n]
	for len(rest) >= 2 {
		tag, size := rest[0], int(rest[1])
		rest = rest[2:]
		if size == 0 { // long values have their length in two more bytes
			if len(rest) < 2 {
				return ""
			}
			size, rest = int(binary.LittleEndian.Uint16(rest)), rest[2:]
		}
		if size > len(rest) {
			return ""
		}
		if tag == extra2PartEngine && plausibleName(rest[:size]) {
			return string(rest[:size])
		}
		rest = rest[size:]
	}
	return ""
}

func lengthPrefixed(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.LittleEndian.Uint16(b))
	if len(b)-2 < n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

// plausibleName keeps a damaged file from being reported with a name made of noise.
func plausibleName(b []byte) bool {
	if len(b) == 0 || len(b) > 64 {
		return false
	}
	for _, c := range b {
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

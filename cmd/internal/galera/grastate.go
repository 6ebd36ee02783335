package galera

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxGrastate bounds what is read of grastate.dat, which the provider pads with blanks to a few hundred bytes.
const maxGrastate = 64 << 10

// Grastate reads the position in the provider's grastate.dat below datadir. It is not ok when the file is missing or
// has no readable position; a zero uuid is ok, it says that the state is unsafe. The file is only ever read: the provider
// holds it open and rewrites it in place (sst-contract 8.1).
func Grastate(datadir string) (uuid string, seqno int64, ok bool) {
	f, err := os.Open(filepath.Join(datadir, "grastate.dat"))
	if err != nil {
		return "", 0, false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxGrastate))
	if err != nil {
		return "", 0, false
	}
	return parseGrastate(string(data))
}

func parseGrastate(data string) (uuid string, seqno int64, ok bool) {
	var haveSeqno bool
	for line := range strings.Lines(data) {
		key, value, found := strings.Cut(line, ":")
		if !found || strings.HasPrefix(line, "#") {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "uuid":
			uuid = strings.ToLower(value)
		case "seqno":
			n, err := strconv.ParseInt(value, 10, 64)
			seqno, haveSeqno = n, err == nil && n >= -1
		}
	}
	if !validUUID(uuid) || !haveSeqno {
		return "", 0, false
	}
	return uuid, seqno, true
}

package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// maxIndex bounds the binary log index that is read into memory: some 100 000 names.
const maxIndex = 16 << 20

// binlogClass knows this node's own names, whatever the index on disk names, and, where the peer said that the file is
// a binary log, any name of that form: files keep the donor's base name (sst-contract 8.4). Without such a word
// "dump.20240101" in a datadir is somebody's file.
func (c *rules) binlogClass(name string, asked bool) Class {
	l := c.l
	index := l.BinlogIndex
	if index == "" && l.BinlogBase != "" {
		index = l.BinlogBase + ".index"
	}
	if index != "" {
		switch {
		case name == index:
			return BinlogIndex
		case strings.HasPrefix(name, index+"_"): // index_crash_safe and its kin
			return Stale
		}
	}
	if c.indexed[name] {
		return Binlog
	}
	if base := l.BinlogBase; base != "" && strings.HasPrefix(name, base+".") {
		ext := name[len(base):]
		switch {
		case sequenceExt.MatchString("x" + ext):
			return Binlog
		case ext == ".state" || ext == ".~rec~" || sequenceExt.MatchString("x"+strings.TrimSuffix(ext, ".idx")):
			return Stale // GTID state and indexes that the server makes again from the logs
		}
	}
	if !asked || l.isRelay(name) || ariaLogName.MatchString(name) || name[0] == '.' {
		return 0
	}
	if class := c.topFile(name); class != Foreign {
		return 0 // this node's own, which a peer must not have replaced by what it calls a binary log (R-JOIN-2)
	}
	switch {
	case sequenceExt.MatchString(name):
		return Binlog
	case strings.HasSuffix(name, ".index"):
		return BinlogIndex
	}
	return 0
}

// ParseIndex returns the file names in a binary log index, oldest first, without their directories. Lines that are no
// usable names are skipped.
func ParseIndex(index []byte) []string {
	var names []string
	for line := range bytes.Lines(index) {
		name := path.Base(string(bytes.TrimSpace(line)))
		if name != "." && ValidPath(name) == nil {
			names = append(names, name)
		}
	}
	return names
}

// readIndex reads the index of this node, if there is one, from the open binlog directory.
func (s *scanner) readIndex(dir int) error {
	l := &s.d.resolved
	name := l.BinlogIndex
	if name == "" && l.BinlogBase != "" {
		name = l.BinlogBase + ".index"
	}
	if name == "" {
		return nil
	}
	fd, _, err := openRegular(dir, name, unix.O_RDONLY, 0)
	if err != nil {
		return s.vanished("open", RoleBinlog, name, err)
	}
	f, err := blocking(fd, unix.O_RDONLY, s.d.Path(RoleBinlog, name))
	if err != nil {
		return s.d.fail("open", RoleBinlog, name, err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxIndex+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return s.d.fail("read", RoleBinlog, name, err)
	}
	if len(data) > maxIndex {
		return s.d.fail("read", RoleBinlog, name, fmt.Errorf("binary log index is larger than %d bytes", maxIndex))
	}
	names := ParseIndex(data)
	s.rules.indexed = make(map[string]bool, len(names))
	for _, n := range names {
		// The index must not turn any other file into a binary log.
		if sequenceExt.MatchString(n) && !l.isRelay(n) && !ariaLogName.MatchString(n) {
			s.rules.indexed[n] = true
			s.index = append(s.index, n)
		}
	}
	return nil
}

// chooseBinlogs leaves only the newest MaxBinlogs of the index as Binlog; without an index none is sent.
func (s *scanner) chooseBinlogs(all []Entry) {
	limit := s.d.resolved.MaxBinlogs
	if limit < 0 {
		return
	}
	newest := set(s.index[max(0, len(s.index)-limit):]...)
	for i := range all {
		e := &all[i]
		if e.Class == Binlog && !newest[e.Path] {
			e.Class = OldBinlog
		}
	}
}

package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"trireme/engine/tree"
)

// binlog is a binary log that was received, with what decides about its place in the index.
type binlog struct {
	name, base, number string
	// made is when the file was begun, in seconds, from its first event.
	made uint32
}

// writeIndex lists the received binary logs for the server here. The donor's own list is of no use: it has the donor's
// directories, its name follows the donor's log_bin, and it names logs that were not sent (sst-contract 8.4). A node
// that got no logs gets no index, and its server begins a new one.
func (s *Store) writeIndex() error {
	logs, err := s.binlogs()
	if err != nil || len(logs) == 0 {
		return err
	}
	name := s.indexName()
	if name == "" {
		return nil
	}
	var text bytes.Buffer
	for _, l := range logs {
		fmt.Fprintln(&text, s.indexEntry(l.name))
	}
	if err := s.writeSmall(tree.RoleBinlog, name, text.Bytes(), indexMode); err != nil {
		return err
	}
	return s.chmod(tree.RoleBinlog, name, indexMode) // as the server has it, whatever our umask
}

// indexMode are the permissions that a server gives its binary logs.
const indexMode = 0o660

func (s *Store) indexName() string {
	l := &s.cfg.Layout
	if l.BinlogIndex == "" && l.BinlogBase != "" {
		return l.BinlogBase + ".index"
	}
	return l.BinlogIndex
}

// indexEntry writes a name as the server would: relative to the datadir where the log lies in it, else absolute.
func (s *Store) indexEntry(name string) string {
	full := filepath.Join(s.cfg.Layout.Dir(tree.RoleBinlog), name)
	if rest, ok := strings.CutPrefix(full, s.cfg.Layout.Dir(tree.RoleData)+"/"); ok {
		return "./" + rest
	}
	return full
}

// binlogs returns what was received, oldest first. Logs of one base name follow their numbers; the server's own mix only
// where it was a joiner itself, and then the set that was begun first comes first.
func (s *Store) binlogs() ([]binlog, error) {
	var logs []binlog
	began := map[string]uint32{}
	for _, e := range s.entries {
		if !e.live || e.class != tree.Binlog {
			continue
		}
		ext := path.Ext(e.spec.Path)
		l := binlog{name: e.spec.Path, base: strings.TrimSuffix(e.spec.Path, ext), number: strings.TrimLeft(ext, ".0")}
		var err error
		if l.made, err = s.begun(e); err != nil {
			return nil, err
		}
		if at, ok := began[l.base]; !ok || l.made < at {
			began[l.base] = l.made
		}
		logs = append(logs, l)
	}
	slices.SortFunc(logs, func(a, b binlog) int {
		return cmp.Or(
			cmp.Compare(began[a.base], began[b.base]), cmp.Compare(a.base, b.base),
			cmp.Compare(len(a.number), len(b.number)), cmp.Compare(a.number, b.number),
		)
	})
	return logs, nil
}

// begun reads the time of the first event, which follows four bytes of magic. A file without one sorts as the oldest.
func (s *Store) begun(e *entry) (uint32, error) {
	f, err := s.open(e.spec.Role, e.name, os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close() // opened for reading
	var head [8]byte
	if _, err := f.ReadAt(head[:], 0); err != nil && err != io.EOF {
		return 0, s.ioError("read", e.spec.Role, e.name, err)
	}
	if string(head[:4]) != "\xfebin" {
		return 0, nil
	}
	return binary.LittleEndian.Uint32(head[4:]), nil
}

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"trireme/engine/tree"
)

// grastateName is the provider's state file. It is read here and never written: the
// provider keeps it open and locked (R-JOIN-2).
const grastateName = "grastate.dat"

// grastatePoll is how often the file is read again while waiting.
const grastatePoll = 20 * time.Millisecond

// maxGrastate bounds what is read of the file; real ones have about 120 bytes.
const maxGrastate = 4 << 10

// waitGrastate returns when the state file shows that the server has given its old
// data up, or an error after the configured wait. The server does so only after it
// read our address, so a short wait is normal (consistency 7.1).
func (s *Store) waitGrastate(ctx context.Context) error {
	limit := time.NewTimer(s.cfg.GrastateWait)
	defer limit.Stop()
	tick := time.NewTicker(grastatePoll)
	defer tick.Stop()
	for {
		text, err := s.readGrastate()
		if err != nil {
			return err
		}
		uuid, seqno, ok := parseGrastate(text)
		// An empty file is what the provider leaves on a node that never had a
		// state: it creates the file and has nothing to write (seen with 26.4).
		if len(bytes.TrimSpace(text)) == 0 || ok && uuid == zeroUUID && seqno == "-1" {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-limit.C:
			file := s.grastate()
			if !ok {
				return fmt.Errorf("check %s: no uuid and seqno lines in it; expected the form the Galera provider writes", file)
			}
			return fmt.Errorf("check %s: it still says uuid %s, seqno %s, so the old data may be needed for an incremental transfer; "+
				"expected uuid %s, seqno -1 before anything is replaced (nothing has been changed)", file, uuid, seqno, zeroUUID)
		}
	}
}

// grastate is the place of the state file.
func (s *Store) grastate() string {
	if s.cfg.GrastateDir != "" {
		return filepath.Join(s.cfg.GrastateDir, grastateName)
	}
	return s.abs(tree.RoleData, grastateName)
}

// readGrastate returns the file's text, nil when there is none.
func (s *Store) readGrastate() ([]byte, error) {
	const flags = os.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK
	var f *os.File
	var err error
	if s.cfg.GrastateDir != "" {
		f, err = os.OpenFile(s.grastate(), flags, 0) // a directory of the configuration, not of the peer
	} else {
		f, err = s.dirs.OpenFile(tree.RoleData, grastateName, flags, 0)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", s.grastate(), err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxGrastate))
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", s.grastate(), err)
	}
	return text, nil
}

const zeroUUID = "00000000-0000-0000-0000-000000000000"

// parseGrastate finds uuid and seqno; ok is false when one of them is missing. The
// provider rewrites the file in place, so a half-written one is possible.
func parseGrastate(text []byte) (uuid, seqno string, ok bool) {
	for line := range strings.Lines(string(text)) {
		name, value, found := strings.Cut(line, ":")
		if !found {
			continue
		}
		switch value = strings.TrimSpace(value); strings.TrimSpace(name) {
		case "uuid":
			uuid = strings.ToLower(value)
		case "seqno":
			seqno = value
		}
	}
	return uuid, seqno, uuid != "" && seqno != ""
}

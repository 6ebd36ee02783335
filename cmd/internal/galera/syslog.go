package galera

import (
	"fmt"
	"net"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

// SyslogPath is where the system's log listens.
const SyslogPath = "/dev/log"

const (
	// syslogLimit bounds one line's wait for a log that does not take it: nothing may hold up a transfer, least of all under
	// the lock. The library's writer has no such limit, which is why it is not used.
	syslogLimit = 100 * time.Millisecond
	// syslogText is the longest text of one line; more is cut. Every log takes that much in one piece (RFC 5424, 6.1).
	syslogText = 2000
)

// Syslog sends lines to the system's log, as logger does for the stock scripts: facility daemon, a tag, our process number. A line
// that is not taken in time is the last one. Safe for concurrent use.
type Syslog struct {
	tag  string
	mu   sync.Mutex
	conn net.Conn // nil: no more lines
	gone error    // why
}

// OpenSyslog connects to the log that listens at path.
func OpenSyslog(path, tag string) (*Syslog, error) {
	conn, err := net.DialTimeout("unixgram", path, syslogLimit)
	if err != nil {
		if conn, err = net.DialTimeout("unix", path, syslogLimit); err != nil {
			return nil, fmt.Errorf("connect to the system's log: %w", err)
		}
	}
	return &Syslog{tag: tag, conn: conn}, nil
}

// Close closes the connection and returns the reason why lines are missing, if there is one.
func (s *Syslog) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
	return s.gone
}

// severities are those of RFC 5424 for the levels, in their order.
var severities = [...]int{LevelError: 3, LevelWarning: 4, LevelInfo: 6, LevelDebug: 7}

// send sends one line of plain text.
func (s *Syslog) send(level Level, text string, now time.Time) {
	const daemon = 3 << 3
	if len(text) > syslogText {
		n := syslogText
		for n > 0 && !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n] + "..."
	}
	line := fmt.Sprintf("<%d>%s %s[%d]: %s\n", daemon|severities[level], now.Format(time.Stamp), s.tag, os.Getpid(), text)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return
	}
	err := s.conn.SetWriteDeadline(now.Add(syslogLimit))
	if err == nil {
		_, err = s.conn.Write([]byte(line))
	}
	if err != nil {
		s.conn.Close()
		s.conn, s.gone = nil, fmt.Errorf("write to the system's log: %w", err)
	}
}

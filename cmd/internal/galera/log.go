package galera

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Level is the weight of a log line.
type Level uint8

// The levels, heaviest first.
const (
	LevelError Level = iota
	LevelWarning
	LevelInfo
	LevelDebug
)

// String returns the word that the stock scripts of MariaDB print.
func (l Level) String() string {
	switch l {
	case LevelError:
		return "ERROR"
	case LevelWarning:
		return "WARNING"
	case LevelInfo:
		return "INFO"
	}
	return "DEBUG"
}

// pxcPrefix is the four characters by which PXC's logger chooses the level.
func (l Level) pxcPrefix() string {
	switch l {
	case LevelError:
		return "ERR:"
	case LevelWarning:
		return "WRN:"
	case LevelInfo:
		return "INF:"
	}
	return "DBG:"
}

// pxcPiece is the longest text of one PXC line: its server reads 1024 bytes at a time, and the rest of a longer line would
// come without a prefix (sst-contract 2.1).
const pxcPiece = 1000

// LogConfig says where lines go and what they look like.
type LogConfig struct {
	W      io.Writer // the server's error log, which is standard error
	Family Family    // PXC wants its own prefixes
	JSON   bool      // one object a line instead: time, level, role, msg
	Debug  bool      // print LevelDebug, too
	Role   string    // a field of the JSON form
	Syslog *Syslog   // takes every line as well, as plain text; nil: nobody does. The caller closes it
}

// Log writes lines for the server's error log, shaped like those of the stock scripts because people search for them:
// "WSREP_SST: [INFO] text (20060102 15:04:05.000)". One call is one line, control characters are escaped, so that text
// from the other end cannot forge a line. Safe for concurrent use; each line is one write, and failed writes are dropped,
// because there is nowhere left to report them.
type Log struct {
	cfg LogConfig
	mu  sync.Mutex
}

// NewLog returns a Log that writes to cfg.W.
func NewLog(cfg LogConfig) *Log { return &Log{cfg: cfg} }

// Errorf writes a line of level ERROR.
func (l *Log) Errorf(format string, args ...any) { l.Log(LevelError, fmt.Sprintf(format, args...)) }

// Warningf writes a line of level WARNING.
func (l *Log) Warningf(format string, args ...any) { l.Log(LevelWarning, fmt.Sprintf(format, args...)) }

// Infof writes a line of level INFO.
func (l *Log) Infof(format string, args ...any) { l.Log(LevelInfo, fmt.Sprintf(format, args...)) }

// Debugf writes a line of level DEBUG, when those are wanted.
func (l *Log) Debugf(format string, args ...any) { l.Log(LevelDebug, fmt.Sprintf(format, args...)) }

// Log writes text as one line of level.
func (l *Log) Log(level Level, text string) {
	if level == LevelDebug && !l.cfg.Debug {
		return
	}
	now := time.Now()
	line := l.line(level, text, now)
	if l.cfg.Syslog != nil {
		l.cfg.Syslog.send(level, escape(text), now)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.cfg.W.Write(line)
}

func (l *Log) line(level Level, text string, now time.Time) []byte {
	if l.cfg.JSON {
		line, err := json.Marshal(struct {
			Time  string `json:"time"`
			Level string `json:"level"`
			Role  string `json:"role,omitempty"`
			Msg   string `json:"msg"`
		}{now.Format("2006-01-02T15:04:05.000Z07:00"), strings.ToLower(level.String()), l.cfg.Role, text})
		if err != nil {
			panic("galera: internal error: log line: " + err.Error())
		}
		return append(line, '\n')
	}
	text = escape(text)
	if l.cfg.Family == PXC {
		return pxcLines(level, text)
	}
	return []byte("WSREP_SST: [" + level.String() + "] " + text + now.Format(" (20060102 15:04:05.000)") + "\n")
}

// pxcLines cuts text into pieces that the server reads whole, each with its prefix, never inside a character.
func pxcLines(level Level, text string) []byte {
	var out []byte
	for {
		n := len(text)
		if n > pxcPiece {
			for n = pxcPiece; n > 0 && !utf8.RuneStart(text[n]); n-- {
			}
		}
		out = append(out, level.pxcPrefix()...)
		out = append(out, text[:n]...)
		out = append(out, '\n')
		if text = text[n:]; text == "" {
			return out
		}
	}
}

// escape makes everything visible that could end a line, move the cursor or hide text.
func escape(text string) string {
	plain := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
	if strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case plain(r):
			b.WriteString(text[i : i+size])
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		default:
			// The quoted form of a character that is not printable is its escape.
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += size
	}
	return b.String()
}

// Printable returns text on one line with everything visible, as the log writes it.
func Printable(text string) string { return escape(text) }

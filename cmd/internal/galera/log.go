package galera

import "io"

// Level is the weight of a log line.
type Level uint8

// The levels, heaviest first.
const (
	LevelError Level = iota
	LevelWarning
	LevelInfo
	LevelDebug
)

// LogConfig says where lines go and what they look like.
type LogConfig struct {
	W      io.Writer
	Family Family // PXC wants its own prefixes
	JSON   bool   // one object a line instead
	Debug  bool   // print LevelDebug, too
	Role   string // a field of the JSON form
}

// Log writes lines for the server's error log. Safe for concurrent use; one write a line.
type Log struct{}

// NewLog returns a Log.
func NewLog(cfg LogConfig) *Log { return &Log{} }

// Log writes one line at level.
func (l *Log) Log(level Level, text string) {}

// Errorf writes a line of level ERROR.
func (l *Log) Errorf(format string, args ...any) {}

// Warningf writes a line of level WARNING.
func (l *Log) Warningf(format string, args ...any) {}

// Infof writes a line of level INFO.
func (l *Log) Infof(format string, args ...any) {}

// Debugf writes a line of level DEBUG.
func (l *Log) Debugf(format string, args ...any) {}

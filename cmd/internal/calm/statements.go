package calm

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// patience is how long Quiet waits in all for statements to end.
	patience = 2 * time.Second
	// longSeconds makes a statement long. The server counts whole seconds; shorter ones end before the lock could notice.
	longSeconds = 1
	// mostNoted bounds the lines about statements.
	mostNoted = 5
)

// family decides which statements hold up the lock.
type family int

const (
	mysqlFamily family = iota
	mariadbFamily
)

func familyOf(version string) family {
	if strings.Contains(strings.ToLower(version), "mariadb") {
		return mariadbFamily
	}
	return mysqlFamily
}

// statement is a row of the process list.
type statement struct {
	id      string
	user    string
	command string
	info    string // text of the statement; may hold clients' data and goes nowhere
	seconds int64
}

// change of schema: these hold up the lock however young they are, for they may have an hour to go.
var schemaVerbs = map[string]bool{
	"ALTER": true, "ANALYZE": true, "CREATE": true, "DROP": true, "OPTIMIZE": true, "RENAME": true, "REPAIR": true, "TRUNCATE": true,
}

// readVerbs do not hold up FLUSH TABLES WITH READ LOCK on MariaDB (tried on 10.11: the lock came at once beside a SELECT that had
// its table open, and waited for an UPDATE). In the MySQL family a SELECT keeps its table from being closed, and so the lock.
var readVerbs = map[string]bool{
	"SELECT": true, "SHOW": true, "EXPLAIN": true, "DESCRIBE": true, "DESC": true, "WITH": true, "HELP": true,
}

// idleVerbs never hold it up.
var idleVerbs = map[string]bool{
	"SHOW": true, "SET": true, "KILL": true, "USE": true, "BEGIN": true, "START": true, "COMMIT": true, "ROLLBACK": true, "XA": true,
	"DO": true, "FLUSH": true, "BACKUP": true, "LOCK": true, "UNLOCK": true,
}

// holdsUp says whether the lock would have to wait for the statement for long, and returns its verb.
func (s statement) holdsUp(f family) (string, bool) {
	if s.command != "Query" && s.command != "Execute" {
		return "", false
	}
	verb := verbOf(s.info)
	switch {
	case verb == "" || idleVerbs[verb] || f == mariadbFamily && readVerbs[verb]:
		return "", false
	case schemaVerbs[verb]:
		return verb, true
	}
	return verb, s.seconds >= longSeconds
}

// verbOf is the first word of a statement in capitals, comments and opening brackets skipped. A word is only letters, so what is
// returned holds no data. The text may be cut anywhere.
func verbOf(text string) string {
	for {
		text = strings.TrimLeft(text, " \t\r\n(;")
		var end string
		switch {
		case strings.HasPrefix(text, "/*!") || strings.HasPrefix(text, "/*M!"):
			// The server runs what is in such a comment; a version number may come first.
			text = strings.TrimLeft(text[strings.IndexByte(text, '!')+1:], "0123456789")
			continue
		case strings.HasPrefix(text, "/*"):
			text, end = text[2:], "*/"
		case strings.HasPrefix(text, "#"), strings.HasPrefix(text, "--"):
			end = "\n"
		default:
			n := 0
			for n < len(text) && n < 16 && (text[n]|0x20 >= 'a' && text[n]|0x20 <= 'z') {
				n++
			}
			return strings.ToUpper(text[:n])
		}
		_, rest, ok := strings.Cut(text, end)
		if !ok {
			return ""
		}
		text = rest
	}
}

// statements reads the process list: all of it with the PROCESS right, else the account's own connections.
func (c *Calm) statements(ctx context.Context) ([]statement, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, errSlow)
	defer cancel()
	rows, err := c.db.QueryContext(ctx, "SHOW PROCESSLIST")
	if err != nil {
		return nil, cause(ctx, err)
	}
	defer rows.Close()
	// The families differ in the number of columns, not in the names of these.
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	cells := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	var list []statement
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		var s statement
		for i, name := range columns {
			switch v := cells[i].String; strings.ToLower(name) {
			case "id":
				s.id = v
			case "user":
				s.user = v
			case "command":
				s.command = v
			case "info":
				s.info = v
			case "time":
				// An idle system thread has no time, or a negative one.
				s.seconds, _ = strconv.ParseInt(v, 10, 64)
			}
		}
		list = append(list, s)
	}
	return list, cause(ctx, rows.Err())
}

// waitStatements waits for a moment without statements that hold up the lock, for as long as left says, and takes what it needed off
// left. It returns what still runs then, without the texts.
func (c *Calm) waitStatements(ctx context.Context, left *time.Duration) ([]string, error) {
	began := time.Now()
	for {
		list, err := c.statements(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the process list: %w", explain(err))
		}
		var held []string
		for _, s := range list {
			if verb, ok := s.holdsUp(c.family); ok {
				held = append(held, fmt.Sprintf("%s of user %q in connection %s, %d s", verb, s.user, s.id, s.seconds))
			}
		}
		spent := time.Since(began)
		if len(held) == 0 || spent >= *left {
			*left = max(0, *left-spent)
			return held, nil
		}
		if err := pause(ctx, pollEvery); err != nil {
			return nil, err
		}
	}
}

// noteStatements tells what the lock may have to wait for: the time of a statement inside a routine is that of the whole routine.
func (c *Calm) noteStatements(held []string) {
	if len(held) == 0 {
		return
	}
	if more := len(held) - mostNoted; more > 0 {
		held = append(held[:mostNoted:mostNoted], fmt.Sprintf("and %d more", more))
	}
	c.config.Note("statements that the lock may have to wait for: %s", strings.Join(held, "; "))
}

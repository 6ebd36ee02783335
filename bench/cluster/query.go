package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// DB is a connection pool to the node's socket as root; several statements in one call are allowed. It belongs to the node and is
// closed by Stop, Kill and Destroy: ask for it again after a restart.
func (n *Node) DB() (*sql.DB, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.db != nil {
		return n.db, nil
	}
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr = "root", "unix", n.socket
	config.MultiStatements, config.InterpolateParams = true, true
	config.MaxAllowedPacket = 0 // ask the server
	config.Logger = &mysql.NopLogger{}
	if err := config.Apply(mysql.Charset("utf8mb4", "utf8mb4_bin")); err != nil {
		return nil, fmt.Errorf("connect to node %d: %w", n.index, err)
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("connect to node %d: %w", n.index, err)
	}
	n.db = sql.OpenDB(connector)
	return n.db, nil
}

func (n *Node) closeDB() {
	n.mu.Lock()
	db := n.db
	n.db = nil
	n.mu.Unlock()
	if db != nil {
		_ = db.Close()
	}
}

// Exec runs one or more statements on one connection of the pool. The connection is used again as they leave it: statements that
// set session variables or open a transaction should undo that.
func (n *Node) Exec(ctx context.Context, statements string) error {
	db, err := n.DB()
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, statements); err != nil {
		return fmt.Errorf("run %s on node %d: %w", shorten(statements), n.index, err)
	}
	return nil
}

// Query runs statements and returns the rows of the last result set as text; NULL is the word NULL.
func (n *Node) Query(ctx context.Context, statements string) ([][]string, error) {
	const tries = 5 // a question that met a statement of another node is asked again, as any Galera client must
	for try := 1; ; try++ {
		table, err := n.query(ctx, statements)
		var refused *mysql.MySQLError
		if err == nil || try == tries || !errors.As(err, &refused) || refused.Number != deadlock {
			return table, err
		}
	}
}

// deadlock is ER_LOCK_DEADLOCK, which is also what a statement gets that loses against one of another node.
const deadlock = 1213

func (n *Node) query(ctx context.Context, statements string) ([][]string, error) {
	db, err := n.DB()
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, statements)
	if err != nil {
		return nil, fmt.Errorf("ask %s of node %d: %w", shorten(statements), n.index, err)
	}
	defer rows.Close()
	var table [][]string
	for {
		if table, err = readRows(rows); err != nil {
			return nil, fmt.Errorf("ask %s of node %d: %w", shorten(statements), n.index, err)
		}
		if !rows.NextResultSet() {
			break
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("ask %s of node %d: %w", shorten(statements), n.index, err)
	}
	return table, nil
}

func readRows(rows *sql.Rows) ([][]string, error) {
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	cells := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	var table [][]string
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make([]string, len(cells))
		for i, c := range cells {
			row[i] = c.String
			if !c.Valid {
				row[i] = "NULL"
			}
		}
		table = append(table, row)
	}
	return table, rows.Err()
}

// Status reads status variables by name.
func (n *Node) Status(ctx context.Context, names ...string) (map[string]string, error) {
	rows, err := n.Query(ctx, "SHOW GLOBAL STATUS WHERE Variable_name IN ('"+strings.Join(names, "','")+"')")
	if err != nil {
		return nil, err
	}
	values := make(map[string]string, len(rows))
	for _, r := range rows {
		if len(r) == 2 {
			values[r[0]] = r[1]
		}
	}
	return values, nil
}

// Client feeds the mariadb client program with a script, for SQL in bulk and for DELIMITER.
func (n *Node) Client(ctx context.Context, script io.Reader, args ...string) (string, error) {
	argv := append([]string{"--defaults-file=" + n.OptionFile(), "--batch", "--default-character-set=utf8mb4"}, args...)
	cmd := n.cluster.command(ctx, program("mariadb"), argv...)
	cmd.Stdin = script
	out, err := output(cmd)
	if err != nil {
		return "", fmt.Errorf("run client on node %d: %w; it said:\n%s", n.index, err, tail(string(out), tailLines))
	}
	return string(out), nil
}

// shorten makes a statement fit into an error.
func shorten(statement string) string {
	const most = 120
	statement = strings.Join(strings.Fields(statement), " ")
	if len(statement) > most {
		statement = strings.ToValidUTF8(statement[:most], "") + "…"
	}
	return "\"" + statement + "\""
}

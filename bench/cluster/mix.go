package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/go-sql-driver/mysql"
)

// The databases of a Mix: what Galera replicates, and what stays on the node that is asked.
const (
	mixSchema   = "mix"
	localSchema = "mix_local"
)

// mixRows is how many rows each replicated table of a Mix comes to; they are replaced over and over.
const mixRows = 400

// mixTables are kinds of table that keep a copying program busy in ways of their own: pages outside the row, an index with tables
// behind it, pages that are holes or not 16 KiB, pages that look like noise.
var mixTables = []struct{ name, columns, options, body string }{
	{"blobs", "body LONGBLOB", "", "REPEAT(UNHEX(SHA2(%d, 512)), 900)"},
	{"fulltext_t", "body TEXT, FULLTEXT KEY (body)", "", "CONCAT_WS(' ', 'oar sail keel', SHA2(%[1]d, 256), CONCAT('word', %[1]d %% 97))"},
	{"page_compressed", "body TEXT", "PAGE_COMPRESSED=1", "REPEAT(CHAR(97 + %d %% 26), 3000)"},
	{"compressed", "body TEXT", "ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8", "REPEAT(SHA2(%d, 512), 4)"},
	{"encrypted", "body TEXT", "ENCRYPTED=YES ENCRYPTION_KEY_ID=1", "REPEAT(SHA2(%d, 512), 4)"},
}

// localTables are the engines that Galera does not replicate.
var localTables = map[string]string{"aria": "ENGINE=Aria TRANSACTIONAL=1", "aria_plain": "ENGINE=Aria TRANSACTIONAL=0", "myisam": "ENGINE=MyISAM"}

// Mix changes one table of every kind without pause on one node: rows of InnoDB tables in five formats are replaced, Aria and
// MyISAM tables grow by numbered rows. It complements a Writer, whose ledger shows whether transactions are whole. The server needs
// the keys of encrypted tables.
type Mix struct {
	node   *Node
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	rounds int64 // the last number that all local tables have
	err    error
}

// StartMix makes the tables and starts the client. It ends in Stop, or when ctx ends.
func StartMix(ctx context.Context, n *Node, seed uint64) (*Mix, error) {
	sql := fmt.Sprintf("DROP DATABASE IF EXISTS %[1]s; DROP DATABASE IF EXISTS %[2]s; CREATE DATABASE %[1]s; CREATE DATABASE %[2]s;", mixSchema, localSchema)
	for _, t := range mixTables {
		sql += fmt.Sprintf("CREATE TABLE %s.%s (id INT PRIMARY KEY, %s) ENGINE=InnoDB %s;", mixSchema, t.name, t.columns, t.options)
	}
	for name, options := range localTables {
		sql += fmt.Sprintf("CREATE TABLE %s.%s (n BIGINT PRIMARY KEY, body VARCHAR(200) NOT NULL, KEY (body)) %s;", localSchema, name, options)
	}
	if err := n.Exec(ctx, sql); err != nil {
		return nil, fmt.Errorf("start mix: %w", err)
	}
	// A statement is not cut off: the server would go on with it after the client has gone.
	running, cancel := context.WithCancel(ctx)
	m := &Mix{node: n, cancel: cancel}
	m.wg.Go(func() { m.run(ctx, running, rand.New(rand.NewPCG(seed, 5))) })
	return m, nil
}

func (m *Mix) run(ctx, running context.Context, random *rand.Rand) {
	for n := int64(1); running.Err() == nil; n++ {
		for _, t := range mixTables {
			body := fmt.Sprintf(t.body, n)
			if err := m.exec(ctx, fmt.Sprintf("REPLACE INTO %s.%s VALUES (%d, %s)", mixSchema, t.name, random.IntN(mixRows), body)); err != nil {
				m.fail(ctx, err)
				return
			}
		}
		for name := range localTables {
			if err := m.exec(ctx, fmt.Sprintf("REPLACE INTO %s.%s VALUES (%[3]d, SHA2(%[3]d, 512))", localSchema, name, n)); err != nil {
				m.fail(ctx, err)
				return
			}
		}
		m.mu.Lock()
		m.rounds = n
		m.mu.Unlock()
	}
}

// exec repeats a statement that lost against another one.
func (m *Mix) exec(ctx context.Context, statement string) error {
	for {
		err := m.node.Exec(ctx, statement)
		var refused *mysql.MySQLError
		if err == nil || ctx.Err() != nil || !errors.As(err, &refused) || !passing(err) {
			return err
		}
	}
}

func (m *Mix) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = fmt.Errorf("mix: %w", err)
}

// Rounds is how often every table was changed so far.
func (m *Mix) Rounds() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rounds
}

// Stop ends the client and returns the rounds it made. It may be called twice.
func (m *Mix) Stop() (int64, error) {
	m.cancel()
	m.wg.Wait()
	return m.Rounds(), m.err
}

// CheckLocal holds the unreplicated tables of a joiner against what the Mix wrote: rows without a gap, each with its own content, at
// least as many as there were at the given round, when the transfer had not begun, and indexes that agree. Afterwards the tables are
// dropped everywhere, because nodes differ in them. Call it after Stop.
func (m *Mix) CheckLocal(ctx context.Context, joiner *Node, least int64) error {
	for name := range localTables {
		rows, err := joiner.Query(ctx, fmt.Sprintf("SELECT COUNT(*), COALESCE(MIN(n), 0), COALESCE(MAX(n), 0), COALESCE(SUM(body <> SHA2(n, 512)), 0) FROM %s.%s IGNORE INDEX (body)", localSchema, name))
		if err != nil {
			return fmt.Errorf("check local tables: %w", err)
		}
		var count, first, last, wrong int64
		for i, into := range []*int64{&count, &first, &last, &wrong} {
			if _, err := fmt.Sscan(rows[0][i], into); err != nil {
				return fmt.Errorf("check local tables: row %v: %w", rows[0], err)
			}
		}
		if most := m.Rounds(); first != 1 || last != count || wrong != 0 || count < least || count > most {
			return fmt.Errorf("check local table %s on node %d: %d rows from %d to %d, %d with wrong content; want 1 to %d at least, %d at most",
				name, joiner.index, count, first, last, wrong, least, most)
		}
		rows, err = joiner.Query(ctx, fmt.Sprintf("CHECK TABLE %s.%s EXTENDED", localSchema, name))
		if err != nil {
			return fmt.Errorf("check local tables: %w", err)
		}
		if last := rows[len(rows)-1]; last[len(last)-1] != "OK" {
			return fmt.Errorf("check local table %s on node %d: %q", name, joiner.index, rows)
		}
	}
	if err := m.node.Exec(ctx, "DROP DATABASE "+localSchema); err != nil {
		return fmt.Errorf("check local tables: %w", err)
	}
	return nil
}

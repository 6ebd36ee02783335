package cluster

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// WriterConfig describes the load of a Writer. The zero value is four clients with small rows.
type WriterConfig struct {
	Clients  int    // concurrent connections, each committing without pause; 0: 4
	Schema   string // database that the writer makes and owns; empty: writer
	Accounts int    // rows of the hot table; 0: 1000
	Payload  int    // bytes of the row that each transaction inserts, 0: 256
	Seed     uint64 // same seed, same choices per client; 0: 1

	// Hot is a table of which each transaction updates some rows, anywhere in it; empty: none. Its rows have the ids 1 to
	// HotRows, and a number in the column a.
	Hot     string
	HotRows int64
}

// hotUpdates is how many rows of the hot table a transaction changes: each is a page of its own in a large table.
const hotUpdates = 4

func (c WriterConfig) withDefaults() WriterConfig {
	if c.Clients == 0 {
		c.Clients = 4
	}
	if c.Schema == "" {
		c.Schema = "writer"
	}
	if c.Accounts == 0 {
		c.Accounts = 1000
	}
	if c.Payload == 0 {
		c.Payload = 256
	}
	if c.Seed == 0 {
		c.Seed = 1
	}
	return c
}

// Writer commits without pause on one node. Each transaction inserts its running number and a running sum into a ledger, moves
// money between two rows of a hot table and inserts a row of payload, so that a copy of two moments shows (oracle O6).
type Writer struct {
	config WriterConfig
	node   *Node
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu        sync.Mutex
	confirmed []int64 // per client: the last number whose commit was acknowledged
	commits   int64
	retries   int64
	began     time.Time
	ended     time.Time // of the first Stop; zero before
	last      time.Time // of the last acknowledged commit of any client
	gap       time.Duration
	gapEnd    time.Time
	pauses    []Pause
	slowest   time.Duration
	err       error // the first error that ended a client
}

// Load is what a Writer achieved.
type Load struct {
	Commits       int64
	Retries       int64         // transactions repeated after a conflict or while the node refused them
	LongestGap    time.Duration // longest time in which no client got a commit acknowledged
	GapEnd        time.Time     // when that gap ended
	SlowestCommit time.Duration // longest single transaction, retries included
	Seconds       float64       // since the start
	Pauses        []Pause       // every gap from pauseFrom on, in order
}

// Pause is a time in which no client got a commit acknowledged.
type Pause struct{ Start, End time.Time }

// pauseFrom is the shortest gap that counts as one: longer than a commit takes on a busy machine, shorter than a person notices.
const pauseFrom = 20 * time.Millisecond

// After returns the longest pause, and all pauses together, in what lies behind a moment.
func (l Load) After(t time.Time) (longest, sum time.Duration) {
	for _, p := range l.Pauses {
		if p.Start.Before(t) {
			p.Start = t
		}
		if d := p.End.Sub(p.Start); d > 0 {
			longest, sum = max(longest, d), sum+d
		}
	}
	return longest, sum
}

// StartWriter makes the tables and starts the clients. They end in Stop, or when ctx ends.
func StartWriter(ctx context.Context, n *Node, config WriterConfig) (*Writer, error) {
	config = config.withDefaults()
	s := backtick(config.Schema)
	err := n.Exec(ctx, fmt.Sprintf(`CREATE DATABASE IF NOT EXISTS %[1]s; USE %[1]s;
		CREATE TABLE IF NOT EXISTS %[1]s.ledger (client INT, n BIGINT, total BIGINT NOT NULL, PRIMARY KEY (client, n)) ENGINE=InnoDB;
		CREATE TABLE IF NOT EXISTS %[1]s.account (id INT PRIMARY KEY, balance BIGINT NOT NULL) ENGINE=InnoDB;
		CREATE TABLE IF NOT EXISTS %[1]s.event (client INT, n BIGINT, body VARBINARY(60000), PRIMARY KEY (client, n)) ENGINE=InnoDB;
		INSERT IGNORE INTO %[1]s.account SELECT seq, 1000 FROM seq_1_to_%[2]d`, s, config.Accounts))
	if err != nil {
		return nil, fmt.Errorf("start writer: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &Writer{config: config, node: n, cancel: cancel, confirmed: make([]int64, config.Clients), began: time.Now(), last: time.Now()}
	for client := range config.Clients {
		w.wg.Go(func() { w.run(ctx, client) })
	}
	return w, nil
}

// Stop ends the clients and returns the load. The error is the first that ended a client early; conflicts and a node that refuses
// statements for a while are no errors.
func (w *Writer) Stop() (Load, error) {
	w.mu.Lock()
	if w.ended.IsZero() {
		w.ended = time.Now()
	}
	w.mu.Unlock()
	w.cancel()
	w.wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.load(), w.err
}

// Load is the load so far.
func (w *Writer) Load() Load {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.load()
}

func (w *Writer) load() Load {
	load := Load{Commits: w.commits, Retries: w.retries, LongestGap: w.gap, GapEnd: w.gapEnd, SlowestCommit: w.slowest, Pauses: slices.Clone(w.pauses)}
	load.Seconds = w.last.Sub(w.began).Seconds()
	// A gap that is still open counts too: a node may have stopped for good.
	end := w.ended
	if end.IsZero() {
		end = time.Now()
	}
	if open := end.Sub(w.last); open > load.LongestGap {
		load.LongestGap, load.GapEnd = open, end
	}
	if end.Sub(w.last) >= pauseFrom {
		load.Pauses = append(load.Pauses, Pause{w.last, end})
	}
	return load
}

// retryPause keeps clients from spinning while the node refuses statements.
const retryPause = 2 * time.Millisecond

// run is one client. After an error whose outcome is unknown it asks the ledger which number was committed last.
func (w *Writer) run(ctx context.Context, client int) {
	random := rand.New(rand.NewPCG(w.config.Seed, uint64(client)))
	body := make([]byte, w.config.Payload)
	var conn *sql.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	n, began, known := int64(0), time.Now(), false
	for ctx.Err() == nil {
		err := func() (err error) {
			if conn == nil {
				db, err := w.node.DB()
				if err != nil {
					return err
				}
				if conn, err = db.Conn(ctx); err != nil {
					return err
				}
			}
			if !known {
				if n, err = w.lastNumber(ctx, conn, client); err != nil {
					return err
				}
				known = true
			}
			for i := range body {
				body[i] = byte('a' + random.IntN(16))
			}
			return w.transaction(ctx, conn, client, n+1, random, body)
		}()
		switch {
		case err == nil:
			n++
			w.acknowledge(client, n, began)
			began = time.Now()
		case ctx.Err() != nil:
			return
		case !passing(err):
			w.fail(fmt.Errorf("client %d, transaction %d: %w", client, n+1, err))
			return
		default:
			known = false
			// Not back into the pool: a lock wait timeout leaves the transaction open, and the next START would commit its half.
			if conn != nil {
				_ = conn.Raw(func(any) error { return driver.ErrBadConn })
				_ = conn.Close()
				conn = nil
			}
			w.mu.Lock()
			w.retries++
			w.mu.Unlock()
			select {
			case <-ctx.Done():
			case <-time.After(retryPause):
			}
		}
	}
}

func (w *Writer) lastNumber(ctx context.Context, conn *sql.Conn, client int) (int64, error) {
	var n int64
	err := conn.QueryRowContext(ctx, fmt.Sprintf("SELECT COALESCE(MAX(n), 0) FROM %s.ledger WHERE client = %d",
		backtick(w.config.Schema), client)).Scan(&n)
	return n, err
}

// transaction is one round trip: everything goes to the server in one packet, so that a client measures the server and not itself.
func (w *Writer) transaction(ctx context.Context, conn *sql.Conn, client int, n int64, random *rand.Rand, body []byte) error {
	s := backtick(w.config.Schema)
	from, to := 1+random.IntN(w.config.Accounts), 1+random.IntN(w.config.Accounts)
	amount := 1 + random.IntN(9)
	// The lower id first: clients on one node then wait for each other's rows instead of dying in a deadlock.
	if from > to {
		from, to, amount = to, from, -amount
	}
	hot := ""
	if w.config.Hot != "" {
		var ids []string
		for range hotUpdates {
			ids = append(ids, fmt.Sprint(1+random.Int64N(w.config.HotRows)))
		}
		hot = fmt.Sprintf("UPDATE %s SET a = a + 1 WHERE id IN (%s);", w.config.Hot, strings.Join(ids, ","))
	}
	_, err := conn.ExecContext(ctx, fmt.Sprintf(`START TRANSACTION; %[9]s
		INSERT INTO %[1]s.ledger VALUES (%[2]d, %[3]d, %[4]d);
		UPDATE %[1]s.account SET balance = balance - %[7]d WHERE id = %[5]d;
		UPDATE %[1]s.account SET balance = balance + %[7]d WHERE id = %[6]d;
		INSERT INTO %[1]s.event VALUES (%[2]d, %[3]d, '%[8]s');
		COMMIT`, s, client, n, n*(n+1)/2, from, to, amount, body, hot))
	return err
}

func (w *Writer) acknowledge(client int, n int64, began time.Time) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commits++
	w.confirmed[client] = n
	g := now.Sub(w.last)
	if g > w.gap {
		w.gap, w.gapEnd = g, now
	}
	if g >= pauseFrom {
		w.pauses = append(w.pauses, Pause{w.last, now})
	}
	w.last = now
	w.slowest = max(w.slowest, now.Sub(began))
}

func (w *Writer) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// passing says whether an error is part of life in a cluster: a conflict, a node that is not ready, a connection that broke.
func passing(err error) bool {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return true // the connection: the ledger tells on the next one what was committed
	}
	switch e.Number {
	case 1205, 1213, // lock wait timeout, deadlock (certification conflicts come as one)
		1047, 1053, 1317, 1969, // not ready, shutdown in progress, interrupted
		1180: // commit failed
		return true
	}
	return false
}

// CheckLedger is oracle O6 on any node: no client's numbers have a gap, running sums and balances are right, every ledger row has
// its event, and nothing that was acknowledged is missing. Call it after Stop.
func (w *Writer) CheckLedger(ctx context.Context, n *Node) error {
	s := backtick(w.config.Schema)
	rows, err := n.Query(ctx, fmt.Sprintf(`SET SESSION wsrep_sync_wait=1;
		SELECT client, COUNT(*), MIN(n), MAX(n), SUM(total <> n*(n+1)/2),
		(SELECT COUNT(*) FROM %[1]s.event e WHERE e.client = l.client) FROM %[1]s.ledger l GROUP BY client ORDER BY client`, s))
	if err != nil {
		return fmt.Errorf("check ledger: %w", err)
	}
	seen := map[int]bool{}
	w.mu.Lock()
	confirmed := append([]int64(nil), w.confirmed...)
	w.mu.Unlock()
	for _, r := range rows {
		var client int
		var count, first, last, wrong, events int64
		for i, into := range []any{&client, &count, &first, &last, &wrong, &events} {
			if _, err := fmt.Sscan(r[i], into); err != nil {
				return fmt.Errorf("check ledger: row %v: %w", r, err)
			}
		}
		seen[client] = true
		switch {
		case first != 1 || last != count:
			return fmt.Errorf("check ledger on node %d: client %d has %d rows numbered %d to %d: there is a gap", n.index, client, count, first, last)
		case wrong != 0:
			return fmt.Errorf("check ledger on node %d: client %d has %d wrong running sums", n.index, client, wrong)
		case events != count:
			return fmt.Errorf("check ledger on node %d: client %d has %d events for %d rows", n.index, client, events, count)
		case client < len(confirmed) && last < confirmed[client]:
			return fmt.Errorf("check ledger on node %d: client %d has %d rows, but %d were acknowledged", n.index, client, last, confirmed[client])
		}
	}
	for client, want := range confirmed {
		if want > 0 && !seen[client] {
			return fmt.Errorf("check ledger on node %d: client %d has no row, but %d were acknowledged", n.index, client, want)
		}
	}
	rows, err = n.Query(ctx, fmt.Sprintf("SELECT COUNT(*), SUM(balance) FROM %s.account", s))
	if err != nil {
		return fmt.Errorf("check ledger: %w", err)
	}
	want := []string{fmt.Sprint(w.config.Accounts), fmt.Sprint(1000 * w.config.Accounts)}
	if len(rows) != 1 || rows[0][0] != want[0] || rows[0][1] != want[1] {
		return fmt.Errorf("check ledger on node %d: accounts and sum are %v, want %v", n.index, rows, want)
	}
	return nil
}

package zoo

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
)

// BulkSchema is the database that Fill and Touch work in.
const BulkSchema = "bulk"

// loaders is how many connections load data at once.
const loaders = 2

// bulkTable is one table of Fill: its share of the bytes in percent and what a row of it occupies on disk, both measured.
type bulkTable struct {
	name     string
	columns  string
	options  string
	values   string
	share    int
	rowBytes int64
}

// bulkTables mixes one big table (ranges of one file on several streams), medium ones, a well compressible one and the other two
// engines that people have in numbers.
func bulkTables() []bulkTable {
	return []bulkTable{
		{"big", "id BIGINT PRIMARY KEY, a INT NOT NULL, t VARCHAR(1100) NOT NULL", "ENGINE=InnoDB", "seq, seq % 1009, " + text(1024), 50, 1170},
		{"orders", "id BIGINT PRIMARY KEY, customer INT NOT NULL, state TINYINT NOT NULL, note VARCHAR(260) NOT NULL, KEY (customer)", "ENGINE=InnoDB",
			"seq, seq * 31 % 100003, seq % 5, " + text(256), 20, 345},
		{"prose", "id BIGINT PRIMARY KEY, body TEXT NOT NULL", "ENGINE=InnoDB",
			"seq, REPEAT(CONCAT('the ship has ', seq, ' oars in three banks; '), 20)", 15, 830},
		{"log_aria", "id BIGINT PRIMARY KEY, t VARCHAR(600) NOT NULL", "ENGINE=Aria", "seq, " + text(512), 8, 560},
		{"log_myisam", "id BIGINT PRIMARY KEY, t VARCHAR(600) NOT NULL", "ENGINE=MyISAM", "seq, " + text(512), 7, 545},
	}
}

// replicated returns the tables among ts that Galera replicates: those of InnoDB. The share of the others goes to all but the
// first, so that the big one stays half of the data.
func replicated(ts []bulkTable) []bulkTable {
	var in []bulkTable
	kept := 0
	for _, t := range ts {
		if strings.HasPrefix(t.options, "ENGINE=InnoDB") {
			in = append(in, t)
			kept += t.share
		}
	}
	big := in[0].share
	for i := range in[1:] {
		in[1+i].share = in[1+i].share * (100 - big) / (kept - big)
	}
	return in
}

// fillSession makes loading fast: the first insert into an empty InnoDB table without these checks is built page by page, and
// without replication nothing passes through the provider's cache. Only for a node alone in its cluster.
const (
	fillSession = "SET SESSION unique_checks=0, foreign_key_checks=0, sql_log_bin=0, wsrep_on=OFF; "
	fillUndo    = "; SET SESSION unique_checks=1, foreign_key_checks=1, sql_log_bin=1, wsrep_on=ON"
)

// Fill loads about the given number of bytes (as files on disk) of mixed tables into the database bulk. Loading is not replicated:
// the server must be alone in its cluster, otherwise Fill refuses.
func Fill(ctx context.Context, s Server, bytes int64) error {
	return fill(ctx, s, bytes, bulkTables())
}

// FillReplicated is Fill without the tables that Galera does not replicate (Aria, MyISAM): InnoDB alone.
func FillReplicated(ctx context.Context, s Server, bytes int64) error {
	return fill(ctx, s, bytes, replicated(bulkTables()))
}

func fill(ctx context.Context, s Server, bytes int64, tables []bulkTable) error {
	if err := alone(ctx, s); err != nil {
		return fmt.Errorf("fill tables: %w", err)
	}
	if err := s.Exec(ctx, "CREATE DATABASE "+BulkSchema); err != nil {
		return fmt.Errorf("fill tables: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(loaders)
	for _, t := range tables {
		group.Go(func() error {
			rows := max(1, bytes*int64(t.share)/100/t.rowBytes)
			err := s.Exec(ctx, fmt.Sprintf("USE %[1]s; CREATE TABLE %[1]s.%[2]s (%[3]s) %[4]s; %[5]sINSERT INTO %[1]s.%[2]s SELECT %[6]s FROM seq_1_to_%[7]d%[8]s",
				BulkSchema, t.name, t.columns, t.options, fillSession, t.values, rows, fillUndo))
			if err != nil {
				return fmt.Errorf("fill table %s: %w", t.name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// alone checks that no other node would miss what is not replicated.
func alone(ctx context.Context, s Server) error {
	rows, err := s.Query(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size'")
	if err != nil {
		return err
	}
	if len(rows) == 1 && rows[0][1] != "1" && rows[0][1] != "0" {
		return fmt.Errorf("the cluster has %s nodes: load before the others join", rows[0][1])
	}
	return nil
}

// ManyTables makes n small tables in the database many, over several connections; a replicated DDL each, so the node should be alone.
func ManyTables(ctx context.Context, s Server, n int) error {
	if err := alone(ctx, s); err != nil {
		return fmt.Errorf("make many tables: %w", err)
	}
	if err := s.Exec(ctx, "CREATE DATABASE many"); err != nil {
		return fmt.Errorf("make many tables: %w", err)
	}
	// A batch is one round trip; its size bounds the statement and the time to a cancellation.
	const batch = 100
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * loaders)
	for from := 0; from < n; from += batch {
		group.Go(func() error {
			var b strings.Builder
			b.WriteString(fillSession)
			for i := from; i < min(from+batch, n); i++ {
				fmt.Fprintf(&b, "CREATE TABLE many.t%05d (id INT PRIMARY KEY, v VARCHAR(40)) ENGINE=InnoDB; INSERT INTO many.t%05d VALUES (%d, SHA1(%d)); ", i, i, i, i)
			}
			b.WriteString(strings.TrimPrefix(fillUndo, "; "))
			if err := s.Exec(ctx, b.String()); err != nil {
				return fmt.Errorf("make many tables from %d: %w", from, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// Touch changes about the given share (in percent) of the pages of the InnoDB tables that Fill made: one row in every so many
// pages, spread over the whole files, the same rows each time with a new value for each round.
func Touch(ctx context.Context, s Server, percent float64, round int) error {
	if percent <= 0 || percent > 100 {
		return fmt.Errorf("touch pages: %g percent is outside 0..100", percent)
	}
	for _, t := range bulkTables() {
		column := map[string]string{"big": "a", "orders": "state"}[t.name]
		if column == "" {
			continue
		}
		rowsPerPage := max(1, pageSize/t.rowBytes)
		every := max(1, int64(float64(rowsPerPage)*100/percent))
		most, err := largestID(ctx, s, t.name)
		if err != nil {
			return fmt.Errorf("touch pages of %s: %w", t.name, err)
		}
		// The key leads to single rows; a modulo would read the whole table and evict the buffer pool.
		err = s.Exec(ctx, fmt.Sprintf("USE %[1]s; UPDATE %[1]s.%[2]s t JOIN seq_1_to_%[6]d q ON t.id = q.seq * %[3]d SET t.%[4]s = (t.%[4]s + 1 + %[5]d) %% 100",
			BulkSchema, t.name, every, column, round%97, max(1, most/every)))
		if err != nil {
			return fmt.Errorf("touch pages of %s: %w", t.name, err)
		}
	}
	return nil
}

func largestID(ctx context.Context, s Server, table string) (int64, error) {
	rows, err := s.Query(ctx, "SELECT COALESCE(MAX(id), 0) FROM "+BulkSchema+"."+table)
	if err != nil {
		return 0, err
	}
	var most int64
	if _, err := fmt.Sscan(rows[0][0], &most); err != nil {
		return 0, err
	}
	return most, nil
}

// pageSize is InnoDB's default.
const pageSize = 16384

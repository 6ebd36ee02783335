package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// perServer are tables of the schema mysql that each server keeps for itself.
var perServer = map[string]bool{
	"innodb_table_stats": true, "innodb_index_stats": true, // rewritten in the background, not replicated
	"general_log": true, "slow_log": true, "gtid_slave_pos": true, "transaction_registry": true,
	"wsrep_cluster": true, "wsrep_cluster_members": true, "wsrep_streaming_log": true, "wsrep_allowlist": true,
}

// checksumBatch is how many tables one CHECKSUM TABLE names: fewer round trips with thousands of tables, statements of a sane size.
const checksumBatch = 100

// Checksums returns the extended checksum of every base table (key `db`.`table`), plus a digest of each kind of definition
// (keys "definitions of ..."). Left out: the server's own schemas, tables of mysql that belong to one server, and engines that
// hold no data on disk (MEMORY, BLACKHOLE, SEQUENCE, views).
func Checksums(ctx context.Context, n *Node) (map[string]string, error) {
	rows, err := n.Query(ctx, `SELECT table_schema, table_name FROM information_schema.tables
		WHERE table_type IN ('BASE TABLE','SEQUENCE','SYSTEM VERSIONED')
		AND engine NOT IN ('MEMORY','BLACKHOLE','SEQUENCE','FEDERATED','PERFORMANCE_SCHEMA')
		AND table_schema NOT IN ('information_schema','performance_schema','sys') ORDER BY 1, 2`)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range rows {
		if r[0] != "mysql" || !perServer[r[1]] {
			names = append(names, backtick(r[0])+"."+backtick(r[1]))
		}
	}
	sums := make(map[string]string, len(names))
	for batch := range slices.Chunk(names, checksumBatch) {
		rows, err := n.Query(ctx, "SET SESSION wsrep_sync_wait=1; CHECKSUM TABLE "+strings.Join(batch, ", ")+" EXTENDED")
		if err != nil {
			return nil, err
		}
		if len(rows) != len(batch) {
			return nil, fmt.Errorf("checksum tables of node %d: %d answers for %d tables", n.index, len(rows), len(batch))
		}
		for i, r := range rows {
			if r[1] == "NULL" {
				return nil, fmt.Errorf("checksum tables of node %d: %s cannot be read", n.index, batch[i])
			}
			sums[batch[i]] = r[1]
		}
	}
	for what, query := range definitions {
		rows, err := n.Query(ctx, query)
		if err != nil {
			return nil, err
		}
		sum := sha256.New()
		for _, r := range rows {
			fmt.Fprintf(sum, "%q\n", r)
		}
		sums["definitions of "+what] = fmt.Sprintf("%d: %x", len(rows), sum.Sum(nil)[:8])
	}
	return sums, nil
}

// definitions are what a checksum of rows does not see.
var definitions = map[string]string{
	"databases": `SELECT schema_name, default_character_set_name, default_collation_name FROM information_schema.schemata ORDER BY 1`,
	"tables": `SELECT table_schema, table_name, engine, row_format, create_options, table_collation, table_comment
		FROM information_schema.tables WHERE table_schema NOT IN ('information_schema','performance_schema','sys','mysql') ORDER BY 1, 2`,
	"columns": `SELECT table_schema, table_name, ordinal_position, column_name, column_type, is_nullable, column_default
		FROM information_schema.columns WHERE table_schema NOT IN ('information_schema','performance_schema','sys','mysql') ORDER BY 1, 2, 3`,
	"views":    `SELECT table_schema, table_name, view_definition FROM information_schema.views WHERE table_schema <> 'sys' ORDER BY 1, 2`,
	"triggers": `SELECT trigger_schema, trigger_name, action_statement FROM information_schema.triggers WHERE trigger_schema <> 'sys' ORDER BY 1, 2`,
	"routines": `SELECT routine_schema, routine_name, routine_definition FROM information_schema.routines WHERE routine_schema <> 'sys' ORDER BY 1, 2`,
	"events":   `SELECT event_schema, event_name, event_definition FROM information_schema.events ORDER BY 1, 2`,
}

func backtick(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// EqualNodes is oracle O2: it waits until both nodes have applied the same transactions, and compares their checksums. Writers must
// be stopped. The error lists up to twenty differences.
func EqualNodes(ctx context.Context, a, b *Node) error {
	if err := sameCommit(ctx, a, b); err != nil {
		return err
	}
	x, err := Checksums(ctx, a)
	if err != nil {
		return err
	}
	y, err := Checksums(ctx, b)
	if err != nil {
		return err
	}
	if err := sameCommit(ctx, a, b); err != nil {
		return err
	}
	return compareSums(a.index, b.index, x, y)
}

func compareSums(a, b int, x, y map[string]string) error {
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(x)) {
		if y[k] != x[k] {
			lines = append(lines, fmt.Sprintf("%s: node %d has %s, node %d has %q", k, a, x[k], b, y[k]))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(y)) {
		if _, ok := x[k]; !ok {
			lines = append(lines, fmt.Sprintf("%s: only node %d has it", k, b))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	const most = 20
	text := strings.Join(lines[:min(most, len(lines))], "\n    ")
	return fmt.Errorf("compare nodes %d and %d: %d of %d differ:\n    %s", a, b, len(lines), len(x), text)
}

// sameCommit waits until both nodes name the same last committed transaction.
func sameCommit(ctx context.Context, a, b *Node) error {
	for {
		x, err := a.Query(ctx, "SET SESSION wsrep_sync_wait=1; SHOW GLOBAL STATUS LIKE 'wsrep_last_committed'")
		if err != nil {
			return err
		}
		y, err := b.Query(ctx, "SET SESSION wsrep_sync_wait=1; SHOW GLOBAL STATUS LIKE 'wsrep_last_committed'")
		if err != nil {
			return err
		}
		if len(x) == 1 && len(y) == 1 && x[0][1] == y[0][1] {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until nodes %d and %d have applied the same: %w (last committed %v and %v)",
				a.index, b.index, context.Cause(ctx), x, y)
		case <-time.After(pollEvery):
		}
	}
}

// CheckTables runs mariadb-check --extended over everything on the node (oracle O3). A table of an engine that cannot be checked
// is no error.
func CheckTables(ctx context.Context, n *Node) error {
	cmd := n.cluster.command(ctx, program("mariadb-check"), "--defaults-file="+n.OptionFile(), "--all-databases", "--extended",
		"--skip-write-binlog", "--default-character-set=utf8mb4")
	out, err := output(cmd)
	if err != nil {
		return fmt.Errorf("check tables of node %d: %w:\n%s", n.index, err, tail(string(out), tailLines))
	}
	if bad := badChecks(string(out)); len(bad) > 0 {
		return fmt.Errorf("check tables of node %d:\n    %s", n.index, strings.Join(bad, "\n    "))
	}
	return nil
}

// badChecks picks what is neither OK nor a note from the output of mariadb-check. A table whose check says more than one line is
// named alone, with the messages below it.
func badChecks(out string) []string {
	var bad []string
	table := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		kind, _, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(strings.ToLower(kind)) {
		case "error", "warning":
			bad = append(bad, table+" "+line)
		case "note", "status", "info":
		default:
			table = line
		}
	}
	return bad
}

// Innochecksum runs innochecksum over every .ibd and undo file below a directory whose server does not run (oracle O3). Encrypted
// and page compressed tablespaces are understood by the program itself. The system tablespace is left out: its doublewrite area
// holds pages of encrypted tables as well, which the program takes for damage.
func Innochecksum(ctx context.Context, root string) error {
	count := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		tablespace := strings.HasSuffix(name, ".ibd") || strings.HasPrefix(name, "undo0")
		if !d.Type().IsRegular() || !tablespace {
			return nil
		}
		count++
		out, err := exec.CommandContext(ctx, program("innochecksum"), path).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", path, err, bytes.TrimSpace(out))
		}
		return nil
	})
	if err == nil && count == 0 {
		err = errors.New("no tablespace found")
	}
	if err != nil {
		return fmt.Errorf("innochecksum below %s: %w", root, err)
	}
	return nil
}

// offlineCheck runs a checker over every file with the suffix. The checkers may write, so they only ever see copies.
func offlineCheck(ctx context.Context, tool, suffix, datadir string, args ...string) error {
	path := program(tool)
	if path == "" {
		return &MissingError{Programs: []string{tool}, Packages: []string{"mariadb-server"}}
	}
	return filepath.WalkDir(datadir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(file, suffix) {
			return err
		}
		cmd := exec.CommandContext(ctx, path, append(slices.Clone(args), file)...)
		cmd.Dir = datadir
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		if out, err := output(cmd); err != nil {
			return fmt.Errorf("%s %s: %w: %s", tool, file, err, bytes.TrimSpace(out))
		}
		return nil
	})
}

// CheckOffline checks Aria and MyISAM indexes and Innochecksum's files on a copy of a stopped node's datadir.
func CheckOffline(ctx context.Context, n *Node) error {
	datadir, _, err := n.Copy(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Dir(datadir))
	if err := Innochecksum(ctx, datadir); err != nil {
		return err
	}
	if err := offlineCheck(ctx, "aria_chk", ".MAI", datadir, "--silent", "--check"); err != nil {
		return fmt.Errorf("check Aria tables of node %d: %w", n.index, err)
	}
	if err := offlineCheck(ctx, "myisamchk", ".MYI", datadir, "--silent", "--check"); err != nil {
		return fmt.Errorf("check MyISAM tables of node %d: %w", n.index, err)
	}
	return nil
}

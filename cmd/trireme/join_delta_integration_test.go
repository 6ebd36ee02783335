//go:build integration

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"trireme/bench/cluster"
)

// deltaRows fill one table of a bit more than 1 GiB, fourteen rows of 1 KiB to a page.
const (
	deltaRows   = 14 * 66000
	rowsPerPage = 14
)

// TestDelta changes one page in a hundred of a table of 1 GiB while a node is away. Its next full transfer puts at most 1.3 % of the
// table's size on the wire, everything included: the redo log, undo pages, other tables, both directions, encryption.
func TestDelta(t *testing.T) {
	elsewhere.take(t)
	ctx, cancel := context.WithTimeoutCause(context.Background(), testLimit, fmt.Errorf("the test took longer than %v", testLimit))
	t.Cleanup(cancel)
	r := newJoinRig(t, ctx, cluster.Config{Dir: cluster.RoomyDir(6 << 30), Nodes: 2, Method: "trireme", Provider: quickEviction})
	t.Cleanup(r.c.Destroy)
	r.boot(t, ctx)
	must(t, r.one.Exec(ctx, fmt.Sprintf(`CREATE DATABASE delta; CREATE TABLE delta.big (id INT PRIMARY KEY, a INT NOT NULL, t VARCHAR(1100) NOT NULL) ENGINE=InnoDB;
		SET SESSION unique_checks=0, foreign_key_checks=0, sql_log_bin=0, wsrep_on=OFF;
		INSERT INTO delta.big SELECT seq, 0, REPEAT(SHA2(seq, 512), 8) FROM delta.seq_1_to_%d;
		SET SESSION unique_checks=1, foreign_key_checks=1, sql_log_bin=1, wsrep_on=ON`, deltaRows)))
	r.join(t, ctx, r.two)
	info, err := os.Stat(filepath.Join(r.two.Datadir(), "delta", "big.ibd"))
	must(t, err)
	size := info.Size()
	if size < 1<<30 {
		t.Fatalf("the table has only %d bytes", size)
	}
	again := func(what, change string) cluster.Summary {
		t.Helper()
		must(t, r.two.Stop(ctx))
		if change != "" {
			must(t, r.one.Exec(ctx, change))
		}
		r.over(t, r.two)
		r.join(t, ctx, r.two)
		s := lastSummary(t, r.one)
		t.Logf("%s: %d bytes on the wire (%.2f %% of the table), of those %d are file content; %.3f s, locked %.3f s", what,
			s.WireBytes, 100*float64(s.WireBytes)/float64(size), s.BytesSent, s.Seconds, s.LockSeconds)
		return s
	}
	idle := again("nothing changed", "")
	s := again("one page in a hundred changed", fmt.Sprintf("UPDATE delta.big b JOIN delta.seq_1_to_%d q ON b.id = q.seq * %d SET b.a = b.a + 1",
		deltaRows/rowsPerPage/100, rowsPerPage*100))
	pages := int64(deltaRows / rowsPerPage / 100)
	if sent := s.BytesSent - idle.BytesSent; s.BytesSent < pages<<14 {
		t.Errorf("%d bytes were sent for %d changed pages (%d more than without a change): the test changes less than it says", s.BytesSent, pages, sent)
	}
	if most := size * 13 / 1000; s.WireBytes > most {
		t.Errorf("%d bytes crossed the wire for one page in a hundred, at most %d (1.3 %% of %d) are allowed; a transfer without a change took %d",
			s.WireBytes, most, size, idle.WireBytes)
	}
	must(t, cluster.EqualNodes(ctx, r.one, r.two))
	if bad := cluster.LogProblems(r.two.ErrorLog()); len(bad) > 0 {
		t.Errorf("the joiner had to repair something: %q", bad)
	}
}

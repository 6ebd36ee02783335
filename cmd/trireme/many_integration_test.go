//go:build integration

package main

import (
	"testing"
	"time"

	"trireme/bench/cluster"
	"trireme/bench/zoo"
)

// manyTables is enough for several batches of the catalogue and for more files than a process may have open on many systems.
const manyTables = 12000

// TestManyTables copies 24 000 small files, then nothing but what differs. Times are printed, not judged.
func TestManyTables(t *testing.T) {
	elsewhere.take(t)
	r := newPair(t, cluster.Config{Extra: map[string]string{
		"table-open-cache": "400", "table-definition-cache": "400", "innodb-open-files": "400", "innodb-file-per-table": "ON",
		// Nothing here shall outlive a power cut, and creating tables is all that this test would wait for.
		"innodb-flush-method": "nosync", "sync-frm": "OFF",
	}})
	r.boot()
	began := time.Now()
	r.must(zoo.ManyTables(r.ctx, r.one, manyTables))
	t.Logf("%d tables were made in %.1f s", manyTables, time.Since(began).Seconds())
	for _, how := range []string{"empty joiner", "over the old data"} {
		began = time.Now()
		r.join(r.two, r.one)
		sums := cluster.Summaries(r.one.ErrorLog())
		if len(sums) == 0 {
			t.Fatal("the donor's log has no summary")
		}
		s := sums[len(sums)-1]
		t.Logf("%s: synced after %.1f s, transfer %.1f s, lock %.2f s; %d entries, %d MiB, %d MiB sent", how, time.Since(began).Seconds(), s.Seconds, s.LockSeconds, s.Files, s.BytesTotal>>20, s.BytesSent>>20)
		if s.Files < 2*manyTables {
			t.Errorf("%d entries, want at least %d", s.Files, 2*manyTables)
		}
		if how != "empty joiner" {
			break
		}
		r.must(r.two.Stop(r.ctx))
		r.exec(r.one, "INSERT INTO many.t00007 VALUES (-1, 'later'); DROP TABLE many.t00008; CREATE TABLE many.more (id INT PRIMARY KEY)")
		r.must(r.two.ForceFullSST())
	}
	// Most of the tables are still as they came the first time.
	r.must(cluster.EqualNodes(r.ctx, r.one, r.two))
}

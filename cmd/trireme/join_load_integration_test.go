//go:build integration

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"

	"trireme/bench/cluster"
)

// joinsUnderLoad is how often TestJoinDuringLoad repeats; make soak sets it higher through the environment.
const joinsUnderLoad = 2

// ddl is one round of what changes the tree itself: a copying and an in-place ALTER, TRUNCATE, a swap of two tables, a partition
// exchanged, databases that come and go.
const ddl = `CREATE DATABASE IF NOT EXISTS churn%[1]d; CREATE OR REPLACE TABLE churn%[1]d.t (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO churn%[1]d.t VALUES (%[1]d);
	ALTER TABLE churn.a ADD COLUMN c%[1]d INT NOT NULL DEFAULT %[1]d, ALGORITHM=COPY;
	ALTER TABLE churn.b ADD INDEX i%[1]d (v), ALGORITHM=INPLACE;
	REPLACE INTO churn.a (id, v) SELECT seq + 1000 * %[1]d, SHA2(seq, 256) FROM churn.seq_1_to_300;
	RENAME TABLE churn.a TO churn.x, churn.b TO churn.a, churn.x TO churn.b;
	TRUNCATE churn.c; INSERT INTO churn.c SELECT seq, REPEAT('c', 200) FROM churn.seq_1_to_400;
	ALTER TABLE churn.p EXCHANGE PARTITION p1 WITH TABLE churn.q;
	ALTER TABLE churn.a DROP INDEX IF EXISTS i%[1]d; ALTER TABLE churn.b DROP INDEX IF EXISTS i%[1]d;
	ALTER TABLE churn.a DROP COLUMN IF EXISTS c%[1]d; ALTER TABLE churn.b DROP COLUMN IF EXISTS c%[1]d;
	INSERT INTO churn.f (body) SELECT CONCAT('oar sail keel word', seq) FROM churn.seq_1_to_50; DELETE FROM churn.f WHERE id %% 3 = 0;
	DROP DATABASE churn%[1]d`

// churn repeats ddl on a node until it is stopped or the context ends, and counts the rounds.
type churn struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	rounds int
	err    error
}

func startChurn(ctx context.Context, n *cluster.Node) (*churn, error) {
	err := n.Exec(ctx, `DROP DATABASE IF EXISTS churn; CREATE DATABASE churn; USE churn;
		CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(100)) ENGINE=InnoDB; CREATE TABLE b LIKE a; INSERT INTO b SELECT seq, SHA2(seq, 256) FROM churn.seq_1_to_3000;
		CREATE TABLE c (id INT PRIMARY KEY, v VARCHAR(300)) ENGINE=InnoDB;
		CREATE TABLE p (id INT PRIMARY KEY) ENGINE=InnoDB PARTITION BY RANGE (id) (PARTITION p1 VALUES LESS THAN (1000), PARTITION p2 VALUES LESS THAN MAXVALUE);
		CREATE TABLE q (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO q SELECT seq FROM churn.seq_1_to_500; INSERT INTO p SELECT seq FROM churn.seq_1_to_100;
		CREATE TABLE f (id INT AUTO_INCREMENT PRIMARY KEY, body TEXT, FULLTEXT KEY (body)) ENGINE=InnoDB; USE mysql`)
	if err != nil {
		return nil, err
	}
	// A round is not cut off: the server would go on with the statement after the client has gone, in the middle of a comparison.
	running, cancel := context.WithCancel(ctx)
	c := &churn{cancel: cancel}
	c.wg.Go(func() {
		for i := 1; running.Err() == nil; i++ {
			err := n.Exec(ctx, fmt.Sprintf(ddl, i))
			var refused *mysql.MySQLError
			switch {
			case ctx.Err() != nil:
			case err == nil:
				c.rounds++
			case errors.As(err, &refused) && (refused.Number == 1213 || refused.Number == 1205 || refused.Number == 1317):
				// A conflict with the writer or a wait that ended: the next round starts from wherever this one stopped.
			default:
				c.err = err
				return
			}
		}
	})
	return c, nil
}

func (c *churn) stop() (int, error) {
	c.cancel()
	c.wg.Wait()
	return c.rounds, c.err
}

// TestJoinDuringLoad is T-2: a node joins while clients write without pause into tables of every kind, and tables, partitions and
// databases come and go; by turns with an empty datadir and over the old one. All oracles hold each time. A repeat that fails is a
// difference or a join that did not come about; the others go on.
func TestJoinDuringLoad(t *testing.T) {
	ctx, r := sharedRig(t)
	for _, i := range repeats(t, joinsUnderLoad) {
		if !repeat(t, i, func(t *testing.T) { joinDuringLoad(t, r, i) }) {
			stop, cancel := context.WithTimeout(context.Background(), testLimit)
			r.reset(t, stop)
			cancel()
		}
	}
	if soaking() {
		offline, cancel := context.WithTimeout(context.Background(), testLimit)
		defer cancel()
		must(t, r.two.Stop(offline))
		oracle(t, "O3", cluster.CheckOffline(offline, r.two))
		soaked.accurate(t)
	}
	if ctx.Err() == nil {
		must(t, r.one.Exec(ctx, "DROP DATABASE IF EXISTS writer; DROP DATABASE IF EXISTS churn; DROP DATABASE IF EXISTS mix"))
	}
}

// joinDuringLoad is one join; odd ones start with an empty datadir, even ones over the old one.
func joinDuringLoad(t *testing.T, r *joinRig, i int) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), testLimit, fmt.Errorf("the repeat took longer than %v", testLimit))
	defer cancel()
	defer threadsAfter(t, r.one, testLimit*8/10)()
	n := r.two
	must(t, n.Stop(ctx))
	if i%2 == 1 || !settled(n) {
		r.fresh(t, n)
	} else {
		r.over(t, n)
	}
	l := r.startLoad(t, ctx, uint64(i))
	flushed := watchFlushed(r.one)
	defer flushed.stop()
	uuid := r.uuid(t, ctx)
	// Now and then the donor stays locked for a comparison of the trees; most joins go their way undisturbed.
	still := i%3 == 0
	lines := []string{uuid}
	if still {
		lines = []string{"continue", uuid}
	}
	r.holding(t, lines...)
	words := since(r.one)
	r.start(t, ctx, n)
	for _, line := range lines {
		whileUp(t, ctx, n, line+" is held back", func() bool {
			if said := words(); still && says(said, "asking for the lock again") {
				// With "continue" held back the server hears nothing of it, and both would wait for ever.
				t.Fatalf("the check after the lock found a difference:\n    %s", strings.Join(quietly(said), "\n    "))
			}
			return isHeld(r.at(line))
		})
	}
	if still {
		lockedTrees(t, ctx, r, n)
	}
	checkPosition(t, ctx, r, n, flushed.stop())
	r.release(t)
	must(t, n.WaitSynced(ctx))
	l.check(t, ctx, r, n)
	r.tallyLock(t)
	if l.c.rounds == 0 {
		t.Error("no round of DDL came to its end")
	}
}

// settled says whether a node has a datadir from an earlier life.
func settled(n *cluster.Node) bool {
	_, err := os.Stat(filepath.Join(n.Datadir(), "ibdata1"))
	return err == nil
}

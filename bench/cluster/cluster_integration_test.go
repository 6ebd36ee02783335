//go:build integration

package cluster

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

// newTest makes a cluster that ends with the test.
func newTest(t *testing.T, config Config) (context.Context, *Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	if config.Dir == "" {
		if _, err := os.Stat("/dev/shm"); err == nil {
			config.Dir = "/dev/shm"
		}
	}
	c, err := New(ctx, config)
	var missing *MissingError
	if errors.As(err, &missing) {
		cancel()
		t.Skip(missing)
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Destroy()
		cancel()
	})
	return ctx, c
}

// must stops the test at the first error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// boot founds the cluster with node 1.
func boot(ctx context.Context, t *testing.T, c *Cluster) *Node {
	t.Helper()
	n := c.Node(1)
	must(t, n.Init(ctx))
	must(t, n.Start(ctx, true))
	must(t, n.WaitSynced(ctx))
	return n
}

func TestJoinByStockMethod(t *testing.T) {
	ctx, c := newTest(t, Config{})
	one := boot(ctx, t, c)
	must(t, one.Exec(ctx, "CREATE DATABASE d; USE d; CREATE TABLE d.t (id INT PRIMARY KEY, v TEXT); INSERT INTO d.t SELECT seq, REPEAT('x', seq) FROM seq_1_to_100"))
	two := c.Node(2)
	must(t, two.Start(ctx, false))
	must(t, two.WaitSynced(ctx))
	rows, err := two.Query(ctx, "SELECT COUNT(*), SUM(LENGTH(v)) FROM d.t")
	must(t, err)
	if len(rows) != 1 || rows[0][0] != "100" || rows[0][1] != "5050" {
		t.Fatalf("joiner has %v, want 100 rows of 5050 bytes", rows)
	}
	t.Log(two.ErrorLog())
}

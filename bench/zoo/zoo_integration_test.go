//go:build integration

package zoo_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"trireme/bench/cluster"
	"trireme/bench/zoo"
)

// newNode boots a node with the zoo's options.
func newNode(t *testing.T) (context.Context, *cluster.Cluster, *cluster.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	c, err := cluster.New(ctx, cluster.Config{Dir: cluster.RoomyDir(2 << 30)})
	var missing *cluster.MissingError
	if errors.As(err, &missing) {
		t.Skip(missing)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Destroy)
	dir, err := c.Shared("keys")
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(dir, "keys.txt")
	if err := zoo.WriteKeyFile(keys); err != nil {
		t.Fatal(err)
	}
	n := c.Node(1)
	for _, n := range []*cluster.Node{n, c.Node(2)} {
		if err := n.Give(keys); err != nil {
			t.Fatal(err)
		}
		for k, v := range zoo.ServerOptions(keys) {
			n.Set("mysqld", k, v)
		}
	}
	for _, step := range []func() error{
		func() error { return n.Init(ctx) },
		func() error { return n.Start(ctx, true) },
		func() error { return n.WaitSynced(ctx) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return ctx, c, n
}

// TestZooJoins builds everything and lets a second node join by the stock method: the checks must hold for a copy that is known
// to be right, or they are worth nothing for ours.
func TestZooJoins(t *testing.T) {
	ctx, c, one := newNode(t)
	if err := zoo.Build(ctx, one); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := zoo.Fill(ctx, one, 64<<20); err != nil {
		t.Fatal(err)
	}
	t.Logf("filled in %v", time.Since(began))
	began = time.Now()
	if err := zoo.ManyTables(ctx, one, 500); err != nil {
		t.Fatal(err)
	}
	t.Logf("500 tables in %v", time.Since(began))
	two := c.Node(2)
	if err := two.Start(ctx, false); err != nil {
		t.Fatal(err)
	}
	if err := two.WaitSynced(ctx); err != nil {
		t.Fatal(err)
	}
	if err := zoo.Fill(ctx, two, 1<<20); err == nil {
		t.Error("Fill loaded without replication into a cluster of two")
	}
	if err := cluster.EqualNodes(ctx, one, two); err != nil {
		t.Error(err)
	}
	if err := zoo.Touch(ctx, one, 1, 1); err != nil {
		t.Error(err)
	}
	if err := cluster.EqualNodes(ctx, one, two); err != nil {
		t.Error(err)
	}
	if err := cluster.CheckTables(ctx, two); err != nil {
		t.Error(err)
	}
	if bad := cluster.LogProblems(two.ErrorLog()); len(bad) > 0 {
		t.Errorf("joiner's log: %q", bad)
	}
	size, allocated, files, err := cluster.Usage(one.Datadir())
	t.Logf("%d files, %d bytes, %d allocated (%v)", files, size, allocated, err)
	if err := two.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := cluster.CheckOffline(ctx, two); err != nil {
		t.Error(err)
	}
}

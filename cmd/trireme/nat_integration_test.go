//go:build integration

package main

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"trireme/bench/cluster"
)

// TestTranslatedAddress joins a node that advertises an address which is not the one it listens on, as behind NAT: the donor reaches
// a forwarder, the joiner listens where bind= in its sockopt says.
func TestTranslatedAddress(t *testing.T) {
	t.Parallel()
	r := newPair(t, cluster.Config{})
	outside := net.JoinHostPort(r.c.Host(9), "4444")
	inside := net.JoinHostPort(r.two.Host(), "4444")
	gate := forward(t, outside, inside)
	r.two.Set("mysqld", "wsrep-sst-receive-address", outside)
	r.two.Set("sst", "sockopt", ",bind="+r.two.Host())
	r.boot()
	r.exec(r.one, "CREATE DATABASE d; USE d; CREATE TABLE d.t (id INT PRIMARY KEY); INSERT INTO d.t SELECT seq FROM seq_1_to_1000")
	said := r.join(r.two, r.one)
	r.must(cluster.EqualNodes(r.ctx, r.one, r.two))
	if n := gate(); n < 2 {
		t.Errorf("%d connections came by way of the translated address", n)
	}
	if !slices.ContainsFunc(said.joiner, func(l string) bool {
		return strings.Contains(l, "listens on "+inside+" for "+outside)
	}) {
		t.Errorf("the joiner said:\n%s", strings.Join(said.joiner, "\n"))
	}
}

// forward passes TCP connections on from one address to another until the test ends. The returned function counts them.
func forward(t *testing.T, from, to string) (count func() int) {
	t.Helper()
	ln, err := net.Listen("tcp", from)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn // two for each connection
	wg.Go(func() {
		for {
			a, err := ln.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				_ = a.Close()
				continue
			}
			mu.Lock()
			conns = append(conns, a, b)
			mu.Unlock()
			for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
				wg.Go(func() {
					_, _ = io.Copy(pair[0], pair[1]) // either end may break off
					_ = pair[0].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close() // most are at their end already
		}
		mu.Unlock()
		wg.Wait()
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(conns) / 2
	}
}

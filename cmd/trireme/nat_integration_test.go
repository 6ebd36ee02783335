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
// a forwarder, the joiner listens where bind= in its sockopt says. The forwarder cuts all its connections again and again.
func TestTranslatedAddress(t *testing.T) {
	elsewhere.take(t)
	r := newPair(t, cluster.Config{})
	outside := net.JoinHostPort(r.c.Host(9), "4444")
	inside := net.JoinHostPort(r.two.Host(), "4444")
	const cutAfter = 3 << 20
	gate := forward(t, outside, inside, cutAfter)
	r.two.Set("mysqld", "wsrep-sst-receive-address", outside)
	r.two.Set("sst", "sockopt", ",bind="+r.two.Host())
	r.boot()
	r.exec(r.one, "CREATE DATABASE d; USE d; CREATE TABLE d.t (id INT PRIMARY KEY); INSERT INTO d.t SELECT seq FROM seq_1_to_1000")
	said := r.join(r.two, r.one)
	r.must(cluster.EqualNodes(r.ctx, r.one, r.two))
	conns, cuts := gate()
	t.Logf("%d connections, cut %d times", conns, cuts)
	if cuts < 3 || conns < 2*cuts {
		t.Errorf("%d connections came by way of the translated address, which was cut %d times", conns, cuts)
	}
	for end, lines := range map[string][]string{"donor": said.donor, "joiner": said.joiner} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "is there again after") }) {
			t.Errorf("the %s said nothing of lost connections:\n%s", end, strings.Join(lines, "\n"))
		}
	}
	if !slices.ContainsFunc(said.joiner, func(l string) bool {
		return strings.Contains(l, "listens on "+inside+" for "+outside)
	}) {
		t.Errorf("the joiner said:\n%s", strings.Join(said.joiner, "\n"))
	}
}

// forward passes TCP connections on from one address to another until the test ends. All of them are cut each time cutAfter bytes
// have passed. The returned function counts connections and cuts.
func forward(t *testing.T, from, to string, cutAfter int64) (count func() (conns, cuts int)) {
	t.Helper()
	ln, err := net.Listen("tcp", from)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn // two for each connection
	var passed int64     // since the last cut
	made, cut := 0, 0
	note := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		if passed += int64(n); passed < cutAfter {
			return
		}
		passed, cut = 0, cut+1
		for _, c := range conns {
			_ = c.Close() // most are at their end already
		}
		conns = nil
	}
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
			made++
			mu.Unlock()
			for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
				wg.Go(func() {
					_, _ = io.Copy(pair[0], io.TeeReader(pair[1], counting(note))) // either end may break off
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
	return func() (int, int) {
		mu.Lock()
		defer mu.Unlock()
		return made, cut
	}
}

// counting is a writer that only counts.
type counting func(n int)

func (c counting) Write(p []byte) (int, error) {
	c(len(p))
	return len(p), nil
}

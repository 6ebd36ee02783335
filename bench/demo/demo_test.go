package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"trireme/bench/cluster"
)

func TestTable(t *testing.T) {
	got := table([]result{
		{basis: "empty datadir", datadir: 600e6, joined: 2 * time.Second, known: true, equal: true,
			transfer: cluster.Summary{WireBytes: 610e6, BytesTotal: 600e6, Seconds: 1.5, LockSeconds: 0.25, LockPredicted: 0.3, Passes: 2}},
		{basis: "its old datadir", datadir: 601e6, joined: 1500 * time.Millisecond},
	})
	want := `node 2 joins over   datadir  on the wire  transfer     speed  passes  donor locked (predicted)  start to synced  checksums
empty datadir      600.0 MB     610.0 MB    1.50 s  400 MB/s       2           0.25 s (0.30 s)           2.00 s      equal
its old datadir    601.0 MB            -         -         -       -                         -           1.50 s  DIFFERENT
speed: what the joiner has in the end, holes included, by the time of the transfer; passes: those in which data travelled, the last under the lock
`
	if got != want {
		t.Errorf("table is\n%s\nwant\n%s", got, want)
	}
}

func TestBothTakesTheLastOfEachEnd(t *testing.T) {
	donor := []cluster.Summary{{Role: "donor", LockSeconds: 9}, {Role: "donor", LockSeconds: 1, WireBytes: 5, Seconds: 2}}
	joiner := []cluster.Summary{{Role: "joiner", WireBytes: 6, BytesTotal: 7, Seconds: 3}}
	s, ok := both(donor, joiner)
	if !ok || s.LockSeconds != 1 || s.WireBytes != 6 || s.BytesTotal != 7 || s.Seconds != 3 {
		t.Errorf("both = %+v, %v", s, ok)
	}
	if s, ok := both(nil, joiner); !ok || s.WireBytes != 6 {
		t.Errorf("joiner alone = %+v, %v", s, ok)
	}
	if s, ok := both(donor, nil); !ok || s.LockSeconds != 1 {
		t.Errorf("donor alone = %+v, %v", s, ok)
	}
	if _, ok := both(nil, nil); ok {
		t.Error("a summary out of nothing")
	}
}

func TestVerdict(t *testing.T) {
	good, silent := result{known: true, equal: true}, result{equal: true}
	different := result{known: true, problem: errors.New("a table differs"), basis: "x"}
	for _, test := range []struct {
		name    string
		method  string
		results []result
		want    string
	}{
		{"good", "trireme", []result{good, good}, ""},
		{"second differs", "trireme", []result{good, different}, "a table differs"},
		{"no summary", "trireme", []result{silent}, "no closing summary"},
		{"stock methods have none", "rsync", []result{silent}, ""},
	} {
		err := verdict(options{method: test.method}, test.results...)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

package sst

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trireme/cmd/internal/galera"
	"trireme/cmd/internal/settings"
	"trireme/proto"
)

// TestReportEvery: there is a line at least every five seconds, whatever happens or does not.
func TestReportEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := &call{log: galera.NewLog(galera.LogConfig{W: &log})}
		stop := c.report(new(proto.Progress))
		time.Sleep(26 * time.Second) // virtual
		stop(proto.Summary{}, nil)
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 5 || !strings.Contains(lines[0], "[INFO] waiting for 4 s (") {
			t.Errorf("26 s without anything:\n%s", log.String())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := &call{log: galera.NewLog(galera.LogConfig{W: &log}), args: galera.Args{Role: galera.RoleJoiner}, set: &settings.Settings{InitialTimeout: 300 * time.Second}}
		stop := c.report(new(proto.Progress))
		time.Sleep(11 * time.Second) // virtual
		stop(proto.Summary{}, nil)
		if got := log.String(); !strings.Contains(got, "no donor has connected yet, 5 s of 300 s (sst-initial-timeout)") || strings.Count(got, "\n") != 2 {
			t.Errorf("a joiner without a donor:\n%s", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := &call{log: galera.NewLog(galera.LogConfig{W: &log}), set: &settings.Settings{ProgressOff: true, StatusOff: true}}
		stop := c.report(new(proto.Progress))
		time.Sleep(26 * time.Second) // virtual
		stop(proto.Summary{}, nil)
		if log.Len() > 0 {
			t.Errorf("progress=none:\n%s", log.String())
		}
	})
	if got := nobodyYet(time.Minute, 0); got != "no donor has connected yet, 60 s (sst-initial-timeout sets no limit)" {
		t.Error(got)
	}
	if n := carried([]proto.PassStats{{Sent: 1}, {Read: 9, Skipped: 9}, {Holes: 1}, {}}); n != 2 {
		t.Errorf("%d passes carried data, want 2", n)
	}
	start := time.Now()
	for _, c := range []struct {
		passed     time.Duration
		idle, want bool
	}{
		{time.Second, false, false}, {4 * time.Second, false, false}, {4999 * time.Millisecond, false, true}, {5 * time.Second, false, true}, {5001 * time.Millisecond, false, true},
		{5 * time.Second, true, false}, {59 * time.Second, true, false}, {59999 * time.Millisecond, true, true},
	} {
		if got := due(start, start.Add(c.passed), c.idle); got != c.want {
			t.Errorf("a line %v after the last, idle %v: %v", c.passed, c.idle, got)
		}
	}
}

// TestRate feeds the progress line with a transfer in virtual time.
func TestRate(t *testing.T) {
	const mib = 1 << 20
	steady := func(seconds, perSecond int64) []int64 {
		var at []int64
		for i := range seconds + 1 {
			at = append(at, i*perSecond)
		}
		return at
	}
	for _, c := range []struct {
		name string
		done []int64 // MiB, second by second
		want string
	}{
		{"steady", steady(10, 100), "locked copy: 1000 MiB of 2.0 GiB (50%), 100 MiB/s, ETA 10s; sent 7.0 MiB, wire 8.0 MiB"},
		{"first look", steady(0, 0), "locked copy: 0 B of 2.0 GiB (0%), 0 B/s, ETA unknown; sent 7.0 MiB, wire 8.0 MiB"},
		{"stopped", []int64{0, 0, 0, 0}, "locked copy: 0 B of 2.0 GiB (0%), 0 B/s, ETA unknown; sent 7.0 MiB, wire 8.0 MiB"},
		{"complete", steady(20, 100), "locked copy: 2.0 GiB of 2.0 GiB (100%), 100 MiB/s, ETA 0s; sent 7.0 MiB, wire 8.0 MiB"},
		{"more than announced", steady(30, 100), "locked copy: 2.0 GiB of 2.0 GiB (100%), 100 MiB/s, ETA 0s; sent 7.0 MiB, wire 8.0 MiB"},
		{"the last seconds count most", append(steady(10, 10), 300, 500, 700, 900, 1100), "locked copy: 1.1 GiB of 2.0 GiB (55%), 185 MiB/s, ETA 5s; sent 7.0 MiB, wire 8.0 MiB"},
		{"a new pass begins anew", append(steady(10, 100), 0, 10, 20, 30), "locked copy: 30 MiB of 2.0 GiB (1%), 10 MiB/s, ETA 3m17s; sent 7.0 MiB, wire 8.0 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r rate
				var s proto.Snapshot
				for i, done := range c.done {
					if i > 0 {
						time.Sleep(time.Second)
					}
					s = proto.Snapshot{Phase: proto.PhaseLocked, Total: 2000 * mib, Done: done * mib, Sent: 7 * mib, Wire: 8 * mib}
					r.Add(time.Now(), s)
				}
				if got := r.line(s); got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
				s.Away = true
				if got := r.line(s); strings.Contains(got, "ETA") || !strings.Contains(got, "/s, waiting for the connection; sent 7.0 MiB") {
					t.Errorf("without a connection: %s", got)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		var r rate
		r.Add(time.Now(), proto.Snapshot{Phase: proto.PhaseLocking})
		time.Sleep(90 * time.Second)
		if got := r.line(proto.Snapshot{Phase: proto.PhaseLocking}); got != "waiting for the lock for 90 s" {
			t.Errorf("line %q", got)
		}
	})
}

// TestTellServer: total and complete lines go out where the server asked for them, on a donor only under the lock. A total
// is told once, and what is complete never runs past it or backwards.
func TestTellServer(t *testing.T) {
	snapshots := []proto.Snapshot{
		{Phase: proto.PhaseWaiting},
		{Phase: proto.PhaseLive, Total: 50, Done: 50},
		{Phase: proto.PhaseLocked, Total: 100, Done: 10},
		{Phase: proto.PhaseLocked, Total: 100, Done: 120},
	}
	for _, c := range []struct {
		args string
		want string
	}{
		{"--role joiner --progress 1", "ready h:1/x\ntotal 50\ncomplete 50\ntotal 100\ncomplete 10\ncomplete 100\n"},
		{"--role joiner --progress 0", "ready h:1/x\n"},
		{"--role joiner", "ready h:1/x\n"},
		{"--role joiner --basedir / --plugindir / --progress 1", "ready h:1/x\n"},
		{"--role joiner --auth a:b", "ready h:1/x\n"},
		{"--role donor --progress 1", "total 100\ncomplete 10\ncomplete 100\n"},
		{"--role donor --progress 0", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			args, err := galera.ParseArgs(strings.Fields(c.args))
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			call := &call{args: args, out: galera.NewOut(&out, args)}
			if args.Role == galera.RoleJoiner {
				if err := call.out.Ready("h:1/x"); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range snapshots {
				time.Sleep(2 * time.Second) // virtual
				call.tellServer(s)
			}
			if out.String() != c.want {
				t.Errorf("%s: %q, want %q", c.args, out.String(), c.want)
			}
		})
	}
}

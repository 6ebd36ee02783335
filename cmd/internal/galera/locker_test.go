package galera

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeServer is the writer behind an Out: it acts on a line before the write returns.
type fakeServer struct {
	mu      sync.Mutex
	lines   []string
	onFlush func()
}

func (s *fakeServer) Write(p []byte) (int, error) {
	line := strings.TrimSuffix(string(p), "\n")
	s.mu.Lock()
	s.lines = append(s.lines, line)
	s.mu.Unlock()
	if line == "flush tables" && s.onFlush != nil {
		s.onFlush()
	}
	return len(p), nil
}

// write puts a file in place in one step, as servers do.
func write(t *testing.T, dir, name, content string) {
	t.Helper()
	temp := filepath.Join(dir, "new")
	if err := os.WriteFile(temp, []byte(content), 0o600); err != nil {
		t.Error(err)
	}
	if err := os.Rename(temp, filepath.Join(dir, name)); err != nil {
		t.Error(err)
	}
}

// lockCase is one lock attempt in virtual time.
type lockCase struct {
	name   string
	cfg    LockerConfig
	server func(t *testing.T, dir string) // runs beside the wait, from the request on
	want   int64                          // seqno; 0 = an error is expected
	code   int
	text   string // part of the error
	least  time.Duration
	most   time.Duration
}

func TestLock(t *testing.T) {
	after := func(d time.Duration, name, content string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			time.Sleep(d)
			write(t, dir, name, content)
		}
	}
	both := func(a, b func(*testing.T, string)) func(*testing.T, string) {
		return func(t *testing.T, dir string) { a(t, dir); b(t, dir) }
	}
	const second = time.Second
	for _, tc := range []lockCase{
		{name: "at once", server: after(0, flushedFile, at42+" 0\n"), want: 42, most: 3 * time.Millisecond},
		{name: "late", server: after(3*second, flushedFile, at42+" 0\n"), want: 42, least: 3 * second, most: 3*second + 3*time.Millisecond},
		{name: "very late", server: after(60*second, flushedFile, at42+" 0\n"), want: 42, least: 60 * second, most: 60*second + 11*time.Millisecond},
		{name: "second version", server: both(after(0, flushedFile, at41+" 0\n\n"), after(second, flushedFile, at42+" 0\n")), want: 42, least: second, most: second + 3*time.Millisecond},
		{name: "no second version", server: after(0, flushedFile, at42+" 0\n\n"), want: 42, least: 2 * second, most: 2*second + 5*time.Millisecond},
		{name: "one version elsewhere", cfg: LockerConfig{Family: Codership80}, server: after(0, flushedFile, at42+" "+at41+" 7\n\n"), want: 42, most: 3 * time.Millisecond},
		{name: "second of another cluster", server: both(after(0, flushedFile, at42+" 0\n\n"), after(second, flushedFile, "b"+at42[1:]+" 0\n")),
			code: ExitProto, text: "another cluster"},
		{name: "freeze", cfg: LockerConfig{FileFirst: true}, server: after(second, flushedFile, at42+" 0\n"), want: 42, least: 3 * second, most: 3*second + 5*time.Millisecond},
		{name: "freeze, second late", cfg: LockerConfig{FileFirst: true}, server: both(after(0, flushedFile, at41+" 0\n\n"), after(second, flushedFile, at42+" 0\n")),
			want: 42, least: 2 * second, most: 2*second + 5*time.Millisecond},
		{name: "freeze, server dies", cfg: LockerConfig{FileFirst: true, Parent: dying(second)}, server: after(0, flushedFile, at42+"\n"),
			code: ExitPipe, text: "gone", most: second + 110*time.Millisecond},
		{name: "flush fails", server: after(5*second, errorFile, ""), code: ExitUnknown, text: "lock_wait_timeout", most: 5*second + 3*time.Millisecond},
		{name: "stray error file", cfg: LockerConfig{Family: PXC, Timeout: second}, server: after(0, errorFile, ""), code: ExitTimeout, text: "within 1s"},
		{name: "nothing", cfg: LockerConfig{Timeout: 7 * second}, code: ExitTimeout, text: "within 7s", least: 7 * second, most: 7*second + 15*time.Millisecond},
		{name: "default limit", cfg: LockerConfig{Poll: 50 * time.Millisecond}, code: ExitTimeout, least: 600 * second, most: 600*second + 60*time.Millisecond},
		{name: "server dies", cfg: LockerConfig{Parent: dying(second)}, code: ExitPipe, text: "gone", most: second + 110*time.Millisecond},
		{name: "another cluster", server: after(0, flushedFile, "b"+at42[1:]+" 0\n"), code: ExitProto, text: "another cluster", least: 2 * second},
		{name: "any cluster", cfg: LockerConfig{UUID: "-"}, server: after(0, flushedFile, "b"+at42[1:]+" 0\n"), want: 42},
		{name: "undefined", server: after(0, flushedFile, testUUID+":-1 0\n"), code: ExitProto, text: "undefined"},
		{name: "garbage", server: after(0, flushedFile, "flushed\n"), code: ExitProto, text: "uuid:seqno"},
		{name: "unfinished", server: after(0, flushedFile, at42), code: ExitProto, text: "unfinished"},
		{name: "unfinished, then whole", server: both(after(0, flushedFile, at42), after(second, flushedFile, at42+"\n")), want: 42},
		{name: "huge", server: after(0, flushedFile, strings.Repeat("x", 5000)), code: ExitProto, text: "more than 4096"},
		{name: "link", server: func(t *testing.T, dir string) {
			write(t, dir, "elsewhere", at42+" 0\n")
			if err := os.Symlink("elsewhere", filepath.Join(dir, flushedFile)); err != nil {
				t.Error(err)
			}
		}, code: 40, text: "symbolic"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { tc.run(t, dir) })
		})
	}
}

// dying is a Parent that is gone after d. Its clock starts at the first question.
func dying(d time.Duration) func() error {
	var start time.Time
	return func() error {
		if start.IsZero() {
			start = time.Now()
		}
		if time.Since(start) < d {
			return nil
		}
		return exitf(ExitPipe, "the server is gone")
	}
}

func (tc lockCase) run(t *testing.T, dir string) {
	var wg sync.WaitGroup
	defer wg.Wait()
	server := &fakeServer{}
	if tc.server != nil {
		server.onFlush = func() { wg.Go(func() { tc.server(t, dir) }) }
	}
	// Leftovers of an earlier attempt must not be taken for the answer.
	write(t, dir, flushedFile, testUUID+":7 0\n")
	write(t, dir, flushedTemp, "x")
	write(t, dir, errorFile, "")
	cfg := tc.cfg
	cfg.Out, cfg.Datadir = NewOut(server, donorArgs), dir
	switch cfg.UUID {
	case "":
		cfg.UUID = strings.ToUpper(testUUID)
	case "-":
		cfg.UUID = ""
	}
	l := NewLocker(cfg)
	start := time.Now()
	g, err := l.Lock(t.Context())
	took := time.Since(start)
	if tc.want == 0 {
		if err == nil || ExitCode(err) != tc.code || !strings.Contains(err.Error(), tc.text) || g != (GTID{}) {
			t.Errorf("%+v, exit code %d of %v, expected %d and %q", g, ExitCode(err), err, tc.code, tc.text)
		}
	} else if err != nil || g.Seqno != tc.want {
		t.Errorf("%+v, %v", g, err)
	}
	if took < tc.least || tc.most > 0 && took > tc.most {
		t.Errorf("took %s, expected %s to %s", took, tc.least, tc.most)
	}
	if tc.want != 0 {
		if err := l.Unlock(); err != nil {
			t.Error(err)
		}
		if want := []string{"flush tables", "continue"}; strings.Join(server.lines, ",") != strings.Join(want, ",") {
			t.Errorf("lines %q", server.lines)
		}
	}
	for _, name := range []string{flushedFile, flushedTemp, errorFile} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is left behind", name)
		}
	}
}

func TestLockCanceled(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		cause := exitf(ExitSignal, "ended by a signal")
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := time.AfterFunc(time.Second, func() { cancel(cause) })
		defer stop.Stop()
		l := NewLocker(LockerConfig{Out: NewOut(&fakeServer{}, donorArgs), Datadir: dir})
		if _, err := l.Lock(ctx); !errors.Is(err, cause) || ExitCode(err) != ExitSignal {
			t.Errorf("error %v", err)
		}
	})
}

func TestLockRefuses(t *testing.T) {
	t.Run("file that cannot be removed", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, flushedFile, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		server := &fakeServer{}
		_, err := NewLocker(LockerConfig{Out: NewOut(server, donorArgs), Datadir: dir}).Lock(t.Context())
		if err == nil || !strings.Contains(err.Error(), "remove this file") || len(server.lines) > 0 {
			t.Errorf("error %v, lines %q", err, server.lines)
		}
	})
	t.Run("twice", func(t *testing.T) {
		dir := t.TempDir()
		server := &fakeServer{onFlush: func() { write(t, dir, flushedFile, at42+"\n") }}
		l := NewLocker(LockerConfig{Out: NewOut(server, donorArgs), Datadir: dir})
		if err := l.Unlock(); err != nil || len(server.lines) > 0 {
			t.Errorf("unlock before a lock: %v, lines %q", err, server.lines)
		}
		if _, err := l.Lock(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Lock(t.Context()); !errors.Is(err, ErrOrder) {
			t.Errorf("second lock: %v", err)
		}
	})
	t.Run("server gone", func(t *testing.T) {
		l := NewLocker(LockerConfig{Out: NewOut(&breaker{}, donorArgs), Datadir: t.TempDir()})
		if _, err := l.Lock(t.Context()); ExitCode(err) != ExitPipe {
			t.Errorf("error %v", err)
		}
	})
}

package cluster

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestDiff(t *testing.T) {
	a := Tree{"d": {Type: "dir"}, "d/x": {Type: "file", Size: 1, Sum: "1"}, "gone": {Type: "file"}, "y": {Type: "file", Size: 3}, "k": {Type: "file"}}
	b := Tree{"d": {Type: "dir"}, "d/x": {Type: "file", Size: 1, Sum: "2"}, "y": {Type: "file", Size: 4}, "k": {Type: "link"}, "new": {Type: "file"}}
	want := []string{"content: d/x", "missing: gone", "type: k is link, want file", "size: y has 4 bytes, want 3", "extra: new"}
	if got := Diff(a, b); !slices.Equal(got, want) {
		t.Errorf("Diff = %q, want %q", got, want)
	}
	if got := Diff(a, a); len(got) != 0 {
		t.Errorf("Diff of equal trees = %q", got)
	}
}

// TestTreeHashSeesEveryChange changes one thing at a time in a copy of a tree.
func TestTreeHashSeesEveryChange(t *testing.T) {
	make := func(t *testing.T) string {
		dir := t.TempDir()
		for name, text := range map[string]string{"a": "one", "sub/b": "two", "grastate.dat": "x"} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	original, err := TreeHash(context.Background(), make(t), NotTransferred)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		do   func(dir string) error
		want []string
	}{
		{"nothing", func(string) error { return nil }, nil},
		{"excluded file", func(d string) error { return os.WriteFile(d+"/grastate.dat", []byte("other"), 0o600) }, nil},
		{"same length", func(d string) error { return os.WriteFile(d+"/sub/b", []byte("owt"), 0o600) }, []string{"content: sub/b"}},
		{"longer", func(d string) error { return os.WriteFile(d+"/a", []byte("one\x00"), 0o600) }, []string{"size: a has 4 bytes, want 3"}},
		{"removed", func(d string) error { return os.Remove(d + "/a") }, []string{"missing: a"}},
		{"empty directory", func(d string) error { return os.Mkdir(d+"/e", 0o755) }, []string{"extra: e"}},
		{"link target", func(d string) error {
			if err := os.Remove(d + "/link"); err != nil {
				return err
			}
			return os.Symlink("b", d+"/link")
		}, []string{"content: link"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := make(t)
			if err := test.do(dir); err != nil {
				t.Fatal(err)
			}
			tree, err := TreeHash(context.Background(), dir, NotTransferred)
			if err != nil {
				t.Fatal(err)
			}
			if got := Diff(original, tree); !slices.Equal(got, test.want) {
				t.Errorf("Diff = %q, want %q", got, test.want)
			}
		})
	}
}

func TestLogProblems(t *testing.T) {
	for _, bad := range []string{
		"2026-01-02 InnoDB: Starting final batch to recover 12 pages from redo log.",
		"2026-01-02 [Note] InnoDB: To recover: 64 pages",
		"InnoDB: Page [page id: space=5, page number=3] log sequence number 99 is in the future! Current system log sequence number 5.",
		"[ERROR] mariadbd: Aria engine is not enabled or did not start. The Aria engine must be enabled to continue",
		"[ERROR] mariadbd: Table './d/t' is marked as crashed and should be repaired",
		"[ERROR] InnoDB: Tablespace 7 was not found at ./d/t.ibd.",
		"[ERROR] InnoDB: Database page corruption on disk or a failed read of file './ibdata1'",
		"[ERROR] Plugin 'InnoDB' init function returned error.",
		"261122 [ERROR] mysqld got signal 11 ;",
	} {
		if got := LogProblems("fine\n" + bad + "\nfine\n"); !slices.Equal(got, []string{bad}) {
			t.Errorf("LogProblems(%q) = %q", bad, got)
		}
	}
	fine := `[Note] InnoDB: End of log at LSN=66864
[Note] mariadbd: Aria engine: starting recovery
WSREP_SST: [ERROR] InnoDB: said by a script
[Note] InnoDB: Cannot open '/d/ib_buffer_pool' for reading: No such file or directory`
	if got := LogProblems(fine); len(got) != 0 {
		t.Errorf("LogProblems of a clean log = %q", got)
	}
}

func TestSummaries(t *testing.T) {
	log := `noise
WSREP_SST: [INFO] summary: {"role":"donor","files":3,"wire_bytes":12,"lock_seconds":0.5,"new_key":[1],"passes":[{"number":1},{"number":2}]} (20260102 15:04:05.000)
WSREP_SST: [INFO] summary: {"role":
WSREP_SST: [INFO] a summary: of words
WSREP_SST: [INFO] summary: {"role":"joiner","bytes_total":7,"result":"ok","passes":3} (20260102 15:04:06.000)
`
	got := Summaries(log)
	want := []Summary{{Role: "donor", Files: 3, WireBytes: 12, LockSeconds: 0.5, Passes: 2}, {Role: "joiner", BytesTotal: 7, Result: "ok", Passes: 3}}
	if !slices.Equal(got, want) {
		t.Errorf("Summaries = %+v, want %+v", got, want)
	}
}

func TestBadChecks(t *testing.T) {
	out := "d.a      OK\nd.b\nnote     : The storage engine for the table doesn't support check\nd.c\nWarning  : 1 client is using\nerror    : Corrupt\n"
	want := []string{"d.c Warning  : 1 client is using", "d.c error    : Corrupt"}
	if got := badChecks(out); !slices.Equal(got, want) {
		t.Errorf("badChecks = %q, want %q", got, want)
	}
}

func TestCompareSums(t *testing.T) {
	x := map[string]string{"`d`.`a`": "1", "`d`.`b`": "2"}
	if err := compareSums(1, 2, x, map[string]string{"`d`.`a`": "1", "`d`.`b`": "2"}); err != nil {
		t.Error(err)
	}
	for _, y := range []map[string]string{
		{"`d`.`a`": "1", "`d`.`b`": "3"}, {"`d`.`a`": "1"}, {"`d`.`a`": "1", "`d`.`b`": "2", "`d`.`c`": "0"},
	} {
		if err := compareSums(1, 2, x, y); err == nil {
			t.Errorf("%v and %v compare equal", x, y)
		}
	}
}

func TestParsePosition(t *testing.T) {
	for _, test := range []struct {
		text, uuid string
		seqno      int64
		ok         bool
	}{
		{"8df676fe-e697-11f1-9de4-5756091a6cca:5\n", "8df676fe-e697-11f1-9de4-5756091a6cca", 5, true},
		{"00000000-0000-0000-0000-000000000000:-1", "00000000-0000-0000-0000-000000000000", -1, true},
		{"8df676fe-e697-11f1-9de4-5756091a6cca:5,0-1-7", "8df676fe-e697-11f1-9de4-5756091a6cca", 5, true},
		{"nothing", "", 0, false},
		{"u:x", "", 0, false},
	} {
		uuid, seqno, err := parsePosition(test.text)
		if uuid != test.uuid || seqno != test.seqno || (err == nil) != test.ok {
			t.Errorf("parsePosition(%q) = %q, %d, %v", test.text, uuid, seqno, err)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, c := range []Config{{Block: 1}, {Block: 251}, {Nodes: 21}, {Nodes: -1}} {
		if _, err := New(context.Background(), c); err == nil {
			t.Errorf("New(%+v) gave no error", c)
		}
	}
}

// TestWrapper runs a made-up transfer program through the wrapper: output with and without a final newline, exit code, arguments
// with odd characters, a second line of its kind that is held back.
func TestWrapper(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "real program's")
	script := "#!/bin/sh\nprintf 'ready %s\\ncontinue\\ncontinue\\nlast' \"$2\"\nexit 17\n"
	if err := os.WriteFile(real, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	hold := filepath.Join(dir, "hold")
	if err := WrapMethod(dir, real, Hook{Method: "m", Record: dir, Hold: hold, Skip: 1}); err != nil {
		t.Fatal(err)
	}
	if err := HoldBack(hold); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "wsrep_sst_m"), "--role", "don or", "$x'")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := Held(ctx, hold); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, _ := out.Read(buf)
	if got := string(buf[:n]); got != "ready don or\ncontinue\n" {
		t.Errorf("before the release the wrapper passed %q on", got)
	}
	if err := Release(hold); err != nil {
		t.Fatal(err)
	}
	rest := ""
	for {
		n, err := out.Read(buf)
		rest += string(buf[:n])
		if err != nil {
			break
		}
	}
	if rest != "continue\nlast" {
		t.Errorf("after the release it passed %q on", rest)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 17 {
		t.Errorf("exit code %d, want the program's 17", code)
	}
	recorded, err := filepath.Glob(filepath.Join(dir, "don or.*.args"))
	if err != nil || len(recorded) != 1 {
		t.Fatalf("records: %v %v", recorded, err)
	}
	if args, _ := os.ReadFile(recorded[0]); string(args) != "--role\ndon or\n$x'\n" {
		t.Errorf("recorded arguments %q", args)
	}
	if said, _ := os.ReadFile(strings.TrimSuffix(recorded[0], "args") + "out"); string(said) != "ready don or\ncontinue\ncontinue\nlast" {
		t.Errorf("recorded output %q", said)
	}
	if err := WrapMethod(dir, filepath.Join(dir, "wsrep_sst_m"), Hook{}); err == nil {
		t.Error("a wrapper replaced its own program")
	}
}

// TestChildrenKeepTheirThread lets threads end, as goroutines do that have changed their network namespace, until one of them could
// have been any. The child of onThread is still there.
func TestChildrenKeepTheirThread(t *testing.T) {
	cmd := new(Cluster).command(t.Context(), "sleep", "60")
	started, over := make(chan error, 1), make(chan struct{})
	var child, others sync.WaitGroup
	var ended error
	child.Go(func() {
		ended = onThread(func() error {
			err := cmd.Start()
			started <- err
			if err != nil {
				return err
			}
			<-over
			_ = cmd.Process.Signal(syscall.SIGTERM) // fails when it has ended, which shows below
			return cmd.Wait()
		})
	})
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	for range 20 {
		var all sync.WaitGroup
		const threads = 20
		all.Add(threads)
		for range threads {
			others.Go(func() {
				runtime.LockOSThread() // never unlocked: the thread ends
				all.Done()
				all.Wait()
			})
		}
		others.Wait()
	}
	close(over)
	child.Wait()
	var exit *exec.ExitError
	if !errors.As(ended, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("the child ended by itself: %v", ended)
	}
}

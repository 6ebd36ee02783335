package watch

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trireme/cmd/internal/cli"
	"trireme/cmd/internal/status"
	"trireme/engine/tree"

	"github.com/spf13/cobra"
)

func run(ctx context.Context, words ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	root := cli.Root(cli.Config{Program: "trireme test", Commands: []*cobra.Command{Command()}, Out: &o, Err: &e})
	code = cli.Run(ctx, root, append([]string{"watch"}, words...))
	return code, o.String(), e.String()
}

// TestWatch: a transfer that ends well or badly, one whose process died, one that goes on, and none.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, tree.StatusName)
	if code, _, errs := run(t.Context(), dir); code != 1 || !strings.Contains(errs, "no transfer is to be seen: there is no "+file) {
		t.Errorf("%d %s", code, errs)
	}
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	s := status.Status{Version: status.Version, Role: "joiner", PID: os.Getpid(), Started: time.Now(), Updated: time.Now(), Phase: "copying"}
	for _, c := range []struct {
		result, cause string
		pid           int
		flags         []string
		code          int
		says          string
	}{
		{status.Complete, "", 1, nil, 0, "complete: "},
		{status.Failed, "no space left", 1, nil, exitFailed, "the transfer (joiner) failed after 0.0 s: no space left"},
		{status.Running, "", dead.Process.Pid, nil, exitFailed, "is gone without a word"},
		{status.Running, "", os.Getpid(), []string{"--once"}, 0, "copying"},
		{status.Complete, "", 1, []string{"--progress", "loud"}, 2, "expected auto, bar or log"},
	} {
		s.Result, s.Error, s.PID = c.result, c.cause, c.pid
		if err := status.Write(file, &s, nil); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{dir, file} {
			if code, _, errs := run(t.Context(), append(c.flags, name)...); code != c.code || !strings.Contains(errs, c.says) {
				t.Errorf("%+v: %d %s", c, code, errs)
			}
		}
	}
	// One that runs is watched until it ends, and waited for when it is not there yet.
	s.Result, s.PID = status.Running, os.Getpid()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	write := make(chan error, 1)
	go func() {
		err := status.Write(file, &s, nil)
		time.Sleep(2 * lookEvery)
		end := s
		end.Result, end.Updated = status.Complete, time.Now()
		if err == nil {
			err = status.Write(file, &end, nil)
		}
		write <- err
	}()
	if code, out, errs := run(t.Context(), "--json", "--wait", "20s", dir); code != 0 || !strings.Contains(out, `"event":"progress"`) || !strings.Contains(out, `"event":"end"`) {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if err := <-write; err != nil {
		t.Error(err)
	}
	// Whoever stops watching stops nothing else.
	s.Result = status.Running
	if err := status.Write(file, &s, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*lookEvery)
	defer cancel()
	if code, _, errs := run(ctx, dir); code != exitInterrupted || !strings.Contains(errs, "the transfer goes on") {
		t.Errorf("%d %s", code, errs)
	}
}

package sst

import (
	"context"
	"os/exec"
	"sync"
	"testing"
	"time"

	"trireme/cmd/internal/galera"
)

// watched is a context that tells when somebody begins to wait for it.
type watched struct {
	context.Context
	once   sync.Once
	waited chan struct{} // closed then
}

func (w *watched) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waited) })
	return w.Context.Done()
}

// fakeServer starts a process that a program can take for its server, and finds it. It is killed at the end of the test.
func fakeServer(t *testing.T) (kill func(), p *galera.Parent) {
	t.Helper()
	server := exec.Command("sleep", "3600")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	t.Cleanup(kill)
	p, err := galera.FindParent(server.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return kill, p
}

// TestOutliveServer has a program that has failed end after its server, but not wait for one that goes on for ever, nor when it was
// told to end.
func TestOutliveServer(t *testing.T) {
	was := abortGrace
	t.Cleanup(func() { abortGrace = was })
	t.Run("the server ends first", func(t *testing.T) {
		abortGrace = time.Hour
		kill, parent := fakeServer(t)
		ctx := &watched{Context: t.Context(), waited: make(chan struct{})}
		returned := make(chan struct{})
		var killer sync.WaitGroup
		killer.Go(func() {
			select {
			case <-ctx.waited:
				kill()
			case <-returned:
			}
		})
		(&call{ctx: ctx, parent: parent}).outliveServer()
		if parent.Alive() == nil {
			t.Error("the program is at its end while its server lives")
		}
		close(returned)
		killer.Wait()
	})
	t.Run("the server goes on", func(t *testing.T) {
		abortGrace = time.Millisecond
		_, parent := fakeServer(t)
		(&call{ctx: t.Context(), parent: parent}).outliveServer()
		if err := parent.Alive(); err != nil {
			t.Error(err)
		}
	})
	t.Run("told to end", func(t *testing.T) {
		abortGrace = time.Hour
		_, parent := fakeServer(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		(&call{ctx: ctx, parent: parent}).outliveServer()
		if err := parent.Alive(); err != nil {
			t.Error(err)
		}
	})
}

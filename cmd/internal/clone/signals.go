package clone

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"trireme/proto"
)

// interruptible returns a context that the first signal ends, with the signal as its
// cause: both ends hear it and nothing is left running. The second signal ends the
// process where it stands, which the next transfer heals.
func interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP)
	}
	// Who listens to our notes may go; the copy goes on.
	signal.Ignore(syscall.SIGPIPE)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		code := 0
		for {
			select {
			case s := <-signals:
				if code != 0 {
					os.Exit(code)
				}
				code = map[os.Signal]int{syscall.SIGINT: exitInterrupt, syscall.SIGTERM: exitTerminate, syscall.SIGHUP: exitHangup}[s]
				cancel(proto.Fail(proto.CodeCancelled, &codedError{code, fmt.Errorf("stopped by signal %v", s)}))
			case <-done:
				return
			}
		}
	})
	return ctx, func() {
		signal.Stop(signals)
		signal.Reset(syscall.SIGPIPE)
		close(done)
		wg.Wait()
		cancel(nil)
	}
}

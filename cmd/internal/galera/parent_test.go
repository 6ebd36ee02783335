package galera

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

// TestWaitEndsWithItsContext ends the context right before a pause that is longer than any test: a joiner's server waits until its
// program has ended, and the program until this has.
func TestWaitEndsWithItsContext(t *testing.T) {
	p, err := FindParent(os.Getppid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	cause := errors.New("done with it")
	ctx, cancel := context.WithCancelCause(t.Context())
	parentSlice, testOnlyBeforePoll = time.Hour, func() { cancel(cause) }
	defer func() { parentSlice, testOnlyBeforePoll = 100*time.Millisecond, func() {} }()
	if err := p.Wait(ctx); !errors.Is(err, cause) {
		t.Errorf("error %v, want the cause", err)
	}
}

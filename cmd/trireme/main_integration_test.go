//go:build integration

package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// binary is the program under test, built from this very source: what lies in build/ may be older.
var binary string

// lastly is what must happen after all tests: the end of clusters that several tests share.
var lastly struct {
	mu    sync.Mutex
	steps []func()
}

func afterAll(step func()) {
	lastly.mu.Lock()
	defer lastly.mu.Unlock()
	lastly.steps = append(lastly.steps, step)
}

// lane is what tests run in one after the other. There are two: that of the tests on the shared rig, and that of all others. They wait
// more than they work; but with more clusters at a time on two processors servers miss their group's heartbeats, and tests their moments.
type lane chan struct{}

var onRig, elsewhere = make(lane, 1), make(lane, 1)

// take waits until the test is the next in a lane, which it leaves at its very end. What bounds the test's time begins after that.
func (l lane) take(t *testing.T) {
	t.Helper()
	t.Parallel()
	l <- struct{}{}
	t.Cleanup(func() { <-l })
}

// TestMain builds the program once for all tests on real servers.
func TestMain(m *testing.M) {
	os.Exit(withBinary(m))
}

func withBinary(m *testing.M) int {
	dir, err := os.MkdirTemp("", "trireme-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "trireme")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program under test: %v\n%s", err, out)
		return 1
	}
	// Who runs beside whom is a matter of the lanes.
	if err := flag.Set("test.parallel", "1000"); err != nil {
		panic(err)
	}
	code := m.Run()
	if soaking() {
		soaked.print(os.Stdout)
	}
	for _, step := range slices.Backward(lastly.steps) {
		step()
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

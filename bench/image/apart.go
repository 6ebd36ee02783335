package image

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
)

// apartMark tells the program that it runs apart already.
const apartMark = "TRIREME_IMAGE_APART"

// Apart runs this program once more, with the same arguments, where its mounts are seen by nobody else: a mount namespace ends with the
// last process in it, and every mount made there with it, even after kill -9. In that second run it returns false at once; in the first one
// it returns when the second has ended, with true and that one's exit code. Call it from main before anything else; it needs root.
func Apart() (bool, int, error) {
	if os.Getenv(apartMark) != "" {
		return false, 0, nil
	}
	// The death of a parent is told when its thread ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), apartMark+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	// A terminal's Ctrl-C reaches both; what reaches only this one is passed on.
	told := make(chan os.Signal, 1)
	signal.Notify(told, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(told)
	if err := cmd.Start(); err != nil {
		return true, 1, fmt.Errorf("run in a mount namespace: %w: %w", err, ErrCannot)
	}
	ended := make(chan error, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { ended <- cmd.Wait() })
	for {
		select {
		case <-told:
			_ = cmd.Process.Signal(syscall.SIGTERM)
		case err := <-ended:
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return true, max(1, exit.ExitCode()), nil
			}
			return true, 0, err
		}
	}
}

package clone

import (
	"bufio"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestTwice: the second signal ends a program that the first could not.
func TestTwice(t *testing.T) {
	for signal, code := range map[syscall.Signal]int{syscall.SIGINT: exitInterrupt, syscall.SIGTERM: exitTerminate, syscall.SIGHUP: exitHangup} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), hangs+"=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		for _, want := range []string{"ready\n", "stopped by signal " + signal.String() + "\n"} {
			if line, err := lines.ReadString('\n'); line != want {
				t.Errorf("it said %q, want %q; %v", line, want, err)
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != code {
			t.Errorf("%v: %v, want exit code %d", signal, err, code)
		}
	}
}

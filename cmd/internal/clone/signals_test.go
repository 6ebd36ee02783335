package clone

import (
	"bufio"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
)

// TestTwice: the second signal ends a program that the first could not.
func TestTwice(t *testing.T) {
	for sig, code := range map[syscall.Signal]int{syscall.SIGINT: exitInterrupt, syscall.SIGTERM: exitTerminate, syscall.SIGHUP: exitHangup} {
		if signal.Ignored(sig) {
			t.Logf("%v is ignored here, by nohup perhaps, and so it is by the programs that this one starts", sig)
			continue
		}
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
		for _, want := range []string{"ready\n", "stopped by signal " + sig.String() + "\n"} {
			if line, err := lines.ReadString('\n'); line != want {
				t.Errorf("it said %q, want %q; %v", line, want, err)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != code {
			t.Errorf("%v: %v, want exit code %d", sig, err, code)
		}
	}
}

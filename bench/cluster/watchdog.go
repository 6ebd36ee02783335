package cluster

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// watchdog is a small shell in a session of its own that waits for our end of a pipe to close. Parent death signals reach the
// servers, but not the scripts that the servers started; the watchdog ends those and removes the directory, even after kill -9.
type watchdog struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

// watchdogScript reads until the pipe closes. The line "bye" is the orderly end: nothing is left to do. The processes it may end
// are those whose command line names the cluster's directory, a name made at random for this cluster.
const watchdogScript = `
dir=$1 socks=$2 keep=$3
trap '' INT TERM HUP
if read -r word && [ "$word" = bye ]; then exit 0; fi
for round in 1 2 3; do
  for p in /proc/[0-9]*; do
    pid=${p#/proc/}
    [ "$pid" = $$ ] && continue
    if tr '\0' ' ' <"$p/cmdline" 2>/dev/null | grep -qF -- "$dir"; then
      case $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null) in *watchdog-of-"$dir"*) ;; *) kill -9 "$pid" 2>/dev/null ;; esac
    fi
  done
done
[ "$keep" = yes ] || rm -rf -- "$dir"
[ "$socks" = "$dir" ] || rm -rf -- "$socks"
`

func startWatchdog(dir, socks string, keep bool) (*watchdog, error) {
	answer := "no"
	if keep {
		answer = "yes"
	}
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "watchdog-of-"+dir, dir, socks, answer)
	// A session of its own: Ctrl-C in the terminal must not reach it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Dir = "/"
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start watchdog: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start watchdog: %w", err)
	}
	return &watchdog{cmd: cmd, in: in}, nil
}

// stop ends the watchdog in good order.
func (w *watchdog) stop() {
	if w.in == nil {
		return
	}
	_, _ = io.WriteString(w.in, "bye\n")
	_ = w.in.Close()
	_ = w.cmd.Wait()
	w.in = nil
}

// killByDir kills every process whose command line names dir, the watchdog apart, until none is left. It is how scripts are ended
// that left their process group.
func killByDir(dir string) {
	deadline := time.Now().Add(10 * time.Second)
	for len(signalByDir(dir, syscall.SIGKILL)) > 0 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
}

// signalByDir sends a signal to the processes that name dir and returns their ids. Zombies have no command line and do not count.
func signalByDir(dir string, sig syscall.Signal) []int {
	var hit []int
	for _, pid := range processesNaming(dir) {
		if syscall.Kill(pid, sig) == nil {
			hit = append(hit, pid)
		}
	}
	return hit
}

// processesNaming lists processes other than ourselves and the watchdog whose command line contains text.
func processesNaming(text string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err != nil || !bytes.Contains(line, []byte(text)) || bytes.Contains(line, []byte("watchdog-of-")) {
			continue
		}
		pids = append(pids, pid)
	}
	return pids
}

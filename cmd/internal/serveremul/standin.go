package serveremul

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	standInEnv        = "SERVEREMUL_STANDIN"
	standInSessionEnv = "SERVEREMUL_SESSION"
	versionEnv        = "SERVEREMUL_VERSION"
)

// serverName is what a stand-in is called that can say its version.
const serverName = "mariadbd"

// Main must be called at the top of TestMain, or in an init function, in packages that use Options.Mortal. In a stand-in
// process it starts the SST program, reports its number, waits for it and ends with its exit code. When the stand-in is
// asked for its version, see Pair.Known, it says that and ends. In the test process it returns at once.
func Main() {
	if self, err := os.Executable(); err == nil && filepath.Base(self) == serverName && slices.Equal(os.Args[1:], []string{"--no-defaults", "--version"}) {
		fmt.Printf("%s  Ver %s for Linux on x86_64 (none)\n", serverName, os.Getenv(versionEnv))
		os.Exit(0)
	}
	command := os.Getenv(standInEnv)
	if command == "" {
		return
	}
	code, err := standIn(command)
	if err != nil {
		fmt.Fprintln(os.Stderr, "serveremul stand-in:", err)
		os.Exit(127)
	}
	os.Exit(code)
}

func standIn(command string) (int, error) {
	report := os.NewFile(3, "report")
	unix.CloseOnExec(3)
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(command, parentMark, strconv.Itoa(os.Getpid())))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if _, err := unix.FcntlInt(4, unix.F_GETFD, 0); err == nil {
		// The reading end of the program's own output, which it is to keep.
		unix.CloseOnExec(4)
		cmd.ExtraFiles = []*os.File{os.NewFile(4, "read end")}
	}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, standInEnv+"=") && !strings.HasPrefix(kv, standInSessionEnv+"=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: os.Getenv(standInSessionEnv) != ""}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	fmt.Fprintln(report, cmd.Process.Pid)
	report.Close()
	// Only the program may hold the writing end, so that its exit ends the stream.
	os.Stdout.Close()
	return exitCode(cmd.Wait()), nil
}

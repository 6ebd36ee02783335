package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"trireme/bench/netlab"
)

// choose asks for the control that every system lets everybody have.
func choose() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno"), unix.Close(fd))
}

// TestModest: the sender alone is kept from choosing, and nothing of the machine is changed for it.
func TestModest(t *testing.T) {
	const word = "LINKRACE_TEST_CHOOSES"
	if os.Getenv(word) != "" {
		if err := choose(); !errors.Is(err, unix.EPERM) {
			t.Errorf("the sender: %v", err)
		}
		return
	}
	netlab.Need(t)
	const sysctl = "/proc/sys/net/ipv4/tcp_allowed_congestion_control"
	before, err := os.ReadFile(sysctl)
	if err != nil {
		t.Fatal(err)
	}
	lab, err := netlab.New(netlab.Config{Congestion: "reno"})
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	var out bytes.Buffer
	cmd := exec.Command(os.Args[0], "-test.run", "^TestModest$")
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), word+"=1"), &out, &out
	if err := startModest(lab.Host(0))(cmd); err != nil {
		t.Fatal(err)
	}
	during, err := os.ReadFile(sysctl)
	if err != nil || !bytes.Equal(before, during) {
		t.Errorf("for everybody %q became %q, %v", before, during, err)
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "PASS") {
		t.Errorf("%v: %s", err, out.String())
	}
	if err := choose(); err != nil {
		t.Errorf("this process cannot choose any more: %v", err)
	}
}

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"trireme/bench/netlab"
)

// common are the congestion controls that a system lets everybody use which nobody has set up for long paths.
var common = []string{"reno", "cubic"}

const sysctl = "/proc/sys/net/ipv4/tcp_"

// commonOnly lets those without CAP_NET_ADMIN choose common controls only, on all of this machine, until restore.
func commonOnly() (restore func() error, err error) {
	was, err := os.ReadFile(sysctl + "allowed_congestion_control")
	if err != nil {
		return nil, err
	}
	there, err := os.ReadFile(sysctl + "available_congestion_control")
	if err != nil {
		return nil, err
	}
	known := strings.Fields(string(there))
	now := slices.DeleteFunc(slices.Clone(common), func(name string) bool { return !slices.Contains(known, name) })
	set := func(text string) error {
		if err := os.WriteFile(sysctl+"allowed_congestion_control", []byte(text), 0); err != nil {
			return fmt.Errorf("choose who may use which congestion control: %w", err)
		}
		return nil
	}
	if err := set(strings.Join(now, " ")); err != nil {
		return nil, err
	}
	return func() error { return set(strings.TrimSpace(string(was))) }, nil
}

// startModest starts a program on a host without the right to choose any congestion control.
func startModest(h *netlab.Host) func(*exec.Cmd) error {
	return func(cmd *exec.Cmd) error {
		// On a thread that ends with this, and that the program is a copy of.
		return h.Do(func() error {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_NET_ADMIN, 0, 0, 0); err != nil {
				return errors.Join(errors.New("give up CAP_NET_ADMIN"), err)
			}
			return cmd.Start()
		})
	}
}

package main

import (
	"errors"
	"fmt"
	"os/exec"
	"unsafe"

	"golang.org/x/sys/unix"

	"trireme/bench/netlab"
)

// startModest starts a program on a host that may choose no congestion control but the one it gets, like a server's user where nobody
// has set more up. What everybody may choose is a setting of the machine and of none of its network namespaces
// (net.ipv4.tcp_allowed_congestion_control), and it would stay if this were killed; so the program alone is kept from asking: its
// setsockopt(TCP_CONGESTION) fails as the kernel's does.
func startModest(h *netlab.Host) func(*exec.Cmd) error {
	return func(cmd *exec.Cmd) error {
		// On a thread that ends with this, and that the program is a copy of.
		return h.Do(func() error {
			if err := noCongestionChoice(); err != nil {
				return fmt.Errorf("keep the sender from choosing a congestion control: %w", err)
			}
			return cmd.Start()
		})
	}
}

// noCongestionChoice makes the choice fail with EPERM on this thread and in whatever it starts (seccomp(2)).
func noCongestionChoice() error {
	const (
		number, argument = 0, 16 // where struct seccomp_data has the call and its arguments, each of eight bytes, of little-endian machines
		level, option    = argument + 8*1, argument + 8*2
	)
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	unless := func(is, skip uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: uint8(skip), K: is}
	}
	verdict := func(v uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: v}
	}
	filter := []unix.SockFilter{
		load(number), unless(unix.SYS_SETSOCKOPT, 5),
		load(level), unless(unix.IPPROTO_TCP, 3),
		load(option), unless(unix.TCP_CONGESTION, 1),
		verdict(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)),
		verdict(unix.SECCOMP_RET_ALLOW),
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return errors.Join(
		unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
		unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0),
	)
}

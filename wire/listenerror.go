package wire

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

type rawConn = syscall.RawConn

// listenError adds to the system's error what to do about it. network is tcp or udp.
func listenError(network, addr string, err error) error {
	_, port, _ := net.SplitHostPort(addr)
	if network == "udp" {
		addr = "UDP " + addr
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %s: port %s is in use%s; stop that program, or let the joiner receive on another port (wsrep_sst_receive_address): %w", addr, port, holder(network, port), err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen on %s: this host does not have the address: %w", addr, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen on %s: not permitted; ports below 1024 need a capability, and SELinux must know port %s as mysqld_port_t: %w", addr, port, err)
	}
	return fmt.Errorf("listen on %s: %w", addr, err)
}

// holder names the processes that listen on the port, as far as /proc shows them to this user. It is for an error message, so every
// problem on the way only makes the message shorter.
func holder(network, port string) string {
	n, err := strconv.Atoi(port)
	if err != nil {
		return ""
	}
	inodes := listeningInodes(network, n)
	if len(inodes) == 0 {
		return ""
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	var names []string
	seen := map[string]bool{}
	for _, fd := range fds {
		link, err := os.Readlink(fd)
		if err != nil || !inodes[link] {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		if seen[pid] {
			continue
		}
		seen[pid] = true
		comm, _ := os.ReadFile("/proc/" + pid + "/comm")
		names = append(names, fmt.Sprintf("%s (pid %s)", cleanReason(strings.TrimSpace(string(comm))), pid))
	}
	if len(names) == 0 {
		return fmt.Sprintf(" by a process of another user (see it with: ss -l%cnp 'sport = :%d')", network[0], n)
	}
	return " by " + strings.Join(names, ", ")
}

// listeningInodes finds the sockets that wait on the port, in the form in which /proc/PID/fd links name them.
func listeningInodes(network string, port int) map[string]bool {
	inodes := map[string]bool{}
	state := "0A" // LISTEN
	if network == "udp" {
		state = "07" // the state of a UDP socket that is not connected
	}
	for _, table := range []string{"/proc/net/" + network, "/proc/net/" + network + "6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			// sl local_address rem_address st ... uid timeout inode
			field := strings.Fields(lines.Text())
			if len(field) > 9 && field[3] == state && strings.HasSuffix(field[1], fmt.Sprintf(":%04X", port)) {
				inodes["socket:["+field[9]+"]"] = true
			}
		}
		_ = f.Close() // opened for reading
	}
	return inodes
}

package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// providerPath is where Debian's galera-4 puts the wsrep provider.
const providerPath = "/usr/lib/galera/libgalera_smm.so"

// MissingError says which programs a cluster lacks on this machine. Tests skip on it, naming it.
type MissingError struct {
	Programs []string // what was looked for
	Packages []string // Debian packages that have it
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("find the programs of a cluster: %s not found; install the packages %s (make deps does it for root)",
		strings.Join(e.Programs, ", "), strings.Join(e.Packages, " "))
}

// Missing looks for what a cluster with the given state transfer method needs. It returns nil or a *MissingError.
func Missing(method string) error {
	need := [][2]string{
		{"mariadbd", "mariadb-server"}, {"mariadb-install-db", "mariadb-server"}, {"mariadb", "mariadb-client"},
		{"mariadb-check", "mariadb-client"}, {"innochecksum", "mariadb-server"}, {"bash", "bash"},
	}
	switch method {
	case "rsync":
		need = append(need, [2]string{"rsync", "rsync"}, [2]string{"ss", "iproute2"}, [2]string{"wsrep_sst_rsync", "mariadb-server"})
	case "mariabackup":
		need = append(need, [2]string{"mariabackup", "mariadb-backup"}, [2]string{"socat", "socat"})
	}
	missing := &MissingError{}
	add := func(program, pkg string) {
		missing.Programs = append(missing.Programs, program)
		for _, p := range missing.Packages {
			if p == pkg {
				return
			}
		}
		missing.Packages = append(missing.Packages, pkg)
	}
	for _, n := range need {
		if program(n[0]) == "" {
			add(n[0], n[1])
		}
	}
	if _, err := os.Stat(providerPath); err != nil {
		add(providerPath, "galera-4")
	}
	if len(missing.Programs) == 0 {
		return nil
	}
	return missing
}

// program finds a program also where an ordinary user's PATH does not look.
func program(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		p := filepath.Join(dir, name)
		if st, err := os.Stat(p); err == nil && !st.IsDir() && st.Mode()&0o111 != 0 {
			return p
		}
	}
	return ""
}

// owner is the unprivileged user that servers run as when we are root; mariadbd refuses to run as root.
type owner struct {
	name     string
	uid, gid uint32
}

// findOwner returns nil when the caller is not root: then everything runs as the caller.
func findOwner(name string) (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("find the user to run servers as: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("find the user to run servers as: uid %q: %w", u.Uid, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("find the user to run servers as: gid %q: %w", u.Gid, err)
	}
	return &owner{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
}

func (o *owner) credential() *syscall.Credential { return &syscall.Credential{Uid: o.uid, Gid: o.gid} }

// canReach asks the kernel, as that user, for the directory: a closed directory above it would otherwise show up as a server that
// cannot start, with a log file that cannot be written either.
func (o *owner) canReach(dir string) error {
	cmd := exec.Command("test", "-x", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: o.credential()}
	cmd.Dir = "/"
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("set up cluster: user %s cannot reach %s: a directory above it is closed to others; choose another Dir", o.name, dir)
	}
	return nil
}

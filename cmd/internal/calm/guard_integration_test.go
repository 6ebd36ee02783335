//go:build integration

package calm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// guards lists the processes that are guards started by the given process.
func guards(parent int) []int {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	var pids []int
	for _, f := range files {
		stat, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(f), "cmdline"))
		if err != nil || string(line) != "trireme\x00"+GuardCommand+"\x00" {
			continue
		}
		// The fields after the name: state, parent.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func testGuardManners(r *rig) {
	c, _ := r.open(Config{})
	r.must(c.Quiet(r.ctx))
	pids := guards(os.Getpid())
	if len(pids) != 1 {
		r.Fatalf("guards %v, want one", pids)
	}
	proc := fmt.Sprintf("/proc/%d/", pids[0])
	env, err := os.ReadFile(proc + "environ")
	r.must(err)
	if len(env) != 0 {
		r.Errorf("the guard has an environment: %q", env)
	}
	sid, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pids[0]), 0, 0)
	if errno != 0 || int(sid) != pids[0] {
		r.Errorf("the guard's session is %d (%v), want its own", sid, errno)
	}
	var files []string
	entries, err := os.ReadDir(proc + "fd")
	r.must(err)
	for _, e := range entries {
		if to, err := os.Readlink(proc + "fd/" + e.Name()); err == nil && !strings.HasPrefix(to, "anon_inode:") && !strings.HasPrefix(to, "/sys/fs/cgroup/") {
			// What is left out is the Go runtime's own: its poller and the limits of its group.
			to, _, _ = strings.Cut(to, ":[")
			files = append(files, to)
		}
	}
	slices.Sort(files)
	if want := []string{"/dev/null", "/dev/null", "pipe", "socket"}; !slices.Equal(files, want) {
		r.Errorf("the guard has open %v, want %v", files, want)
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		r.must(syscall.Kill(pids[0], sig))
	}
	r.must(c.Restore(r.ctx))
	r.want("after Restore", 90, 0)
}

// victim starts a process that calms the server, and returns it and its guard.
func (r *rig) victim() (*exec.Cmd, int) {
	r.Helper()
	cmd := exec.Command("/proc/self/exe", victimCommand, r.node.Socket(), account, secret)
	out, err := cmd.StdoutPipe()
	r.must(err)
	r.must(cmd.Start())
	r.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line := make([]byte, 200)
	n, err := out.Read(line)
	r.must(err)
	if got := string(line[:n]); got != "quiet <nil>\n" {
		r.Fatalf("the victim says %q", got)
	}
	r.want("while quiet", 0, 0)
	pids := guards(cmd.Process.Pid)
	if len(pids) != 1 {
		r.Fatalf("guards %v, want one", pids)
	}
	return cmd, pids[0]
}

// gone waits for the end of a process.
func (r *rig) gone(what string, pid int) {
	r.Helper()
	r.until("the end of "+what, func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func testKilled(r *rig) {
	r.exec("SET GLOBAL innodb_max_dirty_pages_pct=70; SET GLOBAL innodb_max_dirty_pages_pct_lwm=10")
	cmd, guard := r.victim()
	r.must(syscall.Kill(guard, syscall.SIGTERM))
	r.must(cmd.Process.Kill())
	r.gone("the guard", guard)
	r.want("after the guard", 70, 10)
}

func testKilledAndDropped(r *rig) {
	defer r.exec(fmt.Sprintf(`CREATE OR REPLACE USER '%s'@'localhost' IDENTIFIED BY '%s'; GRANT SUPER, PROCESS ON *.* TO '%[1]s'@'localhost'`, account, secret))
	cmd, guard := r.victim()
	r.exec(fmt.Sprintf("DROP USER '%s'@'localhost'", account))
	r.must(cmd.Process.Kill())
	r.gone("the guard", guard)
	r.want("after the guard", 90, 0)
}

// lock holds the global read lock on a connection of its own.
func (r *rig) lock() (unlock func()) {
	r.Helper()
	db, err := r.node.DB()
	r.must(err)
	conn, err := db.Conn(r.ctx)
	r.must(err)
	_, err = conn.ExecContext(r.ctx, "FLUSH TABLES WITH READ LOCK")
	r.must(err)
	return func() {
		_, err := conn.ExecContext(r.ctx, "UNLOCK TABLES")
		r.must(errors.Join(err, conn.Close()))
	}
}

func testKilledUnderLock(r *rig) {
	cmd, guard := r.victim()
	defer r.lock()()
	r.must(cmd.Process.Kill())
	r.gone("the guard", guard)
	r.want("after the guard", 90, 0)
}

func testRestoredUnderLock(r *rig) {
	c, _ := r.open(Config{})
	r.must(c.Quiet(r.ctx))
	defer r.lock()()
	r.must(c.Restore(r.ctx))
	r.want("under the lock", 90, 0)
}

func testNoGuard(r *rig) {
	r.soil()
	before := r.dirty()
	c, n := r.open(Config{Program: "/bin/false"})
	r.must(c.Quiet(r.ctx))
	r.want("without a guard", 90, 0)
	if !n.has("start the guard") {
		r.Error("the lack of a guard was not noted")
	}
	if after := r.dirty(); after > before/2 {
		r.Errorf("%d pages were dirty, %d are: checkpoints need no guard", before, after)
	}
}

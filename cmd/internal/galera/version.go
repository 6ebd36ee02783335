package galera

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// versionLimit bounds the run of the server's program, which prints one line and ends.
const versionLimit = 5 * time.Second

// versionPattern finds the version in "mariadbd  Ver 10.11.19-MariaDB-... for ...".
var versionPattern = regexp.MustCompile(`\bVer ([0-9]+\.[0-9]+\.[0-9]+[^ ]*)`)

// ServerVersion finds out what the server is: its family ("mariadb", "pxc", ...), its series ("10.11") and its full
// version ("10.11.19-MariaDB-..."). What cannot be found is "". PXC and Codership 8.0 say the version on the command line; of
// the others the server's own program, found through proc so that it is the running one, is asked for it. Only a
// program named like a server is started, with no input, none of our files, and a limit of five seconds.
func ServerVersion(ctx context.Context, a Args) (family, series, full string) {
	if a.MysqldVersion != "" {
		return a.Family.String(), seriesOf(a.MysqldVersion), a.MysqldVersion
	}
	p, err := FindParent(a.Parent)
	if err != nil {
		return "", "", ""
	}
	defer p.Close()
	program := serverProgram(p.PID())
	if program == "" {
		return "", "", ""
	}
	return parseVersion(a.Family, runVersion(ctx, program))
}

// serverProgram returns a path that starts the program of process pid, "" when that is not a server. The link in proc is
// the running program even after an upgrade on disk; a server that changed its user after the start hides it, and then
// its own word 0 has to do.
func serverProgram(pid int) string {
	if exe := exeOf(pid); exe != "" {
		if !namedServer(exe) {
			return ""
		}
		return "/proc/" + strconv.Itoa(pid) + "/exe"
	}
	cmdline, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return ""
	}
	word, _, _ := strings.Cut(string(cmdline), "\x00")
	if s, err := readProc(pid); err != nil || !namedServer(word) || !namedServer(s.comm) {
		return ""
	}
	program, err := exec.LookPath(word)
	if err != nil {
		return ""
	}
	return program
}

// namedServer reports whether a program's file name is that of a server, debug builds included.
func namedServer(path string) bool {
	name := filepath.Base(path)
	return strings.Contains(name, "mariadbd") || strings.Contains(name, "mysqld")
}

// runVersion returns what program prints about itself, "" on any failure.
func runVersion(ctx context.Context, program string) string {
	ctx, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--no-defaults", "--version")
	var out limitedBuffer
	cmd.Stdout = &out
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	// Variables that are meant for this program only, some of them secret, are not handed on.
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "WSREP_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	if cmd.Run() != nil {
		return ""
	}
	return out.kept.String()
}

// limitedBuffer keeps the first 4 KiB and swallows the rest. The buffer is not embedded: its ReadFrom would go round the
// limit.
type limitedBuffer struct{ kept bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := 4096 - b.kept.Len(); room > 0 {
		b.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// parseVersion reads the line of --version. What it names itself wins over the family of the command line.
func parseVersion(f Family, line string) (family, series, full string) {
	m := versionPattern.FindStringSubmatch(line)
	if m == nil {
		return "", "", ""
	}
	switch {
	case strings.Contains(line, "MariaDB"):
		f = MariaDB
	case strings.Contains(line, "Percona XtraDB Cluster"):
		f = PXC
	case f == MariaDB && strings.HasPrefix(m[1], "8."):
		f = Codership80
	case f == MariaDB && strings.HasPrefix(m[1], "5."):
		f = Codership57
	}
	return f.String(), seriesOf(m[1]), m[1]
}

// seriesOf returns "10.11" of "10.11.19-...", "" of anything else.
func seriesOf(full string) string {
	major, minor, _, ok := splitVersion(full)
	if !ok {
		return ""
	}
	return strconv.Itoa(major) + "." + strconv.Itoa(minor)
}

// splitVersion reads three numbers; what follows the third is ignored.
func splitVersion(full string) (major, minor, patch int, ok bool) {
	parts := strings.SplitN(full, ".", 3)
	if len(parts) != 3 {
		return 0, 0, 0, false
	}
	if i := strings.IndexFunc(parts[2], func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		parts[2] = parts[2][:i]
	}
	var n [3]int
	for i, part := range parts {
		v, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return 0, 0, 0, false
		}
		n[i] = int(v)
	}
	return n[0], n[1], n[2], true
}

// Features are the habits of a server version that change what an SST program does (sst-contract 12).
type Features struct {
	FileFirst bool // tables_flushed appears before InnoDB is frozen (freeze flavour)
	NeedsRedo bool // the snapshot needs crash recovery: every redo file must be copied
}

// FeaturesOf returns the habits of a server of family f at version full. An unknown version, "" included, gets the
// more careful answer to each question.
func FeaturesOf(f Family, full string) Features {
	switch f {
	case PXC, Codership57:
		return Features{FileFirst: true, NeedsRedo: true}
	case Codership80:
		return Features{NeedsRedo: true}
	}
	major, minor, patch, ok := splitVersion(full)
	freeze := !ok || freezes(major, minor, patch)
	return Features{FileFirst: freeze, NeedsRedo: freeze}
}

// freezes reports whether a MariaDB version freezes file writes with dirty pages in memory, and reports before it does.
// The change came with MDEV-25975 in April 2022 (sst-contract 7.3).
func freezes(major, minor, patch int) bool {
	if major != 10 {
		return major < 10
	}
	first := map[int]int{3: 35, 4: 25, 5: 16, 6: 8, 7: 4}
	if fixed, ok := first[minor]; ok {
		return patch < fixed
	}
	return minor < 3
}

package check

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/galera"
	"trireme/cmd/internal/settings"
	"trireme/proto"
	"trireme/wire"
	"trireme/wire/identity"
)

// program asks whether a server would find us under the name of the method.
func (x *examination) program() {
	if at := x.option("wsrep-sst-method"); at.IsSet() && at.Value != x.method {
		x.add(levelWarn, "method", 0, fmt.Sprintf("%s, but the check is about method %s", named(at), x.method), "set wsrep_sst_method="+x.method+" on every node, also in the running servers: SET GLOBAL wsrep_sst_method='"+x.method+"'")
	} else if !at.IsSet() {
		x.add(levelWarn, "method", 0, "wsrep_sst_method is not set, so this node asks for the server's default method", "set wsrep_sst_method="+x.method+" in the group [mysqld]")
	}
	name := "wsrep_sst_" + x.method
	path, err := exec.LookPath(name)
	if err != nil {
		x.add(levelWarn, "method", 0, name+" is not on the PATH of this shell", "install it where the server looks: on the PATH of its service, usually /usr/bin (make install)")
		return
	}
	head := make([]byte, 2)
	if f, err := os.Open(path); err == nil {
		_, _ = f.Read(head) // an empty file is no script
		_ = f.Close()       // opened for reading
	}
	if string(head) == "#!" {
		x.add(levelBad, "method", 0, path+" is a script and not this program: a transfer would run that", "put this program in its place on every node, or use the method trireme")
		return
	}
	x.add(levelOK, "method", 0, x.method+": the server would run "+path, "")
}

// allowed explains Percona's list: the server refuses other methods without starting them.
func (x *examination) allowed() {
	at := x.option("wsrep-sst-allowed-methods")
	list := strings.Split(strings.ReplaceAll(at.Value, " ", ""), ",")
	do := "set wsrep_sst_allowed_methods=xtrabackup-v2," + x.method + " in the group [mysqld] of every node and restart it: the option cannot be changed at runtime"
	switch {
	case at.IsSet() && !slices.Contains(list, x.method):
		x.add(levelBad, "method", 0, named(at)+": a server with this list refuses the method "+x.method+" without calling this program", do)
	case !at.IsSet() && x.in.PXC:
		x.add(levelBad, "method", 0, "wsrep_sst_allowed_methods is not set: Percona XtraDB Cluster then allows xtrabackup-v2 alone and refuses the method "+x.method+" without calling this program", do)
	}
}

// account finds the server's user.
func (x *examination) account(set *settings.Settings) {
	opt := x.option("user")
	a, err := serverAccount(x.question.user, opt.Value, opt.Origin, set.Datadir)
	if err != nil {
		x.add(levelWarn, "server user", 0, err.Error(), "name the server's user with --user, so that rights can be judged")
		return
	}
	x.user, x.ServerUser = &a, a.name+" ("+a.from+")"
	if euid := os.Geteuid(); euid != 0 && uint32(euid) != a.uid {
		x.add(levelInfo, "server user", 0, fmt.Sprintf("you are not %s: what you may not read is reported as a problem of the server", a.name), "")
	}
}

// outside looks for tablespaces that a donor would have to leave out.
func (x *examination) outside(set *settings.Settings) {
	lay, err := ends.Layout(set)
	if err != nil {
		return // reported with the directories
	}
	if err := ends.Outside(set, lay); err != nil {
		text, do := splitHint(err.Error())
		x.add(levelBad, "directories", settings.Donor, text, do)
	}
}

// directories asks whether the server's user may write what a joiner has to write.
func (x *examination) directories(set *settings.Settings) {
	lay, err := ends.Layout(set)
	if err != nil {
		x.add(levelBad, "directories", 0, err.Error(), "")
		return
	}
	if x.user == nil {
		return
	}
	seen := map[string]bool{"": true}
	fine := true
	for _, d := range []struct{ option, dir string }{
		{"datadir", lay.Data}, {"innodb_data_home_dir", lay.InnoDBHome}, {"innodb_log_group_home_dir", lay.Redo},
		{"innodb_undo_directory", lay.Undo}, {"aria_log_dir_path", lay.Aria}, {"log_bin", lay.Binlog}, {"tmpdir", set.TmpDir},
	} {
		if seen[d.dir] {
			continue
		}
		seen[d.dir] = true
		if err := x.user.mayMake(d.dir); err != nil {
			fine = false
			x.add(levelBad, "directories", 0, fmt.Sprintf("%s %s: %v", d.option, d.dir, err), fmt.Sprintf("chown %s: %s", x.user.name, d.dir))
		}
	}
	if fine {
		x.add(levelOK, "directories", 0, fmt.Sprintf("user %s may write all %d of them", x.user.name, len(seen)-1), "")
	}
}

// joinAddress finds the address that this node would give away, and opens its port for a moment with the transfer's own code.
func (x *examination) joinAddress(ctx context.Context, set *settings.Settings, ch wire.Config) (host string) {
	text, from := x.question.address, "--address"
	if text == "" {
		for _, name := range []string{"wsrep-sst-receive-address", "wsrep-node-address"} {
			if at := x.option(name); at.IsSet() && !strings.EqualFold(at.Value, "AUTO") {
				text, from = at.Value, named(at)
				if name == "wsrep-node-address" {
					// Its port, where it has one, is that of the group.
					if a, err := galera.SplitAddress(text); err == nil {
						text = a.Host
						if strings.Contains(text, ":") {
							text = "[" + text + "]"
						}
					}
				}
				break
			}
		}
	}
	if text == "" {
		x.add(levelWarn, "address", settings.Joiner, "neither wsrep_sst_receive_address nor wsrep_node_address is set: the server guesses an address, which may be one that no donor reaches or no certificate has", "set wsrep_node_address in the group [mysqld], or ask again with --address")
		return ""
	}
	a, err := galera.SplitAddress(text)
	if err != nil {
		x.add(levelBad, "address", settings.Joiner, fmt.Sprintf("%s: %v", from, err), "write HOST or HOST:PORT")
		return ""
	}
	x.Address = a.HostPort()
	where := ends.ListenAddress(ctx, set, a)
	if bound, _, _ := net.SplitHostPort(where); bound == "" {
		x.add(levelWarn, "address", settings.Joiner, fmt.Sprintf("%s is not an address of this host (%s): the joiner listens on all of them, and something must lead from there to here", a.Host, from), "")
	}
	probe := wire.Config{MinVersion: proto.Version, MaxVersion: proto.Version, Plain: true, Nonce: wire.NewNonce(), Socket: ch.Socket}
	if ch.Transport == wire.QUIC || ch.Transport == wire.Auto && !ch.Plain {
		// Only who encrypts opens UDP. The port has nothing to do with the certificate.
		m, err := identity.Ephemeral(time.Now())
		if err != nil {
			x.add(levelWarn, "port", settings.Joiner, err.Error(), "")
			return a.Host
		}
		probe.Plain, probe.Material, probe.Transport = false, m, ch.Transport
		probe.Note = func(format string, args ...any) {
			text, do := splitHint(fmt.Sprintf(format, args...))
			x.add(levelWarn, "port", settings.Joiner, text, do)
		}
	}
	ln, err := wire.Listen(ctx, where, probe)
	if err != nil {
		text, do := splitHint(err.Error())
		do, _, _ = strings.Cut(do, ": listen ") // the system's words, which are in the text already
		x.add(levelBad, "port", settings.Joiner, text, do)
		return a.Host
	}
	free := " is free"
	if ln.Ticket(a.Host).Transport != 0 {
		free = " is free, TCP and UDP"
	}
	if err := ln.Close(); err != nil {
		x.add(levelWarn, "port", settings.Joiner, fmt.Sprintf("close the port again: %v", err), "")
	}
	x.add(levelOK, "port", settings.Joiner, fmt.Sprintf("%s%s (%s)", where, free, from), "")
	return a.Host
}

// space compares what is free with the donor's size, by the rule of the transfer.
func (x *examination) space(set *settings.Settings) {
	var st unix.Statfs_t
	if err := unix.Statfs(set.Datadir, &st); err != nil {
		x.add(levelWarn, "room", settings.Joiner, fmt.Sprintf("read the free space of %s: %v", set.Datadir, err), "")
		return
	}
	free := int64(st.Bavail) * int64(st.Bsize)
	if x.donorSize == 0 {
		x.add(levelInfo, "room", settings.Joiner, fmt.Sprintf("%s are free for %s; a transfer also reuses what its old copy takes", size(free), set.Datadir), "ask again with --donor-size to compare")
		return
	}
	lay, err := ends.Layout(set)
	if err != nil {
		return // reported with the directories
	}
	if err := ends.Room(lay, x.donorSize); err != nil {
		text, _ := splitHint(err.Error())
		x.add(levelBad, "room", settings.Joiner, text, "make room on that file system")
		return
	}
	x.add(levelOK, "room", settings.Joiner, fmt.Sprintf("%s has room for %s", set.Datadir, size(x.donorSize)), "")
}

func size(n int64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// groupChannel looks at the cluster's own traffic, which carries the secret of every state request.
func (x *examination) groupChannel(set *settings.Settings) {
	if set.GroupTLS {
		x.add(levelOK, "group channel", 0, "the cluster's own traffic is encrypted", "")
		return
	}
	const do = "set socket.ssl_ca, socket.ssl_cert and socket.ssl_key in wsrep_provider_options on all nodes"
	switch set.TLS.Mode {
	case settings.Pinned, settings.Required, settings.Plain:
		x.add(levelWarn, "group channel", 0, "the cluster's own traffic is not encrypted (socket.ssl_cert and socket.ssl_key in wsrep_provider_options), and nothing but the secret in it keeps others away from a transfer: whoever reads it may take the donor's place or the joiner's", do+", or set tca and tcert in [sst]")
	default:
		x.add(levelInfo, "group channel", 0, "the cluster's own traffic is not encrypted (wsrep_provider_options); transfers are, and do not lean on it", do)
	}
}

// accessControl hints at what the kernel may refuse although owner and mode allow it.
func (x *examination) accessControl() {
	read := func(path string) string {
		data, err := os.ReadFile(filepath.Join(x.root, path))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(data))
	}
	if read("/sys/fs/selinux/enforce") == "1" {
		x.add(levelWarn, "access control", 0, "SELinux is enforcing: a server confined as mysqld_t needs the right to run this program, to listen on the port, and to read the certificates",
			"restorecon the program and the files, semanage port -a -t mysqld_port_t -p tcp 4444 (or the port in use; 4444 belongs to kerberos_port_t by default: -m instead of -a), and look for denials with ausearch -m avc -ts recent")
	}
	for line := range strings.Lines(read("/sys/kernel/security/apparmor/profiles")) {
		name, mode, _ := strings.Cut(strings.TrimSpace(line), " (")
		if mode == "enforce)" && (strings.Contains(name, "mysqld") || strings.Contains(name, "mariadbd")) {
			x.add(levelWarn, "access control", 0, "AppArmor enforces the profile "+name+" on the server and on what it starts", "allow the program, the certificates and the directories in /etc/apparmor.d/local, and look for denials with journalctl -k -g apparmor")
		}
	}
}

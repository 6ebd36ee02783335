package settings

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The verdicts of the reference tables in README.md, the first words of their last column.
const (
	honoured = "honoured"
	noEffect = "no effect"
	refused  = "refused"
	byServer = "by the server"
)

// sample is one use of one option, for the row of that name in the reference.
type sample struct {
	option string // exactly as in the README
	line   string // "GROUP OPTION[=VALUE]", the line under test; MORE below it follows
	more   string // what the case needs beside
	want   string // a verdict
	in     Input
}

const (
	set3 = "tca=/ca\ntcert=/c\n"
	pool = "[mysqld]\nthread-handling=pool-of-threads\nextra-port=3307\n"
	ssl3 = "[mysqld]\nssl-ca=/ca\nssl-cert=/c\nssl-key=/k\n"
	off  = "[mysqld]\npxc-encrypt-cluster-traffic=off\n"
)

var pxcIn, donorIn = Input{PXC: true}, Input{Role: Donor}

// samples has at least one entry for every option of the reference and for every verdict its row has.
var samples = []sample{
	{"tca", "sst tca=/ca", "tcert=/c\n", honoured, Input{}},
	{"tcapath", "sst tcapath=/", "tcert=/c\n", honoured, Input{}},
	{"tcert", "sst tcert=/c", "tca=/ca\n", honoured, Input{}},
	{"tkey", "sst tkey=/k", set3, honoured, Input{}},
	{"ssl-ca", "mysqld ssl_ca=/ca", "ssl-cert=/c\nssl-key=/k\n", honoured, Input{}},
	{"ssl-capath", "mysqld ssl-capath=/", "ssl-cert=/c\nssl-key=/k\n", honoured, Input{}},
	{"ssl-cert", "mariabackup ssl-cert=/c", "ssl-ca=/ca\nssl-key=/k\n", honoured, Input{}},
	{"ssl-key", "sst loose_ssl_key=/k", "ssl-ca=/ca\nssl-cert=/c\n", honoured, Input{}},
	{"ssl-server-ca", "sst ssl-server-ca=/x", ssl3, honoured, Input{}},
	{"ssl-server-capath", "sst ssl-server-capath=/", ssl3, honoured, Input{}},
	{"ssl-server-cert", "sst ssl-server-cert=/x", ssl3, honoured, Input{}},
	{"ssl-server-key", "sst ssl-server-key=/x", ssl3, honoured, Input{}},
	{"ssl-client-ca", "sst ssl-client-ca=/x", ssl3, honoured, donorIn},
	{"ssl-client-capath", "sst ssl-client-capath=/", ssl3, honoured, donorIn},
	{"ssl-client-cert", "sst ssl-client-cert=/x", ssl3, honoured, donorIn},
	{"ssl-client-key", "sst ssl-client-key=/x", ssl3, honoured, donorIn},
	{"ssl-mode", "sst ssl-mode=verify_identity", ssl3, honoured, Input{}},
	{"ssl-mode", "mysqld ssl-mode=DISABLED", "", honoured, Input{}},
	{"ssl-mode", "sst ssl-mode=PREFERRED", ssl3, refused, Input{}},
	{"encrypt", "sst encrypt=0", "", honoured, Input{}},
	{"encrypt", "mariabackup encrypt=2", "[sst]\n" + set3, honoured, Input{}},
	{"encrypt", "xtrabackup encrypt=3", "[sst]\n" + set3, honoured, Input{}},
	{"encrypt", "sst encrypt=4", set3, honoured, Input{}},
	{"encrypt", "sst encrypt=4", ssl3 + off, honoured, pxcIn},
	{"encrypt", "sst encrypt=1", set3, refused, Input{}},
	{"encrypt", "sst encrypt=2", set3 + off, refused, pxcIn},
	{"encrypt", "sst encrypt=3", set3 + off, refused, pxcIn},
	{"encrypt", "sst encrypt=on", set3, refused, Input{}},
	{"encrypt", "xtrabackup encrypt=AES256", off, refused, pxcIn},
	{"encrypt-algo", "sst encrypt-algo=AES256", "", noEffect, Input{}},
	{"encrypt-format", "sst encrypt-format=xbcrypt", "", noEffect, Input{}},
	{"encrypt-key", "mariabackup encrypt-key=x", "", noEffect, Input{}},
	{"encrypt-key-file", "sst encrypt-key-file=/x", "", noEffect, Input{}},
	{"encrypt-threads", "sst encrypt-threads=4", "", noEffect, Input{}},
	{"encrypt-chunk-size", "sst encrypt-chunk-size=64K", "", noEffect, Input{}},
	{"ssl-dhparams", "sst ssl-dhparams=/dh.pem", "", noEffect, Input{}},
	{"pxc-encrypt-cluster-traffic", "mysqld pxc_encrypt_cluster_traffic=ON", ssl3, honoured, pxcIn},
	{"pxc-encrypt-cluster-traffic", "mysqld loose-pxc_encrypt_cluster_traffic=ON", ssl3, honoured, Input{}},
	{"pxc-encrypt-cluster-traffic", "mysqld pxc_encrypt_cluster_traffic", "", refused, pxcIn},
	{"pxc-encrypt-cluster-traffic", "mysqld loose-pxc_encrypt_cluster_traffic=ON", "", refused, Input{}},
	{"sockopt", "sst sockopt=retry=3", "", honoured, Input{}},
	{"sockopt", "sst sockopt=unheard-of", "", refused, Input{}},
	{"wsrep_sst_auth", "mysqld wsrep_sst_auth=u:p", "", honoured, Input{}},
	{"wsrep_sst_auth", "sst wsrep_sst_auth=/none", "", refused, Input{Method: MethodSecureRsync}},
	{"wsrep_sst_allowed_methods", "", "", byServer, Input{}},
	{"bind_address", "", "", byServer, Input{}},
	{"wsrep_node_address", "", "", byServer, Input{}},
	{"wsrep_sst_receive_address", "", "", byServer, Input{}},
	{"keyring-file-data", "mysqld keyring_file_data=/k", ssl3, honoured, pxcIn},
	{"keyring-file-data", "sst ssl-mode=DISABLED", off + "keyring_file_data=/k\n", refused, pxcIn},
	{"keyring-vault-config", "mysqld keyring_vault_config=/k", ssl3, honoured, pxcIn},
	{"keyring-vault-config", "mysqld keyring_vault_config=/k", ssl3 + "keyring_file_data=/k\n", refused, pxcIn},
	{"file-key-management-filename", "mysqld file_key_management_filename=/k", "", honoured, Input{}},
	{"sst-max-binlogs", "sst sst-max-binlogs=3", "", honoured, Input{}},
	{"sst-max-binlogs", "sst sst-max-binlogs=all", "", refused, Input{}},
	{"backup-threads", "xtrabackup backup-threads=3", "", honoured, Input{}},
	{"tmpdir", "sst tmpdir=/t", "", honoured, Input{}},
	{"wsrep_sst_tmp_dir", "mysqld wsrep_sst_tmp_dir=/t", "", honoured, Input{}},
	{"datadir", "mysqld datadir=/x", "", honoured, Input{Datadir: "-"}},
	{"innodb-data-home-dir", "mariadb innodb_data_home_dir=/x", "", honoured, Input{}},
	{"innodb-log-group-home-dir", "mysqld innodb_log_group_home_dir=/x", "", honoured, Input{}},
	{"innodb-undo-directory", "galera innodb_undo_directory=/x", "", honoured, Input{}},
	{"innodb-directories", "mysqld innodb_directories=/x;/y", "", honoured, Input{}},
	{"aria-log-dir-path", "server aria_log_dir_path=/x", "", honoured, Input{}},
	{"wsrep-data-home-dir", "mysqld wsrep_data_home_dir=/x", "", honoured, Input{}},
	{"innodb-data-file-path", "mysqld innodb_data_file_path=a:10M", "", honoured, Input{}},
	{"innodb-page-size", "mysqld innodb_page_size=8k", "", honoured, Input{}},
	{"lower-case-table-names", "mysqld lower_case_table_names=1", "", honoured, Input{}},
	{"log-bin", "mysqld log_bin=x", "", honoured, Input{}},
	{"log-bin-index", "mysqld log_bin_index=x", "log-bin\n", honoured, Input{}},
	{"log-basename", "mysqld log_basename=x", "", honoured, Input{}},
	{"relay-log", "mysqld relay_log=x", "", honoured, Input{}},
	{"log-error", "mysqld log_error=logs/x", "", honoured, Input{}},
	{"general-log-file", "mysqld general_log_file=logs/x", "", honoured, Input{}},
	{"slow-query-log-file", "mysqld slow_query_log_file=logs/x", "", honoured, Input{}},
	{"log-output", "mysqld log_output=TABLE", "", honoured, Input{}},
	{"innodb-buffer-pool-size", "mysqld innodb_buffer_pool_size=8G", "", honoured, Input{}},
	{"myisam-use-mmap", "mysqld myisam_use_mmap", "", honoured, Input{}},
	{"wsrep-provider-options", "mysqld wsrep_provider_options=gcache.dir=/g", "", honoured, Input{}},
	{"wsrep-debug", "mysqld wsrep_debug=1", "", honoured, Input{}},
	{"streamfmt", "sst streamfmt=tar", "", noEffect, Input{}},
	{"ncsockopt", "sst ncsockopt=-4", "", noEffect, Input{}},
	{"rebuild", "sst rebuild=1", "", noEffect, Input{}},
	{"use-extra", "sst use-extra=1", pool, honoured, donorIn},
	{"use-extra", "sst use-extra=1", "", noEffect, Input{}},
	{"thread-handling", "mysqld thread-handling=pool-of-threads", "extra-port=3307\n[sst]\nuse-extra=1\n", honoured, donorIn},
	{"extra-port", "mysqld extra-port=3307", "thread-handling=pool-of-threads\n[sst]\nuse-extra=1\n", honoured, donorIn},
	{"xbstream-opts", "sst xbstream-opts=-p4", "", noEffect, Input{}},
	{"sst-log-archive", "sst sst-log-archive=1", "", noEffect, Input{}},
	{"sst-log-archive-dir", "sst sst-log-archive-dir=/a", "", noEffect, Input{}},
	{"sst-special-dirs", "sst sst-special-dirs=0", "", noEffect, Input{}},
	{"netcat-port", "sst netcat_port=1", "", noEffect, Input{}},
	{"joiner-timeout-xst", "sst joiner-timeout-xst=1", "", noEffect, Input{}},
	{"joiner-timeout-clone-instance", "sst joiner-timeout-clone-instance=1", "", noEffect, Input{}},
	{"donor-timeout-wait-joiner", "sst donor-timeout-wait-joiner=1", "", noEffect, Input{}},
	{"inno-backup-opts", "sst inno-backup-opts=x", "", noEffect, Input{}},
	{"inno-apply-opts", "xtrabackup inno-apply-opts=x", "", noEffect, Input{}},
	{"inno-move-opts", "mariabackup inno-move-opts=x", "", noEffect, Input{}},
	{"use-memory", "sst use-memory=1G", "", noEffect, Input{}},
	{"transferfmt", "sst transferfmt=nc", "", noEffect, Input{}},
	{"transferfmt", "sst transferfmt=nc", set3, refused, Input{}},
	{"progress", "sst progress=/tmp/fifo", "", honoured, Input{}},
	{"progress", "sst progress=none", "", honoured, Input{}},
	{"progress", "sst progress=1", "", honoured, Input{}},
	{"time", "sst time=1", "", honoured, Input{}},
	{"cpat", `sst cpat=.*\.pem$`, "", honoured, Input{}},
	{"cpat", `sst cpat=\(`, "", refused, Input{}},
	{"compressor", "sst compressor=pigz", "", honoured, Input{}},
	{"decompressor", "sst decompressor=pigz -d", "", honoured, Input{}},
	{"compress", "mariabackup compress=quicklz", "", honoured, Input{}},
	{"compress", "trireme compress=s2", "", honoured, Input{}},
	{"progress", "trireme progress=none", "", honoured, Input{}},
	{"status-file", "trireme status-file=/s", "", honoured, Input{}},
	{"metrics-file", "trireme metrics-file=/m", "", honoured, Input{}},
	{"compress-chunk-size", "mariabackup compress-chunk-size=64K", "", noEffect, Input{}},
	{"compress-threads", "mariabackup compress-threads=4", "", noEffect, Input{}},
	{"rlimit", "sst rlimit=10m", "progress=none\n", honoured, Input{}},
	{"sst-initial-timeout", "sst sst-initial-timeout=10", "", honoured, Input{}},
	{"joiner-timeout", "sst joiner-timeout=10", off, honoured, pxcIn},
	{"donor-timeout", "sst donor-timeout=10", "", honoured, donorIn},
	{"sst-idle-timeout", "sst sst-idle-timeout=10", "", honoured, Input{}},
	{"sst-idle-timeout", "sst sst-idle-timeout=10s please", "", refused, Input{}},
	{"sst-syslog", "sst sst-syslog=1", "", honoured, Input{}},
	{"sst-syslog", "sst sst-syslog=-1", "[mysqld_safe]\nsyslog\n", honoured, Input{}},
	{"syslog", "mysqld_safe syslog", "", honoured, Input{}},
	{"syslog-tag", "mysqld_safe syslog-tag=db", "", honoured, Input{}},
	{"auto-upgrade", "sst auto-upgrade=on", off, noEffect, pxcIn},
	{"force-upgrade", "sst force-upgrade=on", off, refused, pxcIn},
	{"transport", "trireme transport=tls", "", honoured, Input{}},
	{"streams", "trireme streams=3", "", honoured, Input{}},
	{"delta", "trireme delta=off", "", honoured, Input{}},
	{"verify", "trireme verify=full", "", honoured, Input{}},
	{"paranoid", "trireme paranoid", "", honoured, Input{}},
	{"manifest", "trireme manifest=off", "", honoured, Input{}},
	{"lock-target", "trireme lock-target=3s", "", honoured, Input{}},
	{"lock-max", "trireme lock-max=3s", "", honoured, Input{}},
	{"passes", "trireme passes=3", "", honoured, Input{}},
	{"passes-time", "trireme passes-time=1h", "", honoured, Input{}},
	{"reconnect", "trireme reconnect=5s", "", honoured, Input{}},
	{"basedir", "mysqld basedir=/usr", "", honoured, Input{}},
	{"plugin-dir", "mysqld plugin_dir=/p", "", honoured, Input{}},
	{"rate-limit", "trireme rate-limit=3m", "", honoured, Input{}},
	{"log-format", "trireme log-format=json", "", honoured, Input{}},
}

// socatSamples are the same for the table of sockopt.
var socatSamples = map[string][]string{ // option: value and verdict by turns
	"verify": {"1", honoured, "0", honoured}, "commonname": {"x", honoured, "", honoured}, "cn": {"x", honoured},
	"cafile": {"/ca", honoured}, "capath": {"/", honoured}, "certificate": {"/c", honoured}, "cert": {"/c", honoured}, "key": {"/k", honoured},
	"cipher": {"HIGH", noEffect, "NULL", refused}, "ciphers": {"HIGH", noEffect}, "cipherlist": {"HIGH", noEffect}, "min-version": {"TLS1.2", honoured}, "max-version": {"TLS1.3", honoured, "TLS1.2", refused}, "method": {"TLS1.2", honoured, "TLS1", refused}, "min-proto-version": {"TLS1.2", honoured},
	"max-proto-version": {"TLS1.3", honoured, "TLS1.2", refused}, "dhparam": {"/x", noEffect}, "dhparams": {"/x", noEffect}, "dh": {"/x", noEffect}, "compress": {"auto", noEffect}, "pseudo": {"1", noEffect}, "egd": {"/x", noEffect},
	"fips": {"1", refused}, "snihost": {"x", honoured}, "no-sni": {"1", honoured}, "nosni": {"1", honoured}, "pf": {"ip4", honoured}, "protocol-family": {"ip6", honoured}, "sp": {"1024", honoured}, "if": {"lo", honoured}, "bindtodevice": {"lo", honoured}, "bind": {"127.0.0.1", honoured, "127.0.0.1:1", refused},
	"sourceport": {"1024", honoured}, "so-bindtodevice": {"lo", honoured}, "interface": {"lo", honoured}, "range": {"10.0.0.0/8", honoured, "x", refused}, "tos": {"8", honoured},
	"keepalive": {"1", honoured}, "keepidle": {"9", honoured}, "keepintvl": {"9", honoured}, "keepcnt": {"9", honoured}, "nodelay": {"1", honoured}, "sndbuf": {"65536", honoured},
	"rcvbuf": {"65536", honoured}, "mss": {"1400", honoured}, "maxseg": {"1400", honoured}, "user-timeout": {"900", honoured}, "congestion": {"cubic", honoured},
	"connect-timeout": {"5", honoured}, "retry": {"5", honoured}, "interval": {"5", honoured}, "intervall": {"5", honoured}, "forever": {"1", honoured}, "reuseaddr": {"1", honoured}, "fork": {"1", honoured},
	"lowport": {"1", noEffect}, "cork": {"1", noEffect}, "syncnt": {"1", noEffect}, "quickack": {"1", noEffect}, "reuseport": {"1", noEffect}, "backlog": {"5", noEffect},
	"max-children": {"5", noEffect}, "linger": {"10", noEffect}, "dscp": {"1", noEffect}, "ttl": {"9", noEffect}, "ignoreeof": {"1", noEffect}, "shut-none": {"1", noEffect},
	"lockfile": {"/x", noEffect}, "defer-accept": {"1", noEffect}, "priority": {"1", noEffect}, "ipv6only": {"1", noEffect}, "ipv6-v6only": {"1", noEffect},
	"shut-down": {"1", noEffect}, "shut-close": {"1", noEffect}, "shut-null": {"1", noEffect}, "end-close": {"1", noEffect}, "null-eof": {"1", noEffect}, "cloexec": {"1", noEffect}, "nonblock": {"1", noEffect},
	"waitlock": {"/x", noEffect}, "history-file": {"/x", noEffect}, "history": {"/x", noEffect}, "tcpwrap": {"x", refused}, "allow-table": {"/x", refused}, "deny-table": {"/x", refused},
	"chroot": {"/", refused}, "su": {"x", refused}, "setuid": {"1", refused}, "user": {"x", refused}, "group": {"x", refused}, "mode": {"600", refused}, "umask": {"0", refused},
	"crnl": {"1", refused}, "readbytes": {"9", refused}, "escape": {"1", refused}, "pty": {"1", refused}, "proxyport": {"1", refused}, "socksport": {"1", refused}, "socksuser": {"x", refused},
	"anything else": {"", refused},
}

// TestReference uses every option and holds what comes of it against the README.
func TestReference(t *testing.T) {
	for _, c := range samples {
		if c.want == byServer {
			continue
		}
		t.Run(c.option+" "+c.line, func(t *testing.T) {
			group, line, _ := strings.Cut(c.line, " ")
			if got, said := verdict(t, "["+group+"]\n"+line+"\n"+c.more, c.in, ""); got != c.want {
				t.Errorf("got %q, want %q\n%s", got, c.want, said)
			}
		})
	}
	for option, uses := range socatSamples {
		for i := 0; i < len(uses); i += 2 {
			t.Run("sockopt "+option+"="+uses[i], func(t *testing.T) {
				name := strings.ReplaceAll(option, " ", "-")
				files := "tca=/ca\ntcert=/c\n"
				if slices.Contains([]string{"cafile", "capath", "certificate", "cert", "key"}, option) {
					files = "[mysqld]\n" // none of ours, which would come first
					uses[i] += ",cert=/c"
				}
				got, said := verdict(t, "[sst]\nsockopt='"+name+"="+uses[i]+"'\n"+files, Input{}, "sockopt "+name)
				if got != uses[i+1] {
					t.Errorf("got %q, want %q\n%s", got, uses[i+1], said)
				}
			})
		}
	}
}

// verdict is what the resolver makes of line 2 of an option file. Honoured means that a row of the table has that line for its
// origin; every other verdict must name the line.
func verdict(t *testing.T, cnf string, in Input, option string) (verdict, said string) {
	t.Helper()
	in.Files = readFiles(t, cnf, "")
	switch in.Datadir {
	case "":
		in.Datadir = t.TempDir()
	case "-":
		in.Datadir = ""
	}
	place := in.Files.Files()[0] + ":2 ["
	s, warnings, err := Resolve(in)
	said = strings.Join(warnings, "\n")
	if err != nil {
		said = err.Error()
		if strings.Contains(said, place) || strings.Contains(said, "configured twice") {
			return refused, said
		}
		return "refused without naming the line", said
	}
	for _, w := range warnings {
		if strings.Contains(w, place) && strings.Contains(w, "no effect") && strings.HasPrefix(w, option) {
			return noEffect, said
		}
	}
	for _, row := range s.Table() {
		if strings.Contains(row.Origin, place) {
			return honoured, said
		}
	}
	// What only helps to build a name has no row of its own.
	if strings.Contains(cnf, "log_basename") && strings.HasSuffix(s.RelayLogBase, "/x-relay-bin") {
		return honoured, said
	}
	return "nothing", said
}

var (
	cell = regexp.MustCompile("`([^`]+)`")
	word = regexp.MustCompile(`honoured|no effect|refused|by the server`)
)

// TestReadmeHasEveryOption matches the samples and the tables of the README by name, both ways, and by verdict.
func TestReadmeHasEveryOption(t *testing.T) {
	data, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(data), "### Options, one by one")
	options, socat, ok2 := strings.Cut(rest, "### `sockopt`, one by one")
	if !ok || !ok2 {
		t.Fatal("README.md has no reference")
	}
	if i := strings.Index(socat, "\n#"); i >= 0 {
		socat = socat[:i]
	}
	have, haveSocat := map[string][]string{}, map[string][]string{}
	for _, s := range samples {
		have[s.option] = append(have[s.option], s.want)
	}
	for option, uses := range socatSamples {
		for i := 1; i < len(uses); i += 2 {
			haveSocat[option] = append(haveSocat[option], uses[i])
		}
	}
	compareTable(t, options, have)
	compareTable(t, socat, haveSocat)
}

func compareTable(t *testing.T, table string, have map[string][]string) {
	t.Helper()
	found := map[string]bool{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 4 || strings.HasPrefix(cells[1], " ---") || cells[1] == " option " {
			continue
		}
		verdicts := word.FindAllString(cells[len(cells)-2], -1)
		names := cell.FindAllStringSubmatch(cells[1], -1)
		if names == nil {
			names = [][]string{{"", strings.TrimSpace(cells[1])}}
		}
		tested := map[string]bool{}
		for _, n := range names {
			found[n[1]] = true
			if len(have[n[1]]) == 0 {
				t.Errorf("README: %s has no test", n[1])
			}
			for _, v := range have[n[1]] {
				tested[v] = true
				if !slices.Contains(verdicts, v) {
					t.Errorf("README: %s is %q in a test, its row says %q", n[1], v, cells[len(cells)-2])
				}
			}
		}
		if len(verdicts) == 0 || !tested[verdicts[0]] {
			t.Errorf("README: the row of %s begins with no verdict that a test shows: %q", names[0][1], cells[len(cells)-2])
		}
	}
	for option := range have {
		if !found[option] {
			t.Errorf("README: %s has no row", option)
		}
	}
}

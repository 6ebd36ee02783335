package settings

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestRsyncFamily has a case for every row of sst-options 3.1.
func TestRsyncFamily(t *testing.T) {
	binlogs := func(s *Settings) any { return s.MaxBinlogs }
	names := func(s *Settings) any { return s.BinlogBase + " " + s.BinlogIndex }
	dirs := func(s *Settings) any {
		return strings.Join([]string{s.Datadir, s.InnoDBHome, s.RedoDir, s.UndoDir, s.AriaDir}, " ")
	}
	tmp := func(s *Settings) any { return s.TmpDir }
	streams := func(s *Settings) any { return s.Streams }
	runRows(t, []row{
		{name: "sst-max-binlogs unset", get: binlogs, want: "0", warn: "-"},
		{name: "sst-max-binlogs", cnf: "[sst]\nsst-max-binlogs=4\n", get: binlogs, want: "4"},
		{name: "sst-max-binlogs negative", cnf: "[mysqld]\nsst_max_binlogs=-7\n", get: binlogs, want: "-1"},
		{name: "sst-max-binlogs word", cnf: "[sst]\nsst-max-binlogs=4x\n", bad: "sst-max-binlogs"},
		{name: "backup-threads", cnf: "[sst]\nbackup-threads=4\n[trireme]\nstreams=8\n", get: streams, want: "4", warn: "lowered to 4"},
		{name: "backup-threads above streams", cnf: "[sst]\nbackup-threads=8\n[trireme]\nstreams=2\n", get: streams, want: "2", warn: "-"},
		{name: "backup-threads alone", cnf: "[sst]\nbackup-threads=8\n", get: streams, want: "8"},
		{name: "backup-threads zero", cnf: "[sst]\nbackup-threads=0\n", in: Input{CPUs: 6}, get: streams, want: "6"},
		{name: "backup-threads word", cnf: "[sst]\nbackup-threads=many\n", bad: `backup-threads`},
		{name: "tmpdir default", get: tmp, want: "/tmp"},
		{name: "tmpdir environment", env: map[string]string{"TMPDIR": "/e"}, get: tmp, want: "/e"},
		{name: "tmpdir list", cnf: "[mysqld]\ntmpdir=/a:/b\n[sst]\ntmpdir=/c\n", get: tmp, want: "/a"},
		{name: "tmpdir percona", cnf: "[mysqld]\ntmpdir=/a\npxc-encrypt-cluster-traffic=0\n[sst]\ntmpdir=/c\n", in: Input{PXC: true}, get: tmp, want: "/c"},
		{name: "wsrep_sst_tmp_dir", cnf: "[mysqld]\nwsrep_sst_tmp_dir=/w\ntmpdir=/a\n", get: tmp, want: "/w"},
		{name: "log-bin off", get: names, want: " "},
		{name: "log-bin argument", cnf: "[mysqld]\nlog-bin=x\n", in: Input{Binlog: "/b/n.ext", BinlogIndex: "i"}, get: names, want: "/b/n /d/i.index"},
		{name: "log-bin value", cnf: "[mysqld]\nlog_bin=x\nlog-bin-index=/i/y.idx\n", get: names, want: "/d/x /i/y.idx"},
		{name: "log-bin bare", cnf: "[mysqld]\nlog-bin\n", get: names, want: "/d/mysql-bin /d/mysql-bin.index"},
		{name: "log-bin bare with basename", cnf: "[mysqld]\nlog-bin\nlog-basename=h\n", get: names, want: "/d/h-bin /d/h-bin.index"},
		{name: "log-bin with basename", cnf: "[mysqld]\nlog-bin=q\n", in: Input{MysqldArgs: []string{"--log-basename", "h"}}, get: names, want: "/d/q /d/h-bin.index"},
		{name: "skip-log-bin", cnf: "[mysqld]\nlog-bin=x\nskip_log_bin\n", get: names, want: " "},
		{name: "command line turns it on", cnf: "[mysqld]\nskip-log-bin\n", in: Input{MysqldArgs: []string{"--log-bin"}}, get: names, want: "/d/mysql-bin /d/mysql-bin.index"},
		{name: "directories default", get: dirs, want: "/d /d /d /d /d"},
		{name: "directories from files", cnf: "[mysqld]\ninnodb_data_home_dir=ib/\ninnodb-log-group-home-dir=/r/\ninnodb_undo_directory=./u\naria-log-dir-path=/a\n", get: dirs, want: "/d /d/ib /r /d/u /a"},
		{name: "directories, order of sources", cnf: "[mysqld]\ninnodb_data_home_dir=/f\ninnodb-log-group-home-dir=/f\naria-log-dir-path=/f\n",
			in:  Input{MysqldArgs: []string{"--innodb-data-home-dir=/c", "--aria_log_dir_path", "/c"}, Arguments: map[string]string{"aria-log-dir-path": "/arg"}},
			env: map[string]string{"INNODB_DATA_HOME_DIR": "/e", "INNODB_LOG_GROUP_HOME": "/e", "INNODB_UNDO_DIR": "/e"}, get: dirs, want: "/d /c /e /e /arg"},
		{name: "datadir from -h", in: Input{Datadir: "-", MysqldArgs: []string{"-h", "/x/"}}, get: dirs, want: "/x /x /x /x /x"},
		{name: "datadir missing", in: Input{Datadir: "-"}, bad: "datadir"},
		{name: "datadir relative", in: Input{Datadir: "data"}, bad: "not absolute"},
		{name: "wan suffix", in: Input{WAN: true}, get: func(s *Settings) any { return s.Delta + " " + s.Compress }, want: "on zstd"},
		{name: "wan suffix, own settings win", in: Input{WAN: true}, cnf: "[trireme]\ndelta=off\ncompress=s2\n", get: func(s *Settings) any { return s.Delta + " " + s.Compress }, want: "off s2"},
	})
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	relay := func(s *Settings) any { return s.RelayLogBase }
	runRows(t, []row{
		{name: "relay-log default", get: relay, want: "/d/" + host + "-relay-bin"},
		{name: "relay-log", cnf: "[mysqld]\nrelay_log=/r/x.000\n", get: relay, want: "/r/x"},
		{name: "relay-log by basename", cnf: "[mysqld]\nlog-basename=h\n", get: relay, want: "/d/h-relay-bin"},
	})
}

// TestBackupFamily has a case for every row of sst-options 3.2.
func TestBackupFamily(t *testing.T) {
	progress := func(s *Settings) any { return fmt.Sprint(s.ProgressFile, " ", s.ProgressOff, " ", s.RateLimit) }
	compress := func(s *Settings) any { return fmt.Sprint(s.Compress, " ", s.CompressLevel) }
	limits := func(s *Settings) any { return fmt.Sprint(s.InitialTimeout, s.IdleTimeout, s.DonorTimeout) }
	syslog := func(s *Settings) any { return fmt.Sprint(s.Syslog, " ", s.SyslogTag) }
	pxc := "[mysqld]\npxc-encrypt-cluster-traffic=off\n"
	rows := []row{
		{name: "transferfmt", cnf: "[sst]\ntransferfmt=nc\n", warn: "transferfmt"},
		{name: "transferfmt nc with TLS", cnf: "[sst]\ntransferfmt=nc\ntcert=/c\n", bad: "netcat cannot encrypt"},
		{name: "progress 1", cnf: "[sst]\nprogress=1\n", get: progress, want: " false 0", warn: "-"},
		{name: "progress path", cnf: "[sst]\nprogress=/p/f\n", get: progress, want: "/p/f false 0"},
		{name: "progress none keeps rlimit", cnf: "[sst]\nprogress=none\nrlimit=1k\n", get: progress, want: " true 1024"},
		{name: "progress own wins", cnf: "[sst]\nprogress=none\n[trireme]\nprogress=p\n", get: progress, want: "/d/p false 0"},
		{name: "time", cnf: "[sst]\ntime=1\n", get: shown("time"), want: "on"},
		{name: "time bad", cnf: "[sst]\ntime=maybe\n", bad: "neither on nor off"},
		{name: "cpat", cnf: `[sst]` + "\n" + `cpat=.*\.pem$\|.*keep\.me$` + "\n", get: func(s *Settings) any {
			return fmt.Sprint(len(s.Keep), s.Keep[0].MatchString("/d/a.pem"), s.Keep[0].MatchString("/d/a.pem/b"))
		}, want: "1 true false"},
		{name: "cpat bad", cnf: "[sst]\ncpat=\\(open\n", bad: "cpat"},
		{name: "compressor gzip", cnf: "[sst]\ncompressor=\"gzip -9\"\n", get: compress, want: "zstd 7"},
		{name: "compressor pigz", cnf: "[sst]\ncompressor='/usr/bin/pigz -1'\n", get: compress, want: "zstd 1"},
		{name: "compressor zstd", cnf: "[sst]\ncompressor=zstd -T4 -12\n", get: compress, want: "zstd 12"},
		{name: "compressor lz4", cnf: "[sst]\ncompressor=lz4 -c\n", get: compress, want: "s2 0"},
		{name: "compressor cat", cnf: "[sst]\ncompressor=cat\n", get: compress, want: "off 0"},
		{name: "compressor unknown is not run", cnf: "[sst]\ncompressor=touch /tmp/x; gzip\n", get: compress, want: "auto 0", warn: `"touch" is not run`},
		{name: "decompressor", cnf: "[sst]\ndecompressor=zstd -dc\n", get: compress, want: "zstd 0"},
		{name: "compressor, own wins", cnf: "[sst]\ncompressor=gzip\n[trireme]\ncompress=off\n", get: compress, want: "off 0"},
		{name: "rlimit", cnf: "[sst]\nrlimit=3M\n", get: func(s *Settings) any { return s.RateLimit }, want: "3145728", warn: "-"},
		{name: "rlimit garbage", cnf: "[sst]\nrlimit=3MB\n", bad: "rlimit"},
		{name: "use-extra", cnf: "[sst]\nuse-extra=1\n", warn: "use-extra"},
		{name: "use-extra off", cnf: "[sst]\nuse-extra=0\n", warn: "-"},
		{name: "sst-special-dirs", cnf: "[sst]\nsst-special-dirs=0\n", warn: "sst-special-dirs"},
		{name: "sst-special-dirs on", cnf: "[sst]\nsst-special-dirs=1\n", warn: "-"},
		{name: "compress none", cnf: "[mariabackup]\ncompress=none\n", get: compress, want: "off 0", warn: "-"},
		{name: "compress quicklz", cnf: "[mariabackup]\ncompress=quicklz\n", get: compress, want: "zstd 0", warn: "-"},
		{name: "timeouts", get: limits, want: "5m0s 2m0s 10s"},
		{name: "timeouts percona", cnf: pxc, in: Input{PXC: true}, get: limits, want: "1m40s 2m0s 10s"},
		{name: "timeouts set", cnf: "[sst]\nsst-initial-timeout=0\nsst-idle-timeout=5\ndonor-timeout=1m30s\n", get: limits, want: "0s 5s 1m30s"},
		{name: "no limit for a donor", cnf: "[sst]\ndonor-timeout=0\n", get: limits, want: "5m0s 2m0s 5m0s"},
		{name: "joiner-timeout percona", cnf: pxc + "[sst]\njoiner-timeout=7\nsst-initial-timeout=9\n", in: Input{PXC: true}, get: limits, want: "7s 2m0s 10s"},
		{name: "timeout garbage", cnf: "[sst]\nsst-initial-timeout=10 minutes\n", bad: "sst-initial-timeout"},
		{name: "sst-syslog 1 alone", cnf: "[sst]\nsst-syslog=1\n", get: syslog, want: "true wsrep-sst-joiner"},
		{name: "sst-syslog never", cnf: "[sst]\nsst-syslog=-1\n[mysqld_safe]\nsyslog\n", get: syslog, want: "false wsrep-sst-joiner"},
		{name: "sst-syslog 0 follows mysqld_safe", cnf: "[sst]\nsst-syslog=0\n[mysqld_safe]\nsyslog\n", get: syslog, want: "true wsrep-sst-joiner"},
		{name: "syslog of mysqld_safe switched off", cnf: "[mysqld_safe]\nsyslog=off\n", get: syslog, want: "false wsrep-sst-joiner"},
		{name: "syslog of mysqld_safe", cnf: "[mysqld_safe]\nsyslog\nsyslog-tag=t\n", in: Input{Role: Donor}, get: syslog, want: "true t-wsrep-sst-donor"},
		{name: "syslog tag of environment", env: map[string]string{"SST_SYSLOG_TAG": "e"}, get: syslog, want: "false e-wsrep-sst-joiner"},
		{name: "auto-upgrade on", cnf: pxc + "[sst]\nauto-upgrade=on\n", in: Input{PXC: true}, warn: "auto-upgrade"},
		{name: "auto-upgrade off", cnf: pxc + "[sst]\nauto-upgrade=off\n", in: Input{PXC: true}, warn: "-"},
		{name: "force-upgrade", cnf: pxc + "[sst]\nforce-upgrade=1\n", in: Input{PXC: true}, bad: "cannot upgrade"},
		{name: "two keyrings", cnf: pxc + "[mysqld]\nkeyring_file_data=/k\nkeyring_vault_config=/v\n", in: Input{PXC: true}, bad: "configured twice"},
		{name: "keyring file", cnf: pxc + "[mysqld]\nkeyring_file_data=/k\n", in: Input{PXC: true}, get: func(s *Settings) any { return s.EncryptionPlugin }, want: "keyring_file"},
		{name: "encrypt in xtrabackup", cnf: pxc + "[xtrabackup]\nencrypt=AES256\n", in: Input{PXC: true}, bad: "[xtrabackup] is not supported"},
		{name: "wsrep-debug", cnf: "[mysqld]\nwsrep_debug=SERVER\n", get: func(s *Settings) any { return s.Debug }, want: "true"},
		{name: "wsrep-debug none", cnf: "[mysqld]\nwsrep_debug=NONE\n", get: func(s *Settings) any { return s.Debug }, want: "false"},
		{name: "use-extra, port", in: Input{Role: Donor}, cnf: "[mysqld]\nthread_handling=pool-of-threads\nextra_port=3307\n[sst]\nuse-extra=1\n", get: func(s *Settings) any { return s.ExtraAddress }, want: "127.0.0.1:3307", warn: "-"},
		{name: "use-extra, address", in: Input{Role: Donor}, cnf: "[mysqld]\nthread_handling=pool-of-threads\nextra_port=3307\nbind_address=10.0.0.1,::1\n[sst]\nuse-extra=1\n", get: func(s *Settings) any { return s.ExtraAddress }, want: "10.0.0.1:3307", warn: "-"},
		{name: "thread-handling and extra-port", cnf: "[mysqld]\nthread-handling=pool-of-threads\nextra-port=1\n", warn: "-"},
	}
	for _, o := range ignoredOptions {
		if len(o.quiet) == 0 {
			rows = append(rows, row{name: "ignored " + o.name, cnf: "[sst]\n" + o.name + "=x\n", in: Input{Role: Donor}, warn: o.name})
		}
	}
	runRows(t, rows)
}

func TestServerFacts(t *testing.T) {
	files := func(s *Settings) any { return s.SystemFiles }
	plugin := func(s *Settings) any { return s.EncryptionPlugin + " " + s.EncryptionKeyFile }
	lower := func(s *Settings) any { return s.LowerCaseTableNames }
	runRows(t, []row{
		{name: "system files default", get: files, want: "[{ibdata1 12582912 true false}]"},
		{name: "system files", cnf: "[mysqld]\ninnodb_data_file_path=a:1G;/x/b:50M:autoextend:max:2G\n", get: files, want: "[{a 1073741824 false false} {/x/b 52428800 true false}]"},
		{name: "raw device", cnf: "[mysqld]\ninnodb_data_file_path=/dev/sdx:3Graw\n", bad: "raw device"},
		{name: "page size", cnf: "[mysqld]\ninnodb_page_size=32k\n", get: func(s *Settings) any { return s.PageSize }, want: "32768"},
		{name: "page size odd", cnf: "[mysqld]\ninnodb_page_size=5000\n", bad: "page size"},
		{name: "lower case bare", cnf: "[mysqld]\nlower_case_table_names\n", get: lower, want: "1"},
		{name: "lower case", cnf: "[mysqld]\nlower_case_table_names=2\n", get: lower, want: "2"},
		{name: "mmap", cnf: "[mysqld]\nmyisam_use_mmap\n", get: func(s *Settings) any { return s.MyISAMUseMmap }, want: "true"},
		{name: "mmap skipped", cnf: "[mysqld]\nmyisam_use_mmap\nskip-myisam-use-mmap\n", get: func(s *Settings) any { return s.MyISAMUseMmap }, want: "false"},
		{name: "log output", cnf: "[mysqld]\nlog_output=FILE,TABLE\n", get: shown("log-output"), want: "table"},
		{name: "no plugin", cnf: "[mysqld]\nplugin-load-add=ha_archive.so;auth_socket\n", get: plugin, want: " "},
		{name: "plugin-load-add", cnf: "[mysqld]\nplugin_load_add = file_key_management\nloose-file_key_management_filename=/k/f\n", get: plugin, want: "file_key_management /k/f"},
		{name: "plugin-load pairs", cnf: "[mysqld]\nplugin_load=a=b.so;hashicorp_key_management=hashicorp_key_management.so\n", get: plugin, want: "hashicorp_key_management "},
		{name: "plugin by option", cnf: "[mariadb]\naws-key-management-master-key-id=x\n", get: plugin, want: "aws_key_management "},
		{name: "plugin by command line", in: Input{MysqldArgs: []string{"--plugin-load-add=file_key_management.so"}}, get: plugin, want: "file_key_management "},
		{name: "plugin switched off", cnf: "[mysqld]\nfile-key-management=OFF\n", get: plugin, want: " "},
		{name: "galera files", get: func(s *Settings) any { return s.WsrepDataHome + " " + s.GCacheDir + " " + s.GCacheFile }, want: "/d /d /d/galera.cache"},
		{name: "galera files elsewhere", cnf: "[mysqld]\nwsrep_data_home_dir=/w\nwsrep_provider_options='gcache.size=1G; gcache.dir = g ;gcache.name=c'\n",
			get: func(s *Settings) any { return s.WsrepDataHome + " " + s.GCacheDir + " " + s.GCacheFile }, want: "/w /d/g /d/g/c"},
		{name: "receive queue", cnf: "[mysqld]\nwsrep_provider_options='gcs.recv_q_hard_limit = 2G;gcache.size=1G'\n", get: func(s *Settings) any { return s.RecvQueueMax }, want: "2147483648"},
		{name: "auth (null)", env: map[string]string{"WSREP_SST_OPT_AUTH": "(null)"}, get: func(s *Settings) any { return s.SQLUser + "|" + s.SQLPassword }, want: "|"},
		{name: "auth from stdin", in: Input{Auth: "a:b:c"}, env: map[string]string{"WSREP_SST_OPT_AUTH": "x:y"}, get: func(s *Settings) any { return s.SQLUser + "|" + s.SQLPassword }, want: "a|b:c"},
	})
}

func TestOwnGroup(t *testing.T) {
	all := "[trireme]\ntransport=auto\nstreams=4\ncompress=zstd\nrate-limit=10m\nlock-target=500ms\nlock-max=10\npasses=2\npasses_time=1h\ndelta=on\nverify=full\nparanoid\nprogress=/p\nstatus-file=/s\nmetrics-file=m\nlog-format=json\nreconnect=5s\n"
	show := func(s *Settings) any {
		return fmt.Sprintln(s.Transport, s.Streams, s.Compress, s.RateLimit, s.LockTarget, s.LockMax, s.Passes, s.PassesTime, s.Delta, s.Verify, s.Paranoid, s.ProgressFile, s.StatusFile, s.MetricsFile, s.LogFormat, s.Reconnect)
	}
	runRows(t, []row{
		{name: "defaults", get: show, want: fmt.Sprintln("", 0, "auto", 0, "2s", "0s", 5, "0s", "auto", "tag", false, "", "", "", "text", "20s"), warn: "-"},
		{name: "all", cnf: all, get: show, want: fmt.Sprintln("auto", 4, "zstd", 10<<20, "500ms", "10s", 2, "1h0m0s", "on", "full", true, "/p", "/s", "/d/m", "json", "5s"), warn: "-"},
		{name: "flags win", cnf: all, in: Input{Flags: map[string]string{"paranoid": "off", "verify": "tag"}}, get: func(s *Settings) any { return s.Verify }, want: "tag"},
		{name: "paranoid compares everything", cnf: "[trireme]\nverify=tag\nparanoid\n", get: func(s *Settings) any { return s.Verify + " " + s.Manifest }, want: "full off", warn: "-"},
		{name: "unknown name", cnf: "[trireme]\nlocktarget=1\n", bad: "did you mean lock-target?"},
		{name: "swapped letters", cnf: "[trireme]\nsterams=1\n", bad: "did you mean streams?"},
		{name: "unknown flag", in: Input{Flags: map[string]string{"verfy": "tag"}}, bad: "did you mean verify?"},
		{name: "unknown word", cnf: "[trireme]\ntransport=udp\n", bad: `"udp" is not one of tls, quic, auto`},
		{name: "pages are not looked at", cnf: "[trireme]\nverify=page\n", bad: `"page" is not one of tag, full`},
		{name: "more streams than a transfer has", cnf: "[trireme]\nstreams=100\n", get: func(s *Settings) any { return s.Streams }, want: "24", warn: "100 is lowered to 24"},
		{name: "too many streams", cnf: "[trireme]\nstreams=1000\n", bad: "between 0 and 256"},
		{name: "lock-max below a written target", cnf: "[trireme]\nlock-target=3\nlock-max=1\n", bad: "below lock-target"},
		{name: "lock-max below the default target", cnf: "[trireme]\nlock-max=1\n", get: func(s *Settings) any { return s.LockTarget }, want: "1s"},
		{name: "quic and plain", cnf: "[trireme]\ntransport=quic\n[sst]\nssl-mode=disabled\n", bad: "QUIC always encrypts"},
		{name: "far from every name", cnf: "[trireme]\nxyzzyqwert=1\n", bad: "; known are compress, delta, "},
	})
}

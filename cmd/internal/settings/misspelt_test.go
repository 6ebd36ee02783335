package settings

import (
	"strings"
	"testing"
)

// TestNoWarning: what is followed, and what asks for what happens anyway, goes without a word.
func TestNoWarning(t *testing.T) {
	for _, cnf := range []string{
		"[trireme]\nreconnect=9\n",
		"[sst]\nsst-idle-timeout=9\n",
		"[sst]\ndonor_timeout=9\n",
		"[trireme]\nprogress=/p\n",
		"[sst]\ntime=1\n",
		"[sst]\nsst-syslog=1\n",
		"[trireme]\ncompress=zstd\n",
		"[sst]\ncompressor=gzip -1\n",
		"[sst]\ndecompressor=zstd -d\n",
		"[mariabackup]\ncompress=quicklz\n",
		"[trireme]\ncompress=off\n",
		"[sst]\nprogress=none\n",
		"[trireme]\nstatus-file=/s\n",
		"[trireme]\nstatus-file=none\n",
		"[trireme]\nmetrics-file=/m\n",
		"[trireme]\ncompress=auto\n",
		"[sst]\ncompressor=cat\n",
		"[trireme]\nreconnect=0\n",
		"[trireme]\nprogress=log\n",
		"[sst]\nprogress=1\ntime=0\nsst-syslog=0\n",
		"[sst]\nsst-syslog=-1\n[mysqld_safe]\nsyslog\n",
		"[sst]\nsst-syslog=0\n[mysqld_safe]\nsyslog\n",
		"[mysqld_safe]\nsyslog\n",
		"[trireme]\ntransport=auto\n",
		"[trireme]\ntransport=tls\n",
		"[trireme]\ntransport=quic\n",
		"",
	} {
		_, warnings, err := Resolve(Input{Files: readFiles(t, cnf, ""), Datadir: "/d"})
		if err != nil || len(warnings) != 0 {
			t.Errorf("%q: error %v, warnings %q", cnf, err, warnings)
		}
	}
}

// TestLookAlikes: names in [sst] that were meant for an option of the channel are told apart from those of other programs.
func TestLookAlikes(t *testing.T) {
	for _, c := range []struct{ name, like string }{
		{"tcrt", "tcert"}, {"ca", "tca"}, {"tcerts", "tcert"}, {"tkye", "tkey"}, {"tca-path", "tcapath"}, {"tca_path", "tcapath"}, {"sockopts", "sockopt"}, {"sokcopt", "sockopt"}, {"tcerrtt", "tcert"},
		{"tca", ""}, {"tcert", ""}, {"time", ""}, {"cpat", ""}, {"ncsockopt", ""}, {"encrypt", ""}, {"rlimit", ""}, {"progress", ""}, {"tcertificate", ""}, {"wsrep-thing", ""},
	} {
		_, warnings, _ := Resolve(Input{Files: readFiles(t, "[sst]\n"+c.name+"=0\n", ""), Datadir: "/d"})
		got := ""
		for _, w := range warnings {
			if strings.Contains(w, "did you mean") {
				got += w
			}
		}
		if c.like == "" && got != "" || c.like != "" && (!strings.HasPrefix(got, "option ") || !strings.Contains(got, "did you mean "+c.like+"?") || !strings.Contains(got, "my.cnf:2 [sst]")) {
			t.Errorf("%s: %q, want %q", c.name, got, c.like)
		}
	}
	for cnf, want := range map[string]string{
		"[sst]\nlock_max=1s\n":                  "option lock-max in [sst] is not read; move it to the group [trireme] (",
		"[sst]\nparanoid\n":                     "option paranoid in [sst] is not read; move it to the group [trireme] (",
		"[trireme]\npasses=\n":                  "passes (",
		"[trireme]\npasses-time\n":              "has no value and counts as not set",
		"[trireme]\nparanoid\n":                 "",
		"[mysqld]\nwsrep_sst_auth=secretname\n": "wsrep_sst_auth (",
		"[mysqld]\nwsrep_sst_auth=u:\n":         "",
	} {
		_, warnings, err := Resolve(Input{Files: readFiles(t, cnf, ""), Datadir: "/d"})
		if got := strings.Join(warnings, "\n"); err != nil || (got == "") != (want == "") || !strings.Contains(got, want) || len(warnings) > 1 || strings.Contains(got, "secretname") {
			t.Errorf("%q: error %v, warnings %q, want %q", cnf, err, warnings, want)
		}
	}
	if _, warnings, _ := Resolve(Input{Files: readFiles(t, "[mysqld]\ntcrt=x\n", ""), Datadir: "/d"}); len(warnings) != 0 {
		t.Errorf("another group: %q", warnings)
	}
}

// TestPromises: a warning that says how the transfer will be protected does not stand beside a refusal; others do.
func TestPromises(t *testing.T) {
	for _, c := range []struct {
		cnf  string
		left int
	}{
		{"[sst]\nssl-mode=REQUIRED\n", 0},
		{"[sst]\nssl-mode=DISABLED\nrlimit=3MB\n", 0},
		{"[sst]\nencrypt=3\nstreamfmt=tar\n", 1},
	} {
		_, warnings, err := Resolve(Input{Files: readFiles(t, c.cnf, ""), Datadir: "/d"})
		if err == nil || len(warnings) != c.left {
			t.Errorf("%q: error %v, warnings %q, want %d", c.cnf, err, warnings, c.left)
		}
	}
	if _, warnings, err := Resolve(Input{Files: readFiles(t, "[sst]\nssl-mode=DISABLED\n", ""), Datadir: "/d"}); err != nil || len(warnings) != 1 {
		t.Errorf("without a refusal: error %v, warnings %q", err, warnings)
	}
}

package main

import (
	"testing"
	"time"
)

func TestProgramStart(t *testing.T) {
	for _, c := range []struct{ log, want string }{
		{"2026-11-26 12:15:47 6 [Note] WSREP: synced -> donor\nWSREP_SST: [INFO] rsync SST started on donor (20261126 12:15:47.154)\nWSREP_SST: [INFO] x (20261126 12:15:49.000)\n", "12:15:47.154"},
		{"2026-11-26  9:05:07 0 [Note] WSREP: Running: 'wsrep_sst_rsync_through_socat --role 'donor''\n", "09:05:07.000"},
		{"2026-11-26 12:15:47 0 [Note] WSREP: nothing of the kind\n", ""},
	} {
		got, err := programStart(c.log)
		if c.want == "" {
			if err == nil {
				t.Errorf("%q: found %v", c.log, got)
			}
			continue
		}
		if err != nil || got.Format("15:04:05.000") != c.want {
			t.Errorf("%q: %v, %v, want %s", c.log, got.Format(time.TimeOnly), err, c.want)
		}
	}
}

func TestPick(t *testing.T) {
	in, missing, err := pick([]string{"trireme", "rsync+socat", "mariabackup"}, func(p string) bool { return p != "mariabackup" })
	if err != nil || len(in) != 2 || in[1].name != "rsync+socat" || len(missing) != 1 || missing[0] != "mariabackup (needs mariabackup)" {
		t.Errorf("%v, %v, %v", in, missing, err)
	}
	if _, _, err := pick([]string{"cp"}, func(string) bool { return true }); err == nil {
		t.Error("an unknown name was taken")
	}
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trireme/cmd/internal/serveremul"
	"trireme/cmd/internal/status"
	"trireme/engine/tree"
	"trireme/wire/identity/ca"
)

// tail is what follows uuid:seqno in a position that the family's server reports.
func tail(p serveremul.Profile) string {
	switch p.Family {
	case "mariadb":
		return " " + serveremul.FakeDomain
	case "codership80":
		return " " + serveremul.Position + " 7"
	}
	return ""
}

// TestFamilyFull makes a whole transfer between two servers of each family, over an old copy. The donor's server makes it
// hard: it reports an older position first where the family reports twice, it writes on between its report and its freeze
// where the family does that, and it writes again as soon as it is let go. The copy must be that of the lock (R-LOCK-4).
func TestFamilyFull(t *testing.T) {
	t.Parallel()
	for _, p := range serveremul.Profiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			r := families(t, p.Name, p.Name)
			r.Known()
			dir := r.Give.Datadir
			r.Give.Progress, r.Take.Progress = p.Reports, p.Reports
			r.Give.First, r.Give.SecondDelay = earlierPosition, 300*time.Millisecond
			r.Give.Freeze = func() {
				if p.FileFirst {
					time.Sleep(300 * time.Millisecond) // this slow is the server
				}
				change(t, dir, serveremul.FakeLSN+10, "written before the freeze")
				if !p.FileFirst {
					serveremul.Checkpoint(t, dir, serveremul.FakeLSN+20) // this flavour leaves nothing in memory
				}
			}
			r.Give.Thaw = func() {
				r.Still()
				change(t, dir, serveremul.FakeLSN+1000, "written after the lock")
			}
			given, taken := r.MustRun()
			for role, dir := range map[string]string{"donor": dir, "joiner": r.Take.Datadir} {
				if s, err := status.Read(filepath.Join(dir, tree.StatusName)); err != nil || s.Result != status.Complete || s.Role != role || s.Directory != strings.TrimSuffix(dir, "/") || s.Files == 0 || role == "donor" && s.LockSeconds == 0 {
					t.Errorf("the %s's status file: %+v, %v", role, s, err)
				}
			}
			want := serveremul.Position + tail(p)
			lines := slices.DeleteFunc(r.Lines(), func(l string) bool { return slices.Contains(given.Progress, l) })
			if !slices.Equal(lines, []string{"flush tables", "continue", "done " + want}) || taken.Line != want {
				t.Errorf("the donor said %q, the joiner %q; the position was %q", lines, taken.Line, want)
			}
			if len(given.Locks) != 1 || !given.Locks[0].Continued {
				t.Errorf("lock windows %+v", given.Locks)
			}
			summary := `"result":"complete","state":"` + want + `"`
			mustSay(t, "donor", given, `"role":"donor",`+summary)
			mustSay(t, "joiner", taken, `"role":"joiner",`+summary)
			prefix := "WSREP_SST: ["
			if p.Family == "pxc" {
				prefix = "INF:"
			}
			for line := range strings.Lines(given.Stderr + taken.Stderr) {
				if !strings.HasPrefix(line, prefix) || strings.Contains(line, "[ERROR]") {
					t.Errorf("log line %q", line)
				}
			}
		})
	}
}

// TestFamilyBypass hands a position on; nothing is touched and no lock taken.
func TestFamilyBypass(t *testing.T) {
	t.Parallel()
	for _, p := range serveremul.Profiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			r := families(t, p.Name, p.Name)
			r.Give.Bypass = true
			given, taken := r.MustRun()
			want := serveremul.Position
			if p.PassDomain {
				want += " " + serveremul.FakeDomain
			}
			if given.Done != want || taken.Line != want || len(given.Locks) > 0 {
				t.Errorf("donor %q, joiner %q, locks %v; want %q", given.Done, taken.Line, given.Locks, want)
			}
			mustSay(t, "donor", given, "no data was moved")
			mustSay(t, "joiner", taken, "no data was moved and no file was touched")
		})
	}
}

// TestMixedFamilies joins nodes whose servers differ. Where both say what they are the copy is refused, because the joiner
// could not use it, but a bypass works.
func TestMixedFamilies(t *testing.T) {
	t.Parallel()
	t.Run("unknown versions", func(t *testing.T) {
		t.Parallel()
		given, taken := families(t, "M11.8", "M10.3").MustRun()
		if want := serveremul.Position + " 3"; given.Done != want || taken.Line != want {
			t.Errorf("donor %q, joiner %q", given.Done, taken.Line)
		}
	})
	for _, c := range []struct{ from, to, fromSays, toSays string }{
		{"M10.5", "M10.11", "mariadb 10.5", "mariadb 10.11"},
		{"M11.8", "M10.4e", "mariadb 11.8", "mariadb 10.4"},
		{"W80", "PXC", "codership80 8.0", "pxc 8.0"},
	} {
		t.Run(c.from+" to "+c.to, func(t *testing.T) {
			t.Parallel()
			r := families(t, c.from, c.to)
			r.Known()
			given, taken := r.Run()
			code := 32
			if c.to == "PXC" {
				code = 11 // the datadir is as it was
			}
			mustFail(t, "donor", given, 22, c.fromSays, c.toSays, "nothing was changed")
			mustFail(t, "joiner", taken, code, c.fromSays, c.toSays, "nothing was changed")
			r.MustBeUntouched()
			if len(given.Locks) > 0 {
				t.Errorf("the donor's server was locked: %v", given.Locks)
			}
			r.Give.Bypass = true
			r.MustRun()
		})
	}
}

// TestPXCCertificates has the certificates where PXC has them by default: made by each server in its own datadir.
func TestPXCCertificates(t *testing.T) {
	t.Parallel()
	r := families(t, "PXC", "PXC")
	r.Configure("")
	authority, err := ca.NewCA("Harbour authority", ca.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{r.Give.Datadir, r.Take.Datadir} {
		cert, key, err := authority.Issue("server", nil, ca.Options{})
		if err != nil {
			t.Fatal(err)
		}
		serveremul.Put(t, dir, "ca.pem", authority.CertificatePEM())
		serveremul.Put(t, dir, "server-cert.pem", cert)
		serveremul.Put(t, dir, "server-key.pem", key)
	}
	own, err := os.ReadFile(filepath.Join(r.Take.Datadir, "server-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	given, taken := r.Run()
	if given.Err != nil || taken.Err != nil {
		t.Fatalf("donor %v, joiner %v\n%s\n%s", given.Err, taken.Err, given.Stderr, taken.Stderr)
	}
	mustSay(t, "donor", given, `TLS 1.3, showing "CN=server"`, "must chain to")
	mustSay(t, "joiner", taken, `TLS 1.3, showing "CN=server"`, "must chain to")
	if now, err := os.ReadFile(filepath.Join(r.Take.Datadir, "server-key.pem")); err != nil || !bytes.Equal(now, own) {
		t.Errorf("the joiner's key was replaced (%v)", err)
	}
}

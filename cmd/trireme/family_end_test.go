package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"trireme/cmd/internal/serveremul"
)

// The phases of a transfer in which a test can stop the donor's server; the joiner is in the middle of its part then.
const (
	phaseWaiting = "waiting for the lock"
	phaseLocked  = "locked"
)

// stopAt makes the donor's server stand still in a phase. reached is closed when it does, and release lets it go on.
func stopAt(t *testing.T, r *serveremul.Pair, phase string) (reached chan struct{}, release func()) {
	reached = make(chan struct{})
	goOn := make(chan struct{})
	stand := func() {
		close(reached)
		<-goOn
	}
	switch phase {
	case phaseWaiting:
		r.Give.OnFlush = func() (string, error) {
			stand()
			return "", nil
		}
	case phaseLocked:
		// Before the report, where the profile has it so; the program holds still in both cases.
		r.Give.Freeze = stand
	}
	released := false
	release = func() {
		if !released {
			released = true
			close(goOn)
		}
	}
	t.Cleanup(release)
	return reached, release
}

// TestServerKilled kills servers at several points. Their programs must end by themselves, with a reason, and so must the
// other end's; the emulator's limit would end them without one.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"M10.4e", "M10.11", "M11.8", "PXC"} {
		t.Run(name+" joiner waiting for a donor", func(t *testing.T) {
			t.Parallel()
			r := families(t, name, name)
			r.Take.Mortal = true
			j := r.StartJoiner()
			j.KillServer()
			mustSay(t, "joiner", j.Wait(), "the server (process ")
			r.MustBeUntouched()
			if _, err := os.Stat(filepath.Join(r.Take.Datadir, "wsrep_sst.pid")); err == nil {
				t.Error("the lock file is still there")
			}
		})
		for _, phase := range []string{phaseWaiting, phaseLocked} {
			if phase == phaseLocked && !serveremul.ByName(name).FileFirst {
				continue // the freeze is part of the wait
			}
			t.Run(name+" joiner, donor "+phase, func(t *testing.T) {
				t.Parallel()
				r := families(t, name, name)
				r.Take.Mortal = true
				reached, release := stopAt(t, r, phase)
				j := r.StartJoiner()
				d := r.StartDonor()
				<-reached
				j.KillServer()
				mustSay(t, "joiner", j.Wait(), "the server (process ")
				release()
				mustFail(t, "donor", d.Wait(), 32, "the other end reports", "the server (process ")
			})
			t.Run(name+" donor "+phase, func(t *testing.T) {
				t.Parallel()
				r := families(t, name, name)
				r.Give.Mortal = true
				reached, release := stopAt(t, r, phase)
				j := r.StartJoiner()
				d := r.StartDonor()
				<-reached
				d.KillServer()
				mustFail(t, "joiner", j.Wait(), 32, "the other end reports", "the server (process ")
				release()
				mustSay(t, "donor", d.Wait(), "the server (process ")
			})
		}
	}
}

// shellEnded is the exit code of a program whose shell was ended together with it.
const shellEnded = -1

// TestSignals stops programs as service managers and shells do, and PXC's own way.
func TestSignals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		family string
		sig    syscall.Signal // 0: cancel
		code   int
		says   string
	}{
		{"M10.11", syscall.SIGTERM, 3, "stopped by signal terminated"},
		{"M11.8", syscall.SIGINT, 3, "stopped by signal interrupt"},
		{"M10.3", syscall.SIGHUP, 32, "stopped by signal hangup"},
		{"PXC", syscall.SIGTERM, 3, "stopped by signal terminated"},
		{"PXC", 0, shellEnded, ""}, // what it notices first is open: the signal, or that the shell in between has gone
	} {
		stop := func(end interface {
			Signal(syscall.Signal)
			Cancel()
		}) {
			if c.sig == 0 {
				end.Cancel()
				return
			}
			end.Signal(c.sig)
		}
		name := c.family + " " + c.sig.String()
		t.Run(name+" joiner", func(t *testing.T) {
			t.Parallel()
			r := families(t, c.family, c.family)
			j := r.StartJoiner()
			stop(j)
			mustFail(t, "joiner", j.Wait(), c.code, c.says)
			r.MustBeUntouched()
		})
		t.Run(name+" joiner in the middle", func(t *testing.T) {
			t.Parallel()
			r := families(t, c.family, c.family)
			reached, release := stopAt(t, r, phaseWaiting)
			j := r.StartJoiner()
			d := r.StartDonor()
			<-reached
			stop(j)
			mustFail(t, "joiner", j.Wait(), c.code, c.says)
			release()
			if given := d.Wait(); given.Err == nil || given.Done != "" {
				t.Errorf("the donor's server is content: %v %q", given.Err, given.Done)
			}
		})
		t.Run(name+" donor", func(t *testing.T) {
			t.Parallel()
			r := families(t, c.family, c.family)
			reached, release := stopAt(t, r, phaseWaiting)
			j := r.StartJoiner()
			d := r.StartDonor()
			<-reached
			stop(d)
			mustFail(t, "joiner", j.Wait(), 32, "the other end reports", c.says)
			release()
			mustFail(t, "donor", d.Wait(), c.code, c.says)
		})
	}
}

// TestAgain is PXC's code 11: it makes the provider put the old state back, so it is for a datadir that nobody has touched,
// and for nothing else. The others are told the cause, or that it lies at the other end.
func TestAgain(t *testing.T) {
	t.Parallel()
	for family, codes := range map[string]struct{ option, late, refused, told int }{
		"PXC":    {11, 11, 11, 11},
		"M10.11": {22, 110, 22, 32},
	} {
		t.Run(family+" bad option", func(t *testing.T) {
			t.Parallel()
			r := families(t, family, family)
			r.Configure("pxc_encrypt_cluster_traffic=OFF\n[trireme]\nstreams=many\n")
			taken := serveremul.StartJoiner(t, r.To, nil, r.Take).Wait()
			mustFail(t, "joiner", taken, codes.option, "streams", "many", r.Option+":4 [trireme]")
			if taken.Ready != "" {
				t.Errorf("ready line %q", taken.Ready)
			}
		})
		t.Run(family+" no donor", func(t *testing.T) {
			t.Parallel()
			r := families(t, family, family)
			r.Configure("pxc_encrypt_cluster_traffic=OFF\n[sst]\nsst-initial-timeout=1\njoiner-timeout=1\n")
			mustFail(t, "joiner", r.StartJoiner().Wait(), codes.late, "no donor has come within 1s")
			r.MustBeUntouched()
		})
		t.Run(family+" donor cannot", func(t *testing.T) {
			t.Parallel()
			r := families(t, family, family)
			serveremul.Put(t, r.Give.Datadir, "#rocksdb/CURRENT", []byte("MANIFEST-000001\n"))
			given, taken := r.Run()
			mustFail(t, "donor", given, 22, "cannot be copied", "rocksdb")
			mustFail(t, "joiner", taken, codes.told, "the other end reports", "rocksdb")
			r.MustBeUntouched()
		})
		t.Run(family+" joiner cannot", func(t *testing.T) {
			t.Parallel()
			r := families(t, family, family)
			serveremul.Put(t, r.Take.Datadir, "#rocksdb/CURRENT", []byte("MANIFEST-000001\n"))
			_, taken := r.Run()
			mustFail(t, "joiner", taken, codes.refused, "nothing has been changed", "rocksdb")
		})
		t.Run(family+" donor's option", func(t *testing.T) {
			t.Parallel()
			r := families(t, family, family)
			own := filepath.Join(t.TempDir(), "donor.cnf")
			if err := os.WriteFile(own, []byte("[mysqld]\npxc_encrypt_cluster_traffic=OFF\n[sst]\nssl-mode=PREFERRED\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			r.Give.DefaultsFile = own
			given, taken := r.Run()
			mustFail(t, "donor", given, 22, "PREFERRED", own)
			mustFail(t, "joiner", taken, codes.told, "the donor's set-up", "PREFERRED")
			r.MustBeUntouched()
			if strings.Count(taken.Stderr, "failed: ") != 1 {
				t.Errorf("more than one reason:\n%s", taken.Stderr)
			}
		})
	}
}

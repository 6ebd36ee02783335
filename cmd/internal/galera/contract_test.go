package galera

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"trireme/cmd/internal/serveremul"
)

const (
	testUUID = "a5f2bd5a-0001-11ee-8d3c-0242ac120002"
	at41     = testUUID + ":41"
	at42     = testUUID + ":42"
)

// self is this test program, which plays a fake transfer when mode is set in its environment.
func self(t *testing.T) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{exe}
}

func options(t *testing.T, p serveremul.Profile, mode string) serveremul.Options {
	return serveremul.Options{
		Datadir: t.TempDir(), Address: "127.0.0.1", GTID: at42, Domain: "3",
		// The race detector sleeps for a second at every exit unless it is told not to.
		Env: []string{"GALERA_TEST_PLAY=" + mode, "GALERA_TEST_VERSION=" + p.Version, "GORACE=atexit_sleep_ms=0"},
	}
}

func everyProfile(t *testing.T, f func(t *testing.T, p serveremul.Profile)) {
	for _, p := range serveremul.Profiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			f(t, p)
		})
	}
}

// TestTransfer runs a joiner and a donor of each family against each other, with and without data and progress.
func TestTransfer(t *testing.T) {
	everyProfile(t, func(t *testing.T, p serveremul.Profile) {
		for _, bypass := range []bool{false, true} {
			for _, progress := range []bool{false, true} {
				if bypass && progress {
					continue
				}
				jo := options(t, p, "plain")
				jo.Progress = progress
				if progress {
					jo.ExtraArgs = []string{"--of-tomorrow", "value", "--of-next-year"}
				}
				j := serveremul.StartJoiner(t, p, self(t), jo)
				do := options(t, p, "plain")
				do.Address, do.Bypass, do.Progress = j.Ready(), bypass, progress
				// What an earlier run may have left behind.
				for _, name := range []string{"tables_flushed", "tables_flushed.tmp", "sst_error"} {
					if bypass {
						break
					}
					if err := os.WriteFile(filepath.Join(do.Datadir, name), []byte(at41+"\n"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				var frozen, thawed atomic.Int32
				do.Freeze, do.Thaw = func() { frozen.Add(1) }, func() { thawed.Add(1) }
				donor := serveremul.StartDonor(t, p, self(t), do).Wait()
				joiner := j.Wait()
				if donor.Err != nil || joiner.Err != nil {
					t.Fatalf("bypass %v: donor %v, joiner %v\n%s\n%s", bypass, donor.Err, joiner.Err, donor.Stderr, joiner.Stderr)
				}
				want := at42
				switch {
				case p.Family == "mariadb":
					want += " 3"
				case p.LocalGTIDs && !bypass:
					want += " " + at42 + " 7"
				}
				if donor.Done != want || joiner.Line != want {
					t.Errorf("bypass %v: donor %q, joiner %q, expected %q", bypass, donor.Done, joiner.Line, want)
				}
				if windows := map[bool]int{false: 1, true: 0}[bypass]; len(donor.Locks) != windows ||
					int(frozen.Load()) != windows || int(thawed.Load()) != windows {
					t.Errorf("bypass %v: locks %+v, frozen %d, thawed %d", bypass, donor.Locks, frozen.Load(), thawed.Load())
				}
				var lines []string
				if progress && p.PassProgress {
					// The one in the middle comes too soon after the first.
					lines = []string{"total 100", "complete 50", "complete 100"}
				}
				if !slices.Equal(joiner.Progress, lines) {
					t.Errorf("progress %q, expected %q", joiner.Progress, lines)
				}
				if !strings.Contains(joiner.Stderr, "family "+p.Family+",") {
					t.Errorf("joiner took its server for another:\n%s", joiner.Stderr)
				}
				if !strings.Contains(donor.Stderr, "family "+p.Family+",") {
					t.Errorf("donor took its server for another:\n%s", donor.Stderr)
				}
			}
		}
	})
}

func TestSecretReachesDonor(t *testing.T) {
	everyProfile(t, func(t *testing.T, p serveremul.Profile) {
		if p.Address != serveremul.AddressAuth {
			return
		}
		j := serveremul.StartJoiner(t, p, self(t), options(t, p, "auth"))
		do := options(t, p, "plain")
		do.Address = j.Ready()
		donor := serveremul.StartDonor(t, p, self(t), do).Wait()
		if j.Wait(); donor.Err != nil || !strings.Contains(donor.Stderr, "remote cn, secret of 6 bytes") {
			t.Errorf("%v\n%s", donor.Err, donor.Stderr)
		}
	})
}

// listenAddress starts a joiner only to have something to connect to; the donor's failure ends it.
func listenAddress(t *testing.T, p serveremul.Profile) string {
	return serveremul.StartJoiner(t, p, self(t), options(t, p, "plain")).Ready()
}

func TestFlushFails(t *testing.T) {
	everyProfile(t, func(t *testing.T, p serveremul.Profile) {
		o := options(t, p, "plain")
		o.Address = listenAddress(t, p)
		o.OnFlush = func() (string, error) { return "", errors.New("lock wait timeout exceeded") }
		r := serveremul.StartDonor(t, p, self(t), o).Wait()
		want, text := ExitUnknown, "could not flush"
		if !p.ErrorFile {
			// Nobody says so: only the limit ends the wait.
			want, text = ExitTimeout, "did not report its lock"
		}
		if r.ExitCode != want || !strings.Contains(r.Stderr, text) || len(r.Leftovers) > 0 {
			t.Errorf("exit code %d, expected %d, leftovers %q\n%s", r.ExitCode, want, r.Leftovers, r.Stderr)
		}
	})
}

func TestForeignPosition(t *testing.T) {
	p := serveremul.ByName("M10.11")
	o := options(t, p, "plain")
	o.Address = listenAddress(t, p)
	o.OnFlush = func() (string, error) { return strings.Replace(at42, "a5f2", "ffff", 1), nil }
	if r := serveremul.StartDonor(t, p, self(t), o).Wait(); r.ExitCode != ExitProto || !strings.Contains(r.Stderr, "another cluster") {
		t.Errorf("exit code %d\n%s", r.ExitCode, r.Stderr)
	}
}

// TestSecondVersionWins delays the second version of the report, which alone is the truth.
func TestSecondVersionWins(t *testing.T) {
	everyProfile(t, func(t *testing.T, p serveremul.Profile) {
		if !p.Twice {
			return
		}
		j := serveremul.StartJoiner(t, p, self(t), options(t, p, "plain"))
		o := options(t, p, "plain")
		o.Address, o.First, o.SecondDelay = j.Ready(), at41, 100e6
		r := serveremul.StartDonor(t, p, self(t), o).Wait()
		if j.Wait(); r.Err != nil || r.Done != at42+" 3" {
			t.Errorf("%v, done %q\n%s", r.Err, r.Done, r.Stderr)
		}
	})
}

func TestTwoWindows(t *testing.T) {
	everyProfile(t, func(t *testing.T, p serveremul.Profile) {
		j := serveremul.StartJoiner(t, p, self(t), options(t, p, "plain"))
		o := options(t, p, "twice")
		o.Address = j.Ready()
		var n atomic.Int32
		o.OnFlush = func() (string, error) { return fmt.Sprintf("%s:%d", testUUID, 50+n.Add(1)), nil }
		r := serveremul.StartDonor(t, p, self(t), o).Wait()
		if j.Wait(); r.Err != nil || len(r.Locks) != 2 || !strings.HasPrefix(r.Done, testUUID+":52") {
			t.Errorf("%v, done %q, locks %+v\n%s", r.Err, r.Done, r.Locks, r.Stderr)
		}
	})
	t.Run("going back", func(t *testing.T) {
		t.Parallel()
		p := serveremul.ByName("M10.11")
		o := options(t, p, "twice")
		o.Address = listenAddress(t, p)
		var n atomic.Int32
		o.OnFlush = func() (string, error) { return fmt.Sprintf("%s:%d", testUUID, 50-n.Add(1)), nil }
		if r := serveremul.StartDonor(t, p, self(t), o).Wait(); r.ExitCode != ExitProto || !strings.Contains(r.Stderr, "older than 49") {
			t.Errorf("exit code %d\n%s", r.ExitCode, r.Stderr)
		}
	})
}

// TestServerDies kills the server while the joiner waits for a donor and while the donor holds the lock.
func TestServerDies(t *testing.T) {
	everyProfile(t, func(t *testing.T, p serveremul.Profile) {
		jo := options(t, p, "plain")
		jo.Mortal = true
		j := serveremul.StartJoiner(t, p, self(t), jo)
		do := options(t, p, "hold")
		do.Mortal = true
		do.Address = listenAddress(t, p)
		j.Ready()
		locked := make(chan struct{})
		do.Freeze = func() { close(locked) }
		d := serveremul.StartDonor(t, p, self(t), do)
		<-locked
		d.KillServer()
		j.KillServer()
		for role, r := range map[string]serveremul.Result{"donor": d.Wait(), "joiner": j.Wait()} {
			if !strings.Contains(r.Stderr, "is gone") && !strings.Contains(r.Stderr, "no longer reads") {
				t.Errorf("%s: %q", role, r.Stderr)
			}
		}
	})
}

func TestSignalUnderLock(t *testing.T) {
	everyProfile(t, func(t *testing.T, p serveremul.Profile) {
		o := options(t, p, "hold")
		o.Address = listenAddress(t, p)
		locked := make(chan struct{})
		o.Freeze = func() { close(locked) }
		d := serveremul.StartDonor(t, p, self(t), o)
		<-locked
		d.Signal(syscall.SIGTERM)
		r := d.Wait()
		if r.ExitCode != ExitSignal || len(r.Locks) != 1 || r.Locks[0].Continued {
			t.Errorf("exit code %d, locks %+v\n%s", r.ExitCode, r.Locks, r.Stderr)
		}
	})
}

// TestEmulatorCatches proves that the emulator sees what Out exists to prevent.
func TestEmulatorCatches(t *testing.T) {
	everyProfile(t, func(t *testing.T, p serveremul.Profile) {
		if p.Name != "M10.4e" && p.Name != "M11.8" && p.Name != "PXC" {
			return // the others read the same way
		}
		for mode, violation := range map[string]string{"stray": `"hello" is not ready`, "raw": "without its end"} {
			o := options(t, p, mode)
			o.Tolerate = true
			o.Timeout = 300e6
			r := serveremul.StartJoiner(t, p, self(t), o).Wait()
			if r.Err == nil || !strings.Contains(strings.Join(r.Violations, "\n"), violation) {
				t.Errorf("%s: %v, violations %q", mode, r.Err, r.Violations)
			}
		}
		r := serveremul.StartJoiner(t, p, self(t), options(t, p, "long")).Wait()
		if r.ExitCode == 0 || r.Ready != "" || !strings.Contains(r.Stderr, "the server reads at most 254") {
			t.Errorf("long: exit code %d, ready %q\n%s", r.ExitCode, r.Ready, r.Stderr)
		}
	})
}

// TestOneInstance starts a second joiner in the same datadir.
func TestOneInstance(t *testing.T) {
	p := serveremul.ByName("M10.11")
	o := options(t, p, "plain")
	first := serveremul.StartJoiner(t, p, self(t), o)
	first.Ready()
	release, err := lockInstance(t.Context(), o.Datadir, RoleJoiner, 60e6)
	if ExitCode(err) != ExitAlready {
		t.Errorf("error %v", err)
	}
	if err == nil {
		release()
	}
	// A crash leaves the file behind, but not the lock.
	first.Signal(syscall.SIGKILL)
	first.Wait()
	if _, err := os.Stat(filepath.Join(o.Datadir, instanceFile)); err != nil {
		t.Fatal(err)
	}
	if release, err = LockInstance(t.Context(), o.Datadir, RoleJoiner); err != nil {
		t.Fatal(err)
	}
	release()
	release()
	if _, err := os.Stat(filepath.Join(o.Datadir, instanceFile)); !os.IsNotExist(err) {
		t.Errorf("after release: %v", err)
	}
}

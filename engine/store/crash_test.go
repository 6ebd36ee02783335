package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"trireme/engine/tree"
)

func keepPatterns(p ...string) (out []*regexp.Regexp) {
	for _, x := range p {
		out = append(out, regexp.MustCompile(x))
	}
	return out
}

// oldLife is a joiner that once was a node, with everything that is dangerous.
func oldLife() []item {
	old := donor(100)[:10]
	return append(old, f("undo004", noise(1, 100)), f("ib_logfile1", noise(1, 100)), f("ddl_recovery.log", noise(1, 10)),
		f("tc.log", noise(1, 10)), f("db1/orphan.ibd", noise(1, 3000)), f("dead/x.frm", noise(1, 10)), f("db1/empty.MYD", noise(1, 40)))
}

var keystoneNames = regexp.MustCompile(`^(ibdata1|undo\d+|ib_logfile\d+|aria_log_control|aria_log\.\d+)$`)

// assess judges a crashed joiner: real keystones may stand beside the complete old
// tree or the complete new one, never beside anything else, and never without marker
// unless the copy is complete.
func assess(r *rig, old, complete map[string]string) error {
	got := r.list()
	base := filepath.Base(r.layout.Data) + ":"
	var keystones []string
	for k := range got {
		if keystoneNames.MatchString(strings.TrimPrefix(k, base)) && !blocker(got[k]) {
			keystones = append(keystones, k)
		}
	}
	_, marked := got[base+tree.MarkerName]
	strip := func(m map[string]string) map[string]string {
		out := map[string]string{}
		for k, v := range m {
			name := strings.TrimPrefix(k, base)
			plain := strings.TrimSuffix(name, tree.PartSuffix)
			if keystoneNames.MatchString(plain) || name == tree.MarkerName || name == tree.JournalName {
				continue
			}
			out[k] = v
		}
		return out
	}
	tables := strip(got)
	isOld, isNew := diff(tables, strip(old)) == "", diff(tables, strip(complete)) == ""
	if len(keystones) > 0 && !isOld && !isNew {
		return fmt.Errorf("keystones %v beside a mixture: %s", keystones, diff(tables, strip(complete)))
	}
	for _, k := range keystones {
		if isOld && got[k] != old[k] || isNew && got[k] != complete[k] {
			return fmt.Errorf("keystone %s has neither the old nor the final content", k)
		}
	}
	if !marked {
		if diff(got, old) != "" && diff(got, complete) != "" {
			// The marker goes last; then only it and the journal may be missing.
			if _, journal := got[base+tree.JournalName]; journal || !isNew {
				return fmt.Errorf("no marker on an unfinished copy: %s", diff(got, complete))
			}
		}
	}
	return nil
}

// Every single change to the disk, from Prepare to Commit, is once the last one; and
// every one fails once with an error. Afterwards the directory is safe, and the next
// transfer heals it.
func TestCrashEverywhere(t *testing.T) {
	t.Run("cluster", func(t *testing.T) { crashEverywhere(t, false) })
	t.Run("by hand", func(t *testing.T) { crashEverywhere(t, true) })
}

// blocker tells the directory that stands where the system tablespace belongs.
func blocker(what string) bool { return strings.HasSuffix(what, " dir") }

func crashEverywhere(t *testing.T, block bool) {
	items := donor(200)
	count := func() int {
		r := newRig(t, filepath.Join(memDir(t), "data"))
		r.block = block
		r.put(oldLife()...)
		s := r.store()
		g := &tape{}
		s.gate = g
		mustOK(t, transfer(t.Context(), s, items))
		r.check(items)
		return g.n
	}()
	if count < 60 {
		t.Fatalf("only %d operations: the gate does not see them all", count)
	}
	for _, crash := range []bool{true, false} {
		for k := 1; k <= count; k++ {
			r := newRig(t, filepath.Join(memDir(t), "data"))
			r.block = block
			r.put(oldLife()...)
			old := r.list()
			s := r.store()
			g := &tape{at: k, crash: crash, err: errCrash}
			if !crash {
				g.err = unix.EIO
			}
			s.gate = g
			err := transfer(t.Context(), s, items)
			where := fmt.Sprintf("crash=%v operation %d of %d, %s", crash, k, count, g.log[min(k, len(g.log))-1])
			if !errors.Is(err, g.err) {
				t.Fatalf("%s: error %v", where, err)
			}
			if again := s.EndPass(t.Context()); !errors.Is(again, g.err) {
				t.Fatalf("%s: the error was not kept: %v", where, again)
			}
			if again := s.Commit(t.Context()); !errors.Is(again, g.err) {
				t.Fatalf("%s: Commit was tried again: %v", where, again)
			}
			s.Abort()
			if err := assess(r, old, r.want(items)); err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			if !crash {
				noKeystones(t, r, old, where)
			}
			r.reopen()
			again := r.store()
			if err := transfer(t.Context(), again, items); err != nil {
				t.Fatalf("%s: the next transfer: %v", where, err)
			}
			if msg := diff(r.list(), r.want(items)); msg != "" {
				t.Fatalf("%s: after the next transfer: %s", where, msg)
			}
			mustOK(t, again.Close())
			_ = r.dirs.Close()
		}
	}
}

// noKeystones: a failure that is no crash leaves none under its real name (R-JOIN-8),
// except where Prepare failed before it had hidden the old ones.
func noKeystones(t *testing.T, r *rig, old map[string]string, where string) {
	t.Helper()
	base := filepath.Base(r.layout.Data) + ":"
	got := r.list()
	if _, marked := got[base+tree.MarkerName]; !marked && diff(got, old) != "" {
		t.Fatalf("%s: no marker after a failed transfer", where)
	}
	for k := range got {
		if keystoneNames.MatchString(strings.TrimPrefix(k, base)) && got[k] != old[k] && !blocker(got[k]) {
			t.Fatalf("%s: %s has its real name after a failed transfer", where, k)
		}
	}
}

// TestBlock: from Prepare to Commit no server can start, whatever the last transfer left; one without a block of its own
// takes an old one away.
func TestBlock(t *testing.T) {
	r := newRig(t, filepath.Join(memDir(t), "data"))
	r.put(oldLife()...)
	blocked := func() bool {
		info, err := os.Lstat(filepath.Join(r.layout.Data, "ibdata1"))
		return err == nil && info.IsDir()
	}
	items := donor(7)
	for _, block := range []bool{true, true, false} {
		r.block = block
		s := r.store()
		mustOK(t, s.Prepare(t.Context()))
		if !blocked() {
			t.Fatal("a server could start")
		}
		mustOK(t, send(t.Context(), s, items))
		if !blocked() {
			t.Fatal("a server could start before the commit")
		}
		s.Abort()
		if !blocked() {
			t.Fatal("a server could start after a transfer was given up")
		}
		r.reopen()
	}
	mustOK(t, transfer(t.Context(), r.store(), items))
	r.check(items)
}

// TestBlockGoes: a copy without a file in the place of the block has no trace of it.
func TestBlockGoes(t *testing.T) {
	r := newRig(t, filepath.Join(memDir(t), "data"))
	r.block = true
	items := donor(7)[3:] // no InnoDB
	mustOK(t, transfer(t.Context(), r.store(), items))
	r.check(items)
}

// TestNoBlockInADirectory: a system tablespace in a directory of its own is not blocked, so nothing is taken away in its place either,
// where a donor without one leaves what this node has there.
func TestNoBlockInADirectory(t *testing.T) {
	const name = "sys/ibdata1"
	rest := append([]item{d("sys")}, donor(7)[3:]...) // no InnoDB
	for _, theirs := range [][]item{rest, append(rest[:len(rest):len(rest)], in(tree.RoleInnoDBHome, f(name, noise(7, 20<<10))))} {
		r := newRig(t, filepath.Join(memDir(t), "data"))
		r.block, r.layout.SystemFiles = true, []string{name}
		r.reopen()
		with := len(theirs) > len(rest)
		if !with {
			r.put(f(name+"/mine", noise(1, 10)))
		}
		s := r.store()
		mustOK(t, s.Prepare(t.Context()))
		place := filepath.Join(r.layout.Data, name)
		if _, err := os.Lstat(place); (err == nil) == with {
			t.Errorf("with InnoDB %v, after Prepare: %v", with, err)
		}
		mustOK(t, send(t.Context(), s, theirs))
		_, err := s.Seal(t.Context())
		mustOK(t, err)
		mustOK(t, s.Commit(t.Context()))
		if with {
			r.check(theirs)
		} else if _, err := os.Lstat(place + "/mine"); err != nil {
			t.Error(err)
		}
	}
}

// The first error is the one that counts, whatever fails behind it.
func TestFirstErrorWins(t *testing.T) {
	r := newRig(t, filepath.Join(memDir(t), "data"))
	s := r.store()
	mustOK(t, s.Prepare(t.Context()))
	n := 0
	s.gate = hook(func(op, tree.Role, string) error { n++; return fmt.Errorf("error %d", n) })
	_, err := s.Upsert(d("a").spec(0))
	mustFail(t, err, "error 1")
	mustFail(t, s.chmod(tree.RoleData, "a", 0o700), "error 1")
	mustFail(t, s.EndPass(t.Context()), "error 1")
}

// The order of operations is what a power cut would test: data, then directories, then
// keystones, redo behind all others, then the marker (consistency 7.3).
func TestOrderOnDisk(t *testing.T) {
	r := newRig(t, filepath.Join(memDir(t), "data"))
	r.put(oldLife()...)
	// ib_logfile1 stays to be hidden; the new log has no basis, so that it must be allocated.
	mustOK(t, os.Remove(filepath.Join(r.layout.Data, "ib_logfile0")))
	s := r.store()
	g := &tape{}
	s.gate = g
	mustOK(t, transfer(t.Context(), s, donor(300)))
	first := func(what string, after int) int {
		for i := after; i < len(g.log); i++ {
			if strings.HasPrefix(g.log[i], what) {
				return i
			}
		}
		t.Fatalf("no %q after operation %d in\n%s", what, after, strings.Join(g.log, "\n"))
		return 0
	}
	last := func(what string) int {
		for i, l := range slices.Backward(g.log) {
			if strings.HasPrefix(l, what) {
				return i
			}
		}
		t.Fatalf("no %q", what)
		return 0
	}
	inOrder := func(names string, at ...int) {
		t.Helper()
		if !slices.IsSorted(at) {
			t.Errorf("%s: %v\n%s", names, at, strings.Join(g.log, "\n"))
		}
	}
	marker, journal := first("fsync "+tree.MarkerName, 0), first("fsync "+tree.JournalName, 0)
	redo := first("rename ib_logfile", 0)
	inOrder("marker and journal durable, directory, redo away, others hidden, Aria's, directory, stale logs",
		marker, journal, first("fsync directory .", journal), redo,
		first("rename ibdata1"+tree.PartSuffix, 0), first("rename aria_log", 0), first("fsync directory .", redo), first("remove ddl_recovery.log", 0))
	// A server stuck between two of these is not healed by the next transfer, so nothing slow may stand there.
	alone := func(from, to int) {
		t.Helper()
		for _, l := range g.log[from : to+1] {
			if !strings.HasPrefix(l, "rename ") || strings.Contains(l, "aria") {
				t.Errorf("between the renames of InnoDB's files: %s", l)
			}
		}
	}
	alone(redo, first("rename undo004"+tree.PartSuffix, 0))

	sync := first("syncfs", 0)
	show := first("rename ibdata1", sync)
	inOrder("last write, syncfs, directories, keystones", last("write"), sync, first("fsync directory db1", sync), first("fsync directory .", sync), show)
	inOrder("last change of any data", max(last("create"), last("truncate"), last("allocate"), last("chmod"), last("mkdir")), sync)
	others := max(last("rename ibdata1"), last("rename undo001"))
	lastRedo := last("rename ib_logfile0")
	inOrder("Aria's, others, redo, directory, journal, marker, directory",
		last("rename aria_log"), others, lastRedo, first("fsync directory .", lastRedo),
		last("remove "+tree.JournalName), last("remove "+tree.MarkerName), last("fsync directory ."))
	alone(show, lastRedo)
	if last("fsync directory .") != len(g.log)-1 {
		t.Error("something follows the last fsync of the directory")
	}
}

// Where InnoDB's files lie on several file systems no journal keeps their order, and each wave waits for the one before it.
func TestWavesOfTwoFilesystems(t *testing.T) {
	r := newRig(t, filepath.Join(memDir(t), "data"))
	elsewhere := filepath.Join(t.TempDir(), "redo")
	var here, there unix.Stat_t
	mustOK(t, os.Mkdir(elsewhere, 0o700))
	mustOK(t, unix.Stat(elsewhere, &there))
	mustOK(t, unix.Stat(memDir(t), &here))
	if here.Dev == there.Dev {
		t.Skip("needs two file systems: memory and the directory for temporary files")
	}
	r.layout.Redo = elsewhere
	r.reopen()
	s := r.store()
	g := &tape{}
	s.gate = g
	mustOK(t, transfer(t.Context(), s, donor(300)))
	at := func(what string) int {
		return slices.IndexFunc(g.log, func(l string) bool { return strings.HasSuffix(l, what) })
	}
	from, to := at("rename undo001"), at("rename ib_logfile0")
	if from < 0 || to < from || !slices.Contains(g.log[from:to], "fsync directory .") {
		t.Errorf("no fsync between the system tablespaces and redo:\n%s", strings.Join(g.log, "\n"))
	}
}

func TestSyncErrorsAreFinal(t *testing.T) {
	for _, all := range []bool{false, true} {
		for _, what := range []op{opSyncFS, opSync, opSyncDir} {
			if what == opSync && !all {
				continue
			}
			t.Run(fmt.Sprintf("%s/every file=%v", what, all), func(t *testing.T) {
				r := newRig(t, filepath.Join(memDir(t), "data"))
				items := donor(400)
				s := r.store()
				ctx := t.Context()
				mustOK(t, s.Prepare(ctx))
				s.fsyncAll.Store(all)
				mustOK(t, send(ctx, s, items))
				_, err := s.Seal(ctx)
				mustOK(t, err)
				g := &tape{at: 1, err: unix.EIO, only: func(o op, _ string) bool { return o == what }}
				s.gate = g
				if err := s.Commit(ctx); !errors.Is(err, unix.EIO) {
					t.Fatalf("Commit: %v", err)
				}
				if err := s.Commit(ctx); !errors.Is(err, unix.EIO) {
					t.Fatalf("second Commit: %v", err)
				}
				for k := range r.list() {
					if keystoneNames.MatchString(filepath.Base(k)[strings.Index(filepath.Base(k), ":")+1:]) {
						t.Fatalf("%s has its real name", k)
					}
				}
			})
		}
	}
}

func TestFullDiskNamesFileAndRemedy(t *testing.T) {
	for _, what := range []op{opWrite, opTruncate, opAllocate, opCreate, opMkdir} {
		t.Run(string(what), func(t *testing.T) {
			r := newRig(t, filepath.Join(memDir(t), "data"))
			s := r.store()
			mustOK(t, s.Prepare(t.Context()))
			s.gate = &tape{at: 1, err: unix.ENOSPC, only: func(o op, _ string) bool { return o == what }}
			err := send(t.Context(), s, donor(500))
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatalf("%v", err)
			}
			mustFail(t, err, r.layout.Data, string(what), "free space")
			if again := s.Apply(0, 0, nil, nil); !errors.Is(again, unix.ENOSPC) {
				t.Fatalf("later call: %v", again)
			}
			if _, again := s.Upsert(d("x").spec(0)); !errors.Is(again, unix.ENOSPC) {
				t.Fatalf("later call: %v", again)
			}
		})
	}
}

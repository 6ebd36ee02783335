package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"trireme/cmd/internal/bench/meter"
	"trireme/cmd/internal/bench/peer"
	"trireme/cmd/internal/bench/report"
	"trireme/cmd/internal/bench/result"
	"trireme/cmd/internal/cli"
)

// bench runs a command line and returns its exit code and what it said.
func bench(t *testing.T, words ...string) (code int, out, errs string) {
	t.Helper()
	t.Setenv("BENCH_TEST_PROGRAM", "1") // for the programs that it starts
	var o, e bytes.Buffer
	root := cli.Root(cli.Config{Program: "trireme test", Commands: []*cobra.Command{Command("trireme test")}, Out: &o, Err: &e})
	code = cli.Run(t.Context(), root, append([]string{"bench"}, words...))
	return code, o.String(), e.String()
}

// TestRace runs small races of every shape with whoever is here, and looks at the figures.
func TestRace(t *testing.T) {
	dir := t.TempDir()
	results := filepath.Join(dir, "r.json")
	code, out, errs := bench(t, "--scene", "full,files,changed-1,sparse", "--contestant", "trireme,rsync",
		"--size", "6MiB", "--files", "400", "--rounds", "1", "--dir", dir, "--results", results, "--html", filepath.Join(dir, "r.html"), "--gate-write", filepath.Join(dir, "gate.json"))
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "trireme-bench-*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
	rep, err := result.Read(results)
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Scenes) != 4 || rep.Machine.CPUs == 0 || rep.Machine.Kernel == "" || rep.Memory <= 0 {
		t.Fatalf("%d scenes on %+v", len(rep.Scenes), rep.Machine)
	}
	for i := range rep.Scenes {
		s := &rep.Scenes[i]
		ours := s.Find("trireme")
		if ours == nil {
			t.Fatalf("%s: nothing of ours", s.Name)
		}
		for k := range s.Results {
			r := &s.Results[k]
			if r.Failed != "" {
				t.Errorf("%s: %s: %s", s.Name, r.Name, r.Failed)
				continue
			}
			run := &r.Runs[0]
			if run.Wall <= 0 || run.Own <= 0 || r.Name != "digest" && run.Target.Files != s.Source.Files {
				t.Errorf("%s: %s: %+v", s.Name, r.Name, run)
			}
		}
		run := &ours.Runs[0]
		for _, end := range []meter.End{meter.Donor, meter.Joiner} {
			if run.Peak[end] < 1<<20 || run.IO[end].Reads == 0 || run.IO[end].Writes == 0 {
				t.Errorf("%s: the %v has held %d bytes and made %+v", s.Name, end, run.Peak[end], run.IO[end])
			}
		}
		if s.Fresh && !strings.Contains(s.Name, "sparse") && (run.Said.Wire < s.Source.Allocated || float64(run.Loopback) < 0.9*float64(run.Said.Wire)) {
			t.Errorf("%s: %d bytes on the wire by its own count, %d by the device's, of %d", s.Name, run.Said.Wire, run.Loopback, s.Source.Allocated)
		}
		if many := s.Name == "files"; many != (run.Files != nil) {
			t.Errorf("%s: files by processor seconds: %v", s.Name, run.Files)
		} else if many {
			for end, n := range run.Files {
				if want := float64(s.Source.Files) / run.OwnEnds[end]; n <= 0 || n != want {
					t.Errorf("%v: %g files for each processor second, want %g", meter.End(end), n, want)
				}
			}
		}
		if s.Name == "changed-1" && (s.Differs == 0 || run.Said.Sent != s.Differs) {
			t.Errorf("%d bytes differ, %d were sent", s.Differs, run.Said.Sent)
		}
		if s.Name == "sparse" && float64(run.Target.Allocated) > 1.01*float64(s.Source.Allocated) {
			t.Errorf("%d bytes allocated of a copy of %d", run.Target.Allocated, s.Source.Allocated)
		}
	}
	if s := rep.Scenes[0]; s.Find("trireme").Against != kindTLS || s.Ratio(s.Find("trireme")) <= 0 {
		t.Errorf("compared with %q", s.Find("trireme").Against)
	}
	for _, want := range []string{"changed-1: 1 % of the old copy's pages changed", "(pipe-tls)", "of ceiling", "files/CPU-s donor"} {
		if !strings.Contains(out, want) {
			t.Errorf("the table lacks %q:\n%s", want, out)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "r.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"</html>", "<svg", "rsync", "processor time at the joiner", rep.Machine.Kernel} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, not := range []string{"<script", "src=", "@import", "href=\"http"} {
		if bytes.Contains(page, []byte(not)) {
			t.Errorf("the page holds %q", not)
		}
	}
	// The gate that was just written is open for the same figures, and nothing else is.
	if code, _, errs := bench(t, "--load", results, "--gate", filepath.Join(dir, "gate.json")); code != 0 {
		t.Errorf("the gate is shut: %s", errs)
	}
}

// TestLoadNamesBuilds: figures of two builds on one page must not be taken for those of one.
func TestLoadNamesBuilds(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for _, program := range []string{"trireme one", "trireme two", "trireme one"} {
		files = append(files, filepath.Join(dir, fmt.Sprint(len(files))))
		r := result.Report{Version: result.Version, Program: program, Scenes: []result.Scene{{Name: "full", Title: "all of it"}}}
		if err := r.Write(files[len(files)-1]); err != nil {
			t.Fatal(err)
		}
	}
	rep, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"all of it", "all of it; by trireme two", "all of it"} {
		if got := rep.Scenes[i].Title; got != want {
			t.Errorf("scene %d: %q, want %q", i, got, want)
		}
	}
}

// TestTunnels runs those that need programs which are not on every machine.
func TestTunnels(t *testing.T) {
	dir := t.TempDir()
	results := filepath.Join(dir, "r.json")
	code, out, errs := bench(t, "--scene", "full", "--contestant", "trireme-plain,rsync+socat,rsync+stunnel,tar+socat,rclone", "--size", "4MiB", "--rounds", "1", "--dir", dir, "--no-ceilings", "--results", results)
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	rep, err := result.Read(results)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(rep.Scenes[0].Results) + len(rep.Missing); n != 5 {
		t.Errorf("%d of five took part or were named", n)
	}
	for _, r := range rep.Scenes[0].Results {
		if r.Failed != "" {
			t.Errorf("%s: %s", r.Name, r.Failed)
		}
	}
}

// TestInexactCopyFails: a program that copies all but a byte has not finished the race.
func TestInexactCopyFails(t *testing.T) {
	dir := t.TempDir()
	cp := filepath.Join(dir, "cp")
	if err := os.WriteFile(cp, []byte("#!/bin/sh\n/bin/cp \"$@\" && for last; do :; done && printf x | dd of=\"$last/ibdata1\" bs=1 seek=70000 conv=notrunc 2>/dev/null\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	results := filepath.Join(dir, "r.json")
	if code, _, errs := bench(t, "--scene", "full", "--contestant", "cp", "--size", "4MiB", "--rounds", "1", "--dir", dir, "--no-ceilings", "--results", results); code != 0 {
		t.Fatal(errs)
	}
	rep, err := result.Read(results)
	if err != nil {
		t.Fatal(err)
	}
	if r := rep.Scenes[0].Results[0]; len(r.Runs) != 0 || !strings.Contains(r.Failed, "ibdata1 differs") {
		t.Errorf("%d runs, failed: %q", len(r.Runs), r.Failed)
	}
}

// TestGateFires with each figure that is worse, and with one that is missing.
func TestGateFires(t *testing.T) {
	rep := func(own float64, wire, reads, peak int64) *result.Report {
		run := result.Run{Usage: meter.Usage{Own: own}, Said: peer.Own{Wire: wire}}
		run.IO[meter.Donor].Reads, run.IO[meter.Joiner].Writes, run.Peak[meter.Joiner] = reads, reads, peak
		ours := result.Result{Name: "trireme", Ours: true, Against: kindTLS, Runs: []result.Run{run}}
		bare := result.Result{Name: kindTLS, Ceiling: true, Runs: []result.Run{{Usage: meter.Usage{Own: 1}}}}
		s := result.Scene{Name: "full", Results: []result.Result{ours, bare}}
		s.Source.Bytes = 1e6
		return &result.Report{Scenes: []result.Scene{s}}
	}
	file := filepath.Join(t.TempDir(), "gate.json")
	if err := writeGate(rep(1, 1000000, 1000, 100<<20), file); err != nil {
		t.Fatal(err)
	}
	if err := gate(rep(1.1, 1001000, 1050, 110<<20), file); err != nil {
		t.Errorf("shut for what is within the slack: %v", err)
	}
	for name, r := range map[string]*result.Report{
		"full/trireme/cpu-of-ceiling":     rep(1.3, 1000000, 1000, 100<<20),
		"full/trireme/wire-of-size":       rep(1, 1020000, 1000, 100<<20),
		"full/trireme/donor-calls-per-MB": rep(1, 1000000, 1200, 100<<20),
		"full/trireme/peak-MiB":           rep(1, 1000000, 1000, 200<<20),
		"was not measured":                {},
	} {
		if err := gate(r, file); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(file, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := gate(rep(1, 1, 1, 1), file); err == nil {
		t.Error("open with nothing to compare")
	}
}

func TestPickScenes(t *testing.T) {
	for words, want := range map[string]string{"full": "full", "runs-*": "runs-0.1 runs-1 runs-10", "touched,full": "full touched", "scale-hole": "scale-hole"} {
		in, err := pickScenes(strings.Split(words, ","))
		var names []string
		for _, s := range in {
			names = append(names, s.name)
		}
		if err != nil || strings.Join(names, " ") != want {
			t.Errorf("%s: %v, %v", words, names, err)
		}
	}
	for _, bad := range []string{"ful", "x*"} {
		if _, err := pickScenes([]string{bad}); err == nil {
			t.Errorf("%q is a scene", bad)
		}
	}
	all, err := pickScenes([]string{"all"})
	if err != nil || slices.ContainsFunc(all, func(s scene) bool { return s.scale }) || len(all) < 15 {
		t.Errorf("all are %d scenes, %v", len(all), err)
	}
}

// TestUsage: what cannot be raced is said before anything is made.
func TestUsage(t *testing.T) {
	for _, words := range [][]string{{"--scene", "none"}, {"--contestant", "nobody"}, {"--size", "many"}, {"--rounds", "-1", "--list"}, {"--parallel", "0", "--list"}, {"--files", "0", "--list"}, {"--streams", "-1", "--list"}, {"--binary", "/does/not/exist"}, {"ceiling", "x", "a", "b"}} {
		if code, _, errs := bench(t, words...); code != cli.ExitUsage || errs == "" {
			t.Errorf("%q: exit code %d, %q", words, code, errs)
		}
	}
	code, out, _ := bench(t, "--list")
	if code != 0 || !strings.Contains(out, "mariabackup: ") || !strings.Contains(out, "scale-streams") {
		t.Errorf("exit code %d, %s", code, out)
	}
}

// TestSetIsChecked: a wrong setting is refused in the words of the option, before anything is made.
func TestSetIsChecked(t *testing.T) {
	for words, want := range map[string]string{
		"sterams=4":             "sterams (command line): no such setting of the group [trireme]; did you mean streams?",
		"streams=1000":          "streams (command line): \"1000\" is not a whole number between 0 and 256",
		"delta=off,compress=lz": `compress (command line): "lz" is not one of auto, off, zstd, s2`,
		"paranoid":              `flag --set "paranoid": expected NAME=VALUE`,
		"=4":                    `flag --set "=4": expected NAME=VALUE`,
	} {
		dir := t.TempDir()
		code, _, errs := bench(t, "--set", words, "--scene", "full", "--contestant", "cp", "--size", "1MiB", "--rounds", "1", "--no-ceilings", "--dir", dir)
		if code != cli.ExitUsage || !strings.Contains(errs, want) || strings.Contains(errs, "round") {
			t.Errorf("%s: exit code %d, want %q: %s", words, code, want, errs)
		}
	}
	if code, _, errs := bench(t, "--set", "rate_limit=10m,loose-streams=2", "--list"); code != 0 {
		t.Errorf("good settings are refused: %s", errs)
	}
}

// TestLocks shows the lock races of a file.
func TestLocks(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "locks.json")
	text := `[{"method":"trireme","bytes":400000000,"joins":[{"join_seconds":5,"gap_seconds":0.1,"blocked_seconds":0.2}]},
		{"method":"trireme","bytes":1600000000,"joins":[{"join_seconds":9,"gap_seconds":0.12,"blocked_seconds":0.2}]}]`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := locks(nil, []string{file})
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	page := filepath.Join(dir, "p.html")
	if err := report.HTML(page, &result.Report{Locks: all}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(page)
	if err != nil || !bytes.Contains(b, []byte("could not commit")) || !bytes.Contains(b, []byte("<svg")) {
		t.Errorf("%v: %s", err, b)
	}
	if _, err := locks(nil, []string{filepath.Join(dir, "none")}); err == nil {
		t.Error("a missing file is no error")
	}
}

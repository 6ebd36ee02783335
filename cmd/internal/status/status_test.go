package status

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trireme/proto"
)

func running() Status {
	eta := 12.5
	return Status{
		Version: Version, Program: "trireme 1", Role: "send", Directory: `/d/"x"`, PID: 7, Started: time.Unix(1800000000, 0).UTC(), Updated: time.Unix(1800000010, 0).UTC(),
		Result: Running, Phase: "copying", Total: 200, Done: 50, Rate: 5, RateMean: 4, ETA: &eta, Files: 3, Bytes: 200, Read: 50, Sent: 20, Saved: 25, Holes: 5,
		Wire: 22, Streams: 4, Seconds: 10, Passes: []proto.PassStats{},
	}
}

// TestFile: what is written is read again; half a file, a foreign one and one of a later version are told apart.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.json")
	s := running()
	for range 2 {
		if err := Write(path, &s, nil); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(path)
	if err != nil || got.Directory != s.Directory || *got.ETA != 12.5 || !got.Started.Equal(s.Started) || got.Finished() {
		t.Fatalf("%+v, %v", got, err)
	}
	if names, err := os.ReadDir(filepath.Dir(path)); err != nil || len(names) != 1 {
		t.Errorf("left beside: %v, %v", names, err)
	}
	for text, want := range map[string]string{`{"version":`: "unexpected end", `{"version":2}`: "version 2, this program knows 1", "": "unexpected end"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	// A link in the place of the file that is renamed leads nowhere.
	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.Remove(path), os.WriteFile(victim, []byte("precious"), 0o600), os.Symlink(victim, filepath.Join(filepath.Dir(path), ".s.json.tmp")), Write(path, &s, nil)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestMetrics: every line has the form that Prometheus reads, and the table of the manual names every metric.
func TestMetrics(t *testing.T) {
	s := running()
	s.Result, s.ExitCode = Failed, 6
	text := string(Metrics(&s))
	line := regexp.MustCompile(`^(# (HELP|TYPE) trireme_[a-z_]+ .+|trireme_[a-z_]+\{directory="/d/\\"x\\"",role="send"(,kind="[a-z]+")?\} -?[0-9.]+)$`)
	for l := range strings.Lines(text) {
		if !line.MatchString(strings.TrimSuffix(l, "\n")) {
			t.Errorf("not a line of the format: %q", l)
		}
	}
	for _, want := range []string{
		"trireme_transfer_success{directory=\"/d/\\\"x\\\"\",role=\"send\"} 0\n", "trireme_transfer_exit_code{directory=\"/d/\\\"x\\\"\",role=\"send\"} 6\n",
		"kind=\"saved\"} 25\n", "trireme_transfer_phase_done_ratio{directory=\"/d/\\\"x\\\"\",role=\"send\"} 0.25\n", "trireme_transfer_not_sent_ratio{directory=\"/d/\\\"x\\\"\",role=\"send\"} 0.9\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	manual, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range metrics {
		if !strings.Contains(string(manual), "`"+m.name) {
			t.Errorf("README.md does not name %s", m.name)
		}
	}
}

// TestTracker: the file nobody asked for is not written before a full copy is sure, and its failures are nobody's business; one
// that was asked for is there from the start, or there is one warning.
func TestTracker(t *testing.T) {
	dir := t.TempDir()
	var said []string
	config := Config{Role: "joiner", Directory: dir, File: filepath.Join(dir, "s.json"), Warn: func(format string, args ...any) { said = append(said, format) }}
	tr := New(config, new(proto.Progress))
	tr.Tick(time.Now())
	tr.Finish(Bypass, proto.Summary{Bypass: true}, nil, 0)
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("a bypass wrote %v, %v", names, err)
	}
	config.Wanted = true
	tr = New(config, new(proto.Progress))
	tr.Tick(time.Now())
	if s, err := Read(config.File); err != nil || s.Result != Running || s.Phase != "waiting" {
		t.Errorf("%+v, %v", s, err)
	}
	s := tr.Finish(Failed, proto.Summary{}, errors.New("the disk is full"), 5)
	if back, err := Read(config.File); err != nil || back.Error != "the disk is full" || back.ExitCode != 5 || s.Error != back.Error {
		t.Errorf("%+v, %v", back, err)
	}
	for _, wanted := range []bool{false, true} {
		said = nil
		config.Wanted, config.File = wanted, filepath.Join(dir, "none", "s.json")
		tr = New(config, new(proto.Progress))
		for range 3 {
			tr.Tick(time.Now().Add(time.Hour))
		}
		tr.Finish(Complete, proto.Summary{Files: 2, Bytes: 10}, nil, 0)
		if len(said) > 1 || (len(said) == 1) != wanted {
			t.Errorf("wanted %v: said %q", wanted, said)
		}
	}
}

// TestMeter: the mean is that of the phase, the present rate that of the last seconds.
func TestMeter(t *testing.T) {
	var m Meter
	now := time.Unix(0, 0)
	for i, done := range []int64{0, 100, 200, 300, 300, 300, 300} {
		m.Add(now.Add(time.Duration(i)*time.Second), proto.Snapshot{Phase: proto.PhaseLive, Total: 1000, Done: done})
	}
	if m.Mean() != 50 || m.Recent() >= 30 || m.Recent() <= 0 {
		t.Errorf("mean %v, recent %v", m.Mean(), m.Recent())
	}
	stalled := m
	for i := range 100 {
		stalled.Add(now.Add(time.Duration(7+i)*time.Second), proto.Snapshot{Phase: proto.PhaseLive, Total: 1000, Done: 300})
	}
	if eta, ok := stalled.ETA(proto.Snapshot{Total: 1000, Done: 300}); ok {
		t.Errorf("a transfer that stands still ends in %v", eta)
	}
	if eta, ok := m.ETA(proto.Snapshot{Total: 1000, Done: 300}); !ok || eta < 20*time.Second {
		t.Error(eta, ok)
	}
}

// TestReadPipe: a pipe under the name of a status file does not hold the reader up.
func TestReadPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("%v", err)
	}
	if err := Write(path, &Status{Version: Version}, nil); err == nil {
		t.Error("the pipe was replaced")
	}
}

// TestFan: several transfers are added up, each keeps its own end, and the file is read again.
func TestFan(t *testing.T) {
	dir := t.TempDir()
	var a, b proto.Progress
	f := NewFan(Config{Program: "trireme 1", Role: "send", Directory: "/d", File: filepath.Join(dir, "s.json"), Wanted: true, Metrics: filepath.Join(dir, "m.prom")}, []string{"a:1", "b:2"}, []*proto.Progress{&a, &b})
	one := f.End(0, Complete, proto.Summary{Files: 3, Bytes: 100, Wire: 120}, nil, 0)
	if one.Receiver != "a:1" || one.Result != Complete {
		t.Errorf("%+v", one)
	}
	s := f.Tick(time.Now())
	if s.Finished() || len(s.Receivers) != 2 || !s.Receivers[0].Finished() || s.Receivers[1].Finished() || s.Bytes != 100 || s.Phase != "waiting" {
		t.Errorf("%+v", s)
	}
	f.End(1, Failed, proto.Summary{}, errors.New("cut"), 6)
	f.Finish(Failed, errors.New("1 of 2"), 6)
	got, err := Read(filepath.Join(dir, "s.json"))
	if err != nil || got.Result != Failed || got.Error != "1 of 2" || got.ExitCode != 6 || got.Receivers[1].Error != "cut" || got.Receivers[0].ExitCode != 0 || got.Wire != 120 {
		t.Errorf("%+v, %v", got, err)
	}
	m, err := os.ReadFile(filepath.Join(dir, "m.prom"))
	if err != nil || !strings.Contains(string(m), `trireme_transfer_exit_code{directory="/d",role="send",receiver="b:2"} 6`) || strings.Contains(string(m), `role="send"}`) {
		t.Errorf("%s, %v", m, err)
	}
}

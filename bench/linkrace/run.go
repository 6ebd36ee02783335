package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"trireme/bench/netlab"
)

// result is one transfer.
type result struct {
	Scene      string   `json:"scene"`
	Contestant string   `json:"contestant"`
	Round      int      `json:"round"` // from 1
	Bytes      int64    `json:"bytes"`
	Seconds    float64  `json:"seconds"` // from the start of the sender to the end of both
	Donor      float64  `json:"donor_cpu_seconds"`
	Joiner     float64  `json:"joiner_cpu_seconds"`
	Wire       int64    `json:"wire_bytes"`
	Sent       int64    `json:"sent_bytes"`
	Cuts       int      `json:"cuts"`
	Error      string   `json:"error,omitempty"`
	Says       []string `json:"says,omitempty"` // of the sender, about its decisions
}

// missing is a contestant that the program does not know.
type missing struct{ why string }

func (m *missing) Error() string { return m.why }

func run(ctx context.Context, o options) (err error) {
	if err := netlab.Possible(); err != nil {
		return err
	}
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return err
	}
	if o.dir == "" {
		o.dir = "/dev/shm"
	}
	if o.dir, err = os.MkdirTemp(o.dir, "linkrace-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	var all []result
	for _, name := range o.scenes {
		i := slices.IndexFunc(scenes, func(s scene) bool { return s.name == name })
		if i < 0 {
			return fmt.Errorf("no scene is called %q", name)
		}
		s := scenes[i]
		if o.only != nil {
			s.in = slices.DeleteFunc(slices.Clone(s.in), func(c contestant) bool { return !slices.Contains(o.only, c.name) })
		}
		if o.mb > 0 {
			s.mb = o.mb
		}
		results, lost, err := play(ctx, o, s)
		report(s, results, lost)
		all = append(all, results...)
		if err != nil {
			return err
		}
	}
	if o.json == "" {
		return nil
	}
	return save(ctx, o, all)
}

// play lets the contestants of a scene alternate. lost says who could not take part, and why.
func play(ctx context.Context, o options, s scene) (all []result, lost map[string]string, err error) {
	lost = map[string]string{}
	if o.rounds > 0 {
		s.rounds = o.rounds
	}
	src := filepath.Join(o.dir, "source")
	defer func() { err = errors.Join(err, os.RemoveAll(src)) }()
	for _, mb := range s.sizes() {
		if err := fill(source(src, mb), mb); err != nil {
			return nil, nil, fmt.Errorf("make data: %w", err)
		}
	}
	for round := range s.rounds {
		for _, c := range s.in {
			if lost[c.name] != "" {
				continue
			}
			r, err := transfer(ctx, o, s, c, source(src, s.size(c)))
			var m *missing
			if errors.As(err, &m) {
				lost[c.name] = m.why
				continue
			}
			if err != nil {
				return all, lost, fmt.Errorf("scene %s, %s: %w", s.name, c.name, err)
			}
			r.Round = round + 1
			fmt.Fprintf(os.Stderr, "%s, round %d, %s: %.2f s, %.1f MB/s %s\n", s.name, r.Round, c.name, r.Seconds, float64(r.Bytes)/1e6/r.Seconds, r.Error)
			if o.verbose {
				for _, line := range r.Says {
					fmt.Fprintf(os.Stderr, "    %s\n", line)
				}
			}
			all = append(all, r)
		}
	}
	return all, lost, nil
}

// size is how much a contestant moves, in MiB.
func (s scene) size(c contestant) int {
	if c.mb > 0 {
		return min(c.mb, s.mb)
	}
	return s.mb
}

// sizes are those of all contestants.
func (s scene) sizes() (all []int) {
	for _, c := range s.in {
		if n := s.size(c); !c.bare && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// source is the datadir of a size.
func source(dir string, mb int) string { return filepath.Join(dir, fmt.Sprint(mb)) }

// limit ends a transfer that does not end by itself.
const limit = 5 * time.Minute

// transfer makes one, in a lab of its own, into an empty directory.
func transfer(ctx context.Context, o options, s scene, c contestant, src string) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r = result{Scene: s.name, Contestant: c.name}
	if c.bare {
		r.Bytes = int64(s.size(c)) << 20
		return bareTransfer(ctx, r)
	}
	dst := filepath.Join(o.dir, "target")
	defer func() { err = errors.Join(err, os.RemoveAll(dst)) }()
	start, host := (*exec.Cmd).Start, "127.0.0.1"
	there := start
	if s.link != nil {
		lab, err := netlab.New(*s.link)
		if err != nil {
			return r, err
		}
		defer lab.Close()
		start, there, host = lab.Host(0).Start, lab.Host(1).Start, lab.Host(1).Addr().String()
		if s.modest {
			start = startModest(lab.Host(0))
		}
		if s.cut > 0 {
			stop := cutting(lab.Link(0, 1), s.cut, &r.Cuts)
			defer stop()
		}
	}
	receiver, err := receive(ctx, o, there, host, c, dst)
	if err != nil {
		return r, err
	}
	options := filepath.Join(o.dir, "sender.cnf")
	if err := os.WriteFile(options, []byte("[trireme]\n"+strings.Join(c.set, "\n")+"\n"), 0o600); err != nil {
		return r, err
	}
	summary := filepath.Join(o.dir, "sender.json")
	words := append([]string{"send", "--defaults-file", options, "--status-file", summary, "--progress", "none", "-v"}, c.words...)
	var errs strings.Builder
	sender := exec.CommandContext(ctx, o.binary, append(words, src, receiver.ticket)...)
	sender.Stderr = &errs
	began := time.Now()
	if err := start(sender); err != nil {
		return r, errors.Join(err, receiver.stop())
	}
	sent := sender.Wait()
	if sender.ProcessState.ExitCode() == exitUsage {
		return r, errors.Join(&missing{lastLine(errs.String())}, receiver.stop())
	}
	if code := sender.ProcessState.ExitCode(); code == exitSource || code == exitRefused {
		return r, errors.Join(errors.New(lastLine(errs.String())), receiver.stop())
	}
	got := receiver.cmd.Wait()
	r.Seconds = time.Since(began).Seconds()
	r.Donor, r.Joiner = cpu(sender), cpu(receiver.cmd)
	for line := range strings.Lines(errs.String()) {
		if strings.Contains(line, "compress") || strings.Contains(line, "connection") || strings.Contains(line, "transport") {
			r.Says = append(r.Says, strings.TrimSpace(line))
		}
	}
	if err := figures(summary, &r); err != nil {
		return r, fmt.Errorf("%w; the sender said: %s", err, errs.String())
	}
	if sent != nil || got != nil {
		if s.cut == 0 {
			return r, fmt.Errorf("sender: %v: %s; receiver: %v: %s", sent, lastLine(errs.String()), got, lastLine(receiver.errs.String()))
		}
		r.Error = "did not complete: " + lastLine(errs.String())
		return r, nil
	}
	return r, same(src, dst)
}

// Exit codes of the program: words it does not know, and sources it does not take before it connects to anybody.
const (
	exitUsage   = 2
	exitSource  = 3
	exitRefused = 7
)

// figures reads the sender's summary.
func figures(file string, r *result) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var s struct {
		Bytes int64 `json:"bytes_total"`
		Sent  int64 `json:"bytes_sent"`
		Wire  int64 `json:"wire_bytes"`
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	r.Bytes, r.Sent, r.Wire = s.Bytes, s.Sent, s.Wire
	return nil
}

func cpu(c *exec.Cmd) float64 {
	return (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

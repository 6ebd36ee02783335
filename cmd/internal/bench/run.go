package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"trireme/cmd/internal/bench/ceiling"
	"trireme/cmd/internal/bench/datadir"
	"trireme/cmd/internal/bench/meter"
	"trireme/cmd/internal/bench/peer"
	"trireme/cmd/internal/bench/result"
)

// runner takes a scene to its end.
type runner struct {
	o      *options
	say    func(format string, args ...any)
	binary string
	dir    string // everything lies here
	in     []*peer.Contestant
	named  bool // the contestants were asked for by name
}

// racer is a contestant or a ceiling.
type racer struct {
	result result.Result
	c      *peer.Contestant
	kind   string // of a ceiling
}

// manyFiles is from where on a contestant that is slow with files would hold up all others.
const manyFiles = 20000

// field is who races in a scene, and what bounds whom.
func (r *runner) field(s *scene, o *options) []*racer {
	var all []*racer
	for _, c := range r.in {
		if !r.named && s.only != nil && !slices.Contains(s.only, c.Name) || !s.fresh && !c.Delta {
			continue
		}
		if !r.named && c.SlowFiles && s.data(o).Small > manyFiles {
			r.say("  %s takes about 2 ms a file and does not take part in this scene unless it is asked for by name", c.Name)
			continue
		}
		against := kindDigest
		switch {
		case !s.fresh:
		case c.Hops == 0:
			against = kindFiles
		case c.Encrypted:
			against = kindTLS
		default:
			against = kindPlain
		}
		if !c.Ours {
			against = ""
		}
		all = append(all, &racer{c: c, result: result.Result{Name: c.Name, Ours: c.Ours, Encrypted: c.Encrypted, Hops: c.Hops, Against: against}})
	}
	if s.holes || s.own || r.o.noCeilings {
		return all // a bare copy would write the holes, and who trusts the times need not read
	}
	kinds := []string{kindFiles, kindRange, kindPlain, kindTLS}
	if !s.fresh {
		kinds = []string{kindDigest}
	}
	for _, k := range kinds {
		hops := 0
		if k == kindPlain || k == kindTLS {
			hops = 1
		}
		all = append(all, &racer{kind: k, result: result.Result{Name: k, Ceiling: true, Encrypted: k == kindTLS, Hops: hops}})
	}
	return all
}

// scene runs one scene.
func (r *runner) scene(ctx context.Context, s *scene, o *options, param float64) (out result.Scene, err error) {
	out = result.Scene{Name: s.name, Title: s.title, Param: param, Unit: s.unit, Fresh: s.fresh}
	source, target := filepath.Join(r.dir, "source"), filepath.Join(r.dir, "target")
	var field []*racer
	defer func() {
		for _, by := range field { // those of an interrupted scene too
			out.Results = append(out.Results, by.result)
		}
		err = errors.Join(err, os.RemoveAll(source), os.RemoveAll(target))
	}()
	d, err := datadir.Make(ctx, source, s.data(o))
	if err != nil {
		return out, err
	}
	if out.Source, err = datadir.Measure(source); err != nil {
		return out, err
	}
	head := out.Title
	if s.params != nil {
		head += fmt.Sprintf(", %g %s", param, s.unit)
	}
	r.say("%s: %s; %d files, %.2f GB, %.2f GB allocated", s.name, head, out.Source.Files, float64(out.Source.Bytes)/1e9, float64(out.Source.Allocated)/1e9)
	rounds := o.rounds
	if rounds == 0 {
		if rounds = s.rounds; rounds == 0 {
			rounds = defaultRounds
		}
	}
	field = r.field(s, o)
	if s.own && !s.scale {
		if err := r.rest(ctx, source, field); err != nil {
			return out, err
		}
	}
	if !s.fresh && !s.own {
		// One old copy serves all: after every run it is exact again.
		if err := ceiling.Files(ctx, source, target, 2); err != nil {
			return out, err
		}
	}
	for round := range rounds {
		for _, by := range field {
			if by.result.Failed != "" {
				continue
			}
			run, differs, err := r.one(ctx, s, o, d, by, target)
			if err != nil {
				if ctx.Err() != nil {
					return out, context.Cause(ctx)
				}
				// The others can go on, from an exact copy.
				r.say("  %s failed: %v", by.result.Name, err)
				by.result.Failed = err.Error()
				if !s.fresh && !s.own {
					if err := errors.Join(os.RemoveAll(target), ceiling.Files(ctx, source, target, 2)); err != nil {
						return out, err
					}
				}
				continue
			}
			out.Differs = differs
			if out.ManyFiles() {
				run.Files = &[2]float64{out.FilesAt(&run, meter.Donor), out.FilesAt(&run, meter.Joiner)}
			}
			by.result.Runs = append(by.result.Runs, run)
			r.say("  round %d  %-16s %7.3f s  %6.0f MB/s  %5.2f CPU-s/GB (own %.2f)", round+1, by.result.Name, run.Wall,
				float64(out.Source.Bytes)/1e6/run.Wall, run.Machine/(float64(out.Source.Bytes)/1e9), run.Own/(float64(out.Source.Bytes)/1e9))
		}
	}
	return out, nil
}

// one is a single run with what has to be around it.
func (r *runner) one(ctx context.Context, s *scene, o *options, d *datadir.Dir, by *racer, target string) (run result.Run, differs int64, err error) {
	scratch, err := os.MkdirTemp(r.dir, "scratch-")
	if err != nil {
		return run, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	job := &peer.Job{Source: d.Path, Target: target, Scratch: scratch, Fresh: s.fresh, Holes: s.holes, Parallel: o.parallel, Streams: o.streams, Extra: o.set}
	if s.own && s.scale {
		job.Extra = append(slices.Clone(o.set), "manifest=off") // they are about what a comparison costs
	}
	if s.fresh || s.own {
		if err := os.RemoveAll(target); err != nil {
			return run, 0, err
		}
	}
	if s.own {
		// Untimed: the contestant makes its own old copy.
		first := *job
		first.Fresh = true
		if _, _, err := r.measured(ctx, by, &first); err != nil {
			return run, 0, fmt.Errorf("the old copy: %w", err)
		}
	}
	if s.change != nil {
		if differs, err = s.change(ctx, d); err != nil {
			return run, 0, err
		}
	}
	facts, err := datadir.Measure(d.Path)
	if err != nil {
		return run, 0, err
	}
	if s.fresh {
		differs = facts.Bytes
	}
	meter.TouchMemory(facts.Allocated + facts.Allocated/4 + min(facts.Allocated, 512<<20)) // the copy, and what programs take themselves
	usage, own, err := r.measured(ctx, by, job)
	if err != nil {
		return run, 0, err
	}
	run = result.Run{Usage: usage, Said: own}
	switch {
	case by.kind == kindDigest: // the copy was only read
		if _, err := datadir.Compare(ctx, d.Path, target); err != nil {
			// The change is not in it yet. Whoever comes next has to have the same to do.
			if err := errors.Join(os.RemoveAll(target), ceiling.Files(ctx, d.Path, target, 2)); err != nil {
				return run, 0, err
			}
		}
	default:
		if run.Target, err = datadir.Compare(ctx, d.Path, target); err != nil {
			return run, 0, fmt.Errorf("the copy is not exact: %w", err)
		}
	}
	if s.after != nil {
		err = s.after(d, target)
	}
	return run, differs, err
}

func (r *runner) measured(ctx context.Context, by *racer, job *peer.Job) (u meter.Usage, own peer.Own, err error) {
	g := meter.NewGroup()
	defer func() { u = g.Stop() }()
	if by.c != nil {
		own, err = by.c.Run(ctx, g, job)
		return u, own, err
	}
	conns := r.o.streams
	if conns == 0 {
		conns = defaultConns
	}
	if err := g.Begin(); err != nil {
		return u, own, err
	}
	p, err := g.Start(meter.Joiner, exec.Command(r.binary, "bench", "ceiling", by.kind, job.Source, job.Target, "--workers", strconv.Itoa(conns)))
	if err != nil {
		return u, own, err
	}
	if err := g.Wait(ctx, p); err != nil {
		return u, own, err
	}
	return u, own, g.Lap()
}

// versions are those of the programs that raced, as they say themselves.
func versions() map[string]string {
	all := map[string]string{}
	for name, words := range map[string][]string{
		"rsync": {"rsync", "--version"}, "socat": {"socat", "-V"}, "stunnel": {"stunnel4", "-version"}, "tar": {"tar", "--version"},
		"rclone": {"rclone", "version"}, "openssl": {"openssl", "version"}, "cp": {"cp", "--version"}, "mariabackup": {"mariabackup", "--version"},
	} {
		out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
		if err != nil {
			continue // it does not take part
		}
		for line := range strings.Lines(string(out)) {
			// Some say who they are before what they are.
			if line = strings.TrimSpace(line); strings.ContainsAny(line, "0123456789") && strings.Contains(strings.ToLower(line), name) {
				all[name] = line
				break
			}
		}
	}
	return all
}

package bench

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/dustin/go-humanize" // sizes as people write them
	"github.com/spf13/cobra"        // the tree of commands

	"trireme/cmd/internal/bench/ceiling"
	"trireme/cmd/internal/bench/meter"
	"trireme/cmd/internal/bench/peer"
	"trireme/cmd/internal/bench/report"
	"trireme/cmd/internal/bench/result"
	"trireme/cmd/internal/cli"
)

const long = `Race whole transfers on this machine: this program against cp, rsync, tar and rclone,
plain and through socat and stunnel, in situations that a datadir can be in.

Each contestant is run as its users would run it, both ends on this host; they take
turns, and every copy is compared with its source. Shown are medians of all rounds
with the smallest and the largest value. Nothing is touched but one directory of its
own below --dir, which is removed at the end.

A race needs room for two copies of its data and half a GB, in --dir and, where that
is in memory, there. The figures mean something when the machine has nothing else to do.`

const (
	defaultRounds = 5
	defaultConns  = 4 // connections of ours on a machine with up to four processors
)

// size is a flag of bytes.
type size int64

func (s *size) String() string { return humanize.IBytes(uint64(*s)) }
func (s *size) Type() string   { return "size" }
func (s *size) Set(v string) error {
	n, err := humanize.ParseBytes(v)
	if err != nil || n > 1<<50 {
		return fmt.Errorf("expected a size such as 1600MiB or 4GB")
	}
	*s = size(n)
	return nil
}

type options struct {
	scenes, contestants  []string
	size                 size
	files, rounds        int
	parallel, streams    int
	dir, binary, against string
	results, html        string
	load, locks, set     []string
	gate, gateWrite      string
	params               []string
	list, noCeilings     bool
}

// Command is "trireme bench". program is our name and version.
func Command(program string) *cobra.Command {
	o := &options{size: 1600 << 20}
	cmd := &cobra.Command{
		Use: "bench", Short: "race transfers on this machine", Long: long, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd, program) },
	}
	cli.SetExits(cmd, []cli.Exit{
		{Code: "0", Meaning: "all races were run, and no figure of `--gate` has grown"},
		{Code: "1", Meaning: "a transfer of ours failed, a figure of `--gate` has grown, or a race could not be run"},
		{Code: "2", Meaning: "the command line could not be understood; nothing was raced"},
	})
	f := cmd.Flags()
	f.StringSliceVar(&o.scenes, "scene", []string{"full", "touched", "changed-1"}, "situations: names, beginnings with a star, or all")
	f.StringSliceVar(&o.contestants, "contestant", []string{"all"}, "who takes part: names, or all")
	f.Var(&o.size, "size", "size of the tables")
	f.IntVar(&o.files, "files", 100000, "files in the scenes of many files")
	f.IntVar(&o.rounds, "rounds", 0, "runs by each (default 5, fewer in scenes about scale)")
	f.IntVar(&o.parallel, "parallel", 2, "processes side by side of rsync")
	f.IntVar(&o.streams, "streams", 0, "most data connections of ours; 0: its own choice")
	f.StringSliceVar(&o.set, "set", nil, "settings of [trireme] for ours, as name=value")
	f.StringVar(&o.dir, "dir", "", "where the data are made (default: /dev/shm when it has room)")
	f.StringVar(&o.binary, "binary", "", "the build that races (default: this one)")
	f.StringVar(&o.against, "against", "", "another build that races as well, as \"other\" and \"other-plain\"")
	f.StringVar(&o.results, "results", "", "write everything as JSON to this file; - for standard output, then without tables")
	f.StringVar(&o.html, "html", "", "write one page with tables and plots to this file")
	f.StringSliceVar(&o.load, "load", nil, "show results of earlier runs in place of racing")
	f.StringSliceVar(&o.locks, "locks", nil, "show the JSON of lock races on a real cluster as well")
	f.StringSliceVar(&o.params, "param", nil, "of scenes about scale, run these values only")
	f.StringVar(&o.gate, "gate", "", "compare with the figures of this file, and fail when one has grown")
	f.StringVar(&o.gateWrite, "gate-write", "", "write the figures that --gate compares with to this file")
	f.BoolVar(&o.noCeilings, "no-ceilings", false, "leave out what the machine allows at most")
	f.BoolVar(&o.list, "list", false, "name scenes and contestants, and who cannot take part here and why")
	cmd.AddCommand(ceilingCommand())
	return cmd
}

func (o *options) run(cmd *cobra.Command, program string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if o.binary == "" {
		o.binary = self
	}
	for _, b := range []*string{&o.binary, &o.against} {
		if *b == "" {
			continue
		}
		if *b, err = filepath.Abs(*b); err != nil {
			return err
		}
		if _, err := os.Stat(*b); err != nil {
			return cli.Usage(err)
		}
	}
	all := peer.All(o.binary, o.against)
	in, missing, err := peer.Pick(all, o.contestants)
	if err != nil {
		return cli.Usage(fmt.Errorf("flag --contestant: %w", err))
	}
	if o.rounds < 0 || o.files < 1 || o.parallel < 1 || o.streams < 0 {
		return cli.Usage(fmt.Errorf("flags --rounds %d, --files %d, --parallel %d, --streams %d: --files and --parallel are 1 at least, and none is negative",
			o.rounds, o.files, o.parallel, o.streams))
	}
	if o.binary == self { // another build may have other options
		if err := checkSet(o.set); err != nil {
			return err
		}
	}
	if o.list {
		return o.show(cmd, in, missing)
	}
	picked, err := pickScenes(o.scenes)
	if err != nil {
		return cli.Usage(fmt.Errorf("flag --scene: %w", err))
	}
	rep := &result.Report{Version: result.Version, Program: program, Command: os.Args, Missing: missing}
	if len(o.load) > 0 {
		if rep, err = load(o.load); err != nil {
			return err
		}
	} else if err := o.race(cmd, rep, self, picked, in); err != nil {
		return errors.Join(err, o.output(cmd, rep))
	}
	if rep.Locks, err = locks(rep.Locks, o.locks); err != nil {
		return err
	}
	if err := o.output(cmd, rep); err != nil {
		return err
	}
	if o.gateWrite != "" {
		if err := writeGate(rep, o.gateWrite); err != nil {
			return err
		}
	}
	if o.gate != "" {
		return gate(rep, o.gate)
	}
	return nil
}

// output writes the report in every form that was asked for.
func (o *options) output(cmd *cobra.Command, rep *result.Report) error {
	if o.results != "" {
		if err := rep.Write(o.results); err != nil {
			return err
		}
	}
	if o.html != "" {
		if err := report.HTML(o.html, rep); err != nil {
			return err
		}
	}
	if o.results != "-" {
		return report.Table(cmd.OutOrStdout(), rep)
	}
	return nil
}

// race runs all scenes. What is done when it is interrupted, or fails, is in rep.
func (o *options) race(cmd *cobra.Command, rep *result.Report, self string, picked []scene, in []*peer.Contestant) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir := o.dir
	if dir == "" {
		dir = roomyDir(3 * int64(o.size))
	}
	dir, err := os.MkdirTemp(dir, "trireme-bench-")
	if err != nil {
		return fmt.Errorf("make a directory for the data: %w", err)
	}
	defer os.RemoveAll(dir)
	r := &runner{o: o, binary: self, dir: dir, in: in, named: o.contestants[0] != "all"}
	r.say = func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
	rep.Machine, rep.Versions = meter.Describe(dir), versions()
	for _, m := range rep.Missing {
		r.say("does not take part: %s", m)
	}
	if !o.noCeilings {
		rep.Memory = ceiling.Memory(1 << 30)
		r.say("memory to memory: %.1f GB/s", rep.Memory/1e9)
	}
	for i := range picked {
		s := &picked[i]
		params := s.params
		if params == nil {
			params = []float64{0}
		}
		for _, p := range params {
			if s.params != nil && o.params != nil && !slices.Contains(o.params, strconv.FormatFloat(p, 'f', -1, 64)) {
				continue
			}
			with := o
			if s.set != nil {
				with = s.set(o, p)
				r.o = with
			}
			done, err := r.scene(ctx, s, with, p)
			r.o = o
			if len(done.Results) > 0 {
				rep.Scenes = append(rep.Scenes, done)
			}
			if err != nil {
				return fmt.Errorf("scene %s: %w", s.name, err)
			}
		}
	}
	return failures(rep)
}

// failures makes a contestant of ours that failed the command's error: a race that it did not finish is no result.
func failures(rep *result.Report) error {
	var errs []error
	for _, s := range rep.Scenes {
		for _, r := range s.Results {
			if r.Failed != "" && r.Ours {
				errs = append(errs, fmt.Errorf("scene %s: %s", s.Name, r.Failed))
			}
		}
	}
	return errors.Join(errs...)
}

// show lists what can be asked for.
func (o *options) show(cmd *cobra.Command, in []*peer.Contestant, missing []string) error {
	var b strings.Builder
	b.WriteString("scenes:\n")
	for _, s := range scenes {
		note := ""
		if s.scale {
			note = " (not part of all)"
		}
		fmt.Fprintf(&b, "  %-16s %s%s\n", s.name, s.title, note)
	}
	b.WriteString("contestants:\n")
	for _, c := range in {
		fmt.Fprintf(&b, "  %s\n", c.Name)
	}
	for _, m := range missing {
		fmt.Fprintf(&b, "not here:\n  %s\n", m)
	}
	_, err := fmt.Fprint(cmd.OutOrStdout(), b.String())
	return err
}

// load joins the scenes of several files; the rest is that of the first. A scene that another build has raced says so.
func load(paths []string) (*result.Report, error) {
	var rep *result.Report
	for _, p := range paths {
		r, err := result.Read(p)
		if err != nil {
			return nil, err
		}
		if rep == nil {
			rep = r
			continue
		}
		for _, s := range r.Scenes {
			if r.Program != rep.Program {
				s.Title += "; by " + r.Program
			}
			rep.Scenes = append(rep.Scenes, s)
		}
		rep.Locks = append(rep.Locks, r.Locks...)
	}
	return rep, nil
}

// roomyDir is a directory in memory when it has room for n bytes, else the one for temporary files.
func roomyDir(n int64) string {
	const shm = "/dev/shm"
	var st syscall.Statfs_t
	if syscall.Statfs(shm, &st) == nil && int64(st.Bavail)*st.Bsize >= n {
		return shm
	}
	return os.TempDir()
}

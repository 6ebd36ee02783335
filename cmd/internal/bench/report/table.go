package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"trireme/cmd/internal/bench/meter"
	"trireme/cmd/internal/bench/result"
)

// Table writes every scene as a table.
func Table(w io.Writer, r *result.Report) error {
	m := &r.Machine
	if _, err := fmt.Fprintf(w, "%s on %d x %s, %.0f GiB, Linux %s, %s, %s, load %s\n", r.Program, m.CPUs, m.CPU, float64(m.Memory)/(1<<30), m.Kernel, m.FS, m.Go, m.Load); err != nil {
		return err
	}
	for i := range r.Scenes {
		if err := sceneTable(w, &r.Scenes[i]); err != nil {
			return err
		}
	}
	for _, m := range r.Missing {
		if _, err := fmt.Fprintf(w, "did not take part: %s\n", m); err != nil {
			return err
		}
	}
	return nil
}

// columns of a table, the same in the terminal and on the page.
func columns(s *result.Scene) []string {
	head := []string{"", "s (min-max)", "MB/s", "CPU s/GB", "own"}
	if s.ManyFiles() {
		head[2] = "files/s"
		head = append(head, "files/CPU-s donor", "joiner")
	}
	return append(head, "RSS donor", "RSS joiner", "wire", "of size", "allocated", "of ceiling")
}

// cells of one result.
func cells(s *result.Scene, r *result.Result) []string {
	if len(r.Runs) == 0 {
		return []string{r.Name, "failed: " + firstLine(r.Failed)}
	}
	w := r.Wall()
	rate := fmt.Sprintf("%.0f", float64(s.Source.Bytes)/1e6/w.Median)
	if s.ManyFiles() {
		rate = fmt.Sprintf("%.0f", float64(s.Source.Files)/w.Median)
	}
	mib := func(e meter.End) string {
		v := r.Of(func(u *result.Run) float64 { return float64(u.Peak[e]) }).Max
		if v == 0 {
			return "-"
		}
		return fmt.Sprintf("%.0f MiB", v/(1<<20))
	}
	wire, share, ratio := "-", "-", "-"
	if r.Hops > 0 {
		n := r.Of(func(u *result.Run) float64 { return r.Wire(u) }).Median
		wire, share = fmt.Sprintf("%.1f MB", n/1e6), fmt.Sprintf("%.2f %%", 100*n/float64(s.Source.Bytes))
	}
	if x := s.Ratio(r); x > 0 {
		ratio = fmt.Sprintf("%.2f of %s", x, r.Against)
	}
	alloc := r.Of(func(u *result.Run) float64 { return float64(u.Target.Allocated) }).Max
	name := r.Name
	if r.Ceiling {
		name = "(" + name + ")"
	}
	row := []string{
		name, fmt.Sprintf("%.3f (%.3f-%.3f)", w.Median, w.Min, w.Max), rate, fmt.Sprintf("%.2f", r.CPU(s).Median), fmt.Sprintf("%.2f", r.OwnCPU(s).Median),
	}
	if s.ManyFiles() {
		row = append(row, perCPU(r.FilesBy(s, meter.Donor)), perCPU(r.FilesBy(s, meter.Joiner)))
	}
	return append(row, mib(meter.Donor), mib(meter.Joiner), wire, share, fmt.Sprintf("%.0f %%", 100*alloc/float64(max(s.Source.Allocated, 1))), ratio)
}

func perCPU(s result.Spread) string {
	if s.Max == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f (%.0f-%.0f)", s.Median, s.Min, s.Max)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func sceneTitle(s *result.Scene) string {
	t := s.Title
	if s.Unit != "" {
		t += fmt.Sprintf(": %g %s", s.Param, s.Unit)
	}
	return t
}

func sceneTable(w io.Writer, s *result.Scene) error {
	if _, err := fmt.Fprintf(w, "\n%s: %s; %d files, %.2f GB, %.1f MB differ\n", s.Name, sceneTitle(s), s.Source.Files, float64(s.Source.Bytes)/1e9, float64(s.Differs)/1e6); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(columns(s), "\t"))
	for i := range s.Results {
		fmt.Fprintln(t, strings.Join(cells(s, &s.Results[i]), "\t"))
	}
	return t.Flush() // reports what the lines could not
}

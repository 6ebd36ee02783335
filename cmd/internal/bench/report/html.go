package report

import (
	_ "embed"
	"fmt"
	"html"
	"os"
	"slices"
	"strconv"
	"strings"

	"trireme/cmd/internal/bench/meter"
	"trireme/cmd/internal/bench/result"
)

//go:embed style.css
var style string

// page writes HTML. Whatever is no markup goes through text. A template would say the same and make the program 4.5 MB larger, because
// with it the linker can leave out no method that has a name.
type page struct{ b strings.Builder }

func (p *page) raw(s string) { p.b.WriteString(s) }

// put formats markup, with %s only; its arguments are escaped.
func (p *page) put(format string, args ...string) {
	safe := make([]any, len(args))
	for i := range args {
		safe[i] = html.EscapeString(args[i])
	}
	fmt.Fprintf(&p.b, format, safe...)
}

func (p *page) row(tag, class string, cells []string) {
	p.put("<tr class=\"%s\">", class)
	for _, c := range cells {
		p.put("<"+tag+">%s</"+tag+">", c)
	}
	p.raw("</tr>\n")
}

// kindNames are the style sheet's names of rows.
var kindNames = [...]string{"ours", "other", "ceiling"}

// plots puts pictures side by side.
func (p *page) plots(all ...plot) {
	p.raw("<div class=\"plots\">\n")
	for _, f := range all {
		if f.svg != "" {
			p.put("<figure><figcaption>%s</figcaption>\n", f.title)
			p.raw(f.svg + "</figure>\n")
		}
	}
	p.raw("</div>\n")
}

// HTML writes the page to a file. It needs nothing from anywhere else: no script, no style sheet, no font.
func HTML(path string, r *result.Report) error {
	p := new(page)
	p.head(r)
	for i := range r.Scenes {
		if r.Scenes[i].Unit != "" {
			continue // shown with its likes
		}
		if err := p.scene(&r.Scenes[i]); err != nil {
			return fmt.Errorf("draw scene %s: %w", r.Scenes[i].Name, err)
		}
	}
	for _, group := range scales(r) {
		plots, err := scalePlots(group)
		if err != nil {
			return fmt.Errorf("draw scene %s: %w", group[0].Name, err)
		}
		p.put("<h2>%s: %s</h2>\n<table>\n", group[0].Name, group[0].Title)
		p.row("th", "", append([]string{group[0].Unit}, columns(group[0])...))
		for _, s := range group {
			for i := range s.Results {
				p.row("td", kindNames[kindOf(&s.Results[i])], append([]string{strconv.FormatFloat(s.Param, 'f', -1, 64)}, cells(s, &s.Results[i])...))
			}
		}
		p.raw("</table>\n")
		p.plots(plots...)
	}
	if len(r.Locks) > 0 {
		if err := p.locks(r.Locks); err != nil {
			return fmt.Errorf("draw lock races: %w", err)
		}
	}
	p.raw("<h2>Programs</h2>\n<p class=\"note\">")
	for _, name := range slices.Sorted(keys(r.Versions)) {
		p.put("%s: %s<br>\n", name, r.Versions[name])
	}
	p.raw("</p>\n</body>\n</html>\n")
	if err := os.WriteFile(path, []byte(p.b.String()), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (p *page) head(r *result.Report) {
	m, memory := &r.Machine, ""
	if r.Memory > 0 {
		memory = fmt.Sprintf("; memory to memory %.1f GB/s", r.Memory/1e9)
	}
	p.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>trireme bench</title>\n<style>\n" + style + "</style>\n</head>\n<body>\n<h1>trireme bench</h1>\n")
	p.put("<p class=\"note\">%s, %s. %s x %s, Linux %s, %s, %s, load at the start %s%s.<br>\n<code>%s</code></p>\n", r.Program,
		m.Measured.Format("2006-01-02 15:04 MST"), fmt.Sprint(m.CPUs), m.CPU, m.Kernel, m.FS, m.Go, m.Load, memory, strings.Join(r.Command, " "))
	p.raw(`<p class="note">Contestants took turns, more memory than a run needs was touched and freed before each, every copy was compared with its
source. Figures are medians of all runs with the smallest and the largest. CPU is the whole machine's while the clock ran, "own" what the programs
themselves used. What stands in brackets does less than any copy program has to: it shows what this machine allows.`)
	for _, why := range r.Missing {
		p.put("<br>\nDid not take part: %s.", why)
	}
	p.raw("</p>\n")
}

func (p *page) scene(s *result.Scene) error {
	p.put("<h2>%s: %s</h2>\n<p class=\"note\">%s files, %s GB, %s MB differ.</p>\n<table>\n", s.Name, sceneTitle(s), fmt.Sprint(s.Source.Files),
		fmt.Sprintf("%.2f", float64(s.Source.Bytes)/1e9), fmt.Sprintf("%.1f", float64(s.Differs)/1e6))
	p.row("th", "", columns(s))
	for i := range s.Results {
		r := &s.Results[i]
		p.row("td", kindNames[kindOf(r)], cells(s, r))
	}
	p.raw("</table>\n")
	unit, amount := "MB/s", float64(s.Source.Bytes)/1e6
	if s.ManyFiles() {
		unit, amount = "files/s", float64(s.Source.Files)
	}
	speed, err := bars(s, "speed, "+unit+": median (smallest-largest)", func(r *result.Result) result.Spread {
		return r.Of(func(u *result.Run) float64 { return amount / u.Wall })
	}, 0)
	if err != nil {
		return err
	}
	cpu, err := bars(s, "processor seconds of the whole machine per GB: median (smallest-largest)", func(r *result.Result) result.Spread { return r.CPU(s) }, 2)
	if err != nil {
		return err
	}
	plots := []plot{speed, cpu}
	if s.ManyFiles() {
		for _, e := range []meter.End{meter.Donor, meter.Joiner} {
			by, err := bars(s, "files for each second of its own processor time at the "+e.String()+": median (smallest-largest)",
				func(r *result.Result) result.Spread { return r.FilesBy(s, e) }, 0)
			if err != nil {
				return err
			}
			plots = append(plots, by)
		}
	}
	for i := range s.Results {
		if r := &s.Results[i]; r.Ours && s.Fresh {
			c, err := curve(r.Name+": data written by the joining end, MB/s over seconds, by phase", r)
			if err != nil {
				return err
			}
			plots = append(plots, c)
		}
	}
	p.plots(plots...)
	return nil
}

func (p *page) locks(all []result.Lock) error {
	p.raw("<h2>Joining a real cluster: how long the donor's clients could not commit</h2>\n<table>\n")
	p.row("th", "", []string{"method", "GB", "joins", "longest gap, s"})
	for i := range all {
		g := gap(&all[i])
		p.row("td", "", []string{all[i].Method, fmt.Sprintf("%.2f", float64(all[i].Bytes)/1e9), fmt.Sprint(len(all[i].Joins)), fmt.Sprintf("%.3f (%.3f-%.3f)", g.Median, g.Min, g.Max)})
	}
	p.raw("</table>\n")
	picture, err := lockPlot(all)
	if err == nil {
		p.plots(picture)
	}
	return err
}

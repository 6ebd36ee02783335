package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-analyze/charts" // bars and lines as SVG, without a script; adds 2 MB to the program, the smallest of those with axes and legends

	"trireme/cmd/internal/bench/meter"
	"trireme/cmd/internal/bench/result"
)

// Sizes of a plot in pixels of the page.
const (
	plotWidth = 640
	barHeight = 30
	barHead   = 80 // legend and axis
	lineTall  = 340
)

// plot is a picture under a title; without a picture there was nothing to show.
type plot struct{ title, svg string }

// draw renders one plot. The library escapes what it writes, and gets nothing but our own names and numbers.
func draw(title string, width, height int, f func(p *charts.Painter) error) (plot, error) {
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: width, Height: height, Theme: charts.GetTheme(charts.ThemeLight)})
	if err := f(p); err != nil {
		return plot{}, err
	}
	b, err := p.Bytes()
	return plot{title, string(b)}, err
}

// tick writes a number at an axis.
func tick(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// kinds are the colours of bars.
var kinds = []string{"trireme", "others", "this machine at most"}

func kindOf(r *result.Result) int {
	switch {
	case r.Ceiling:
		return 2
	case r.Ours:
		return 0
	}
	return 1
}

// bars shows one figure of all results of a scene, the spread beside each bar.
func bars(s *result.Scene, title string, f func(*result.Result) result.Spread, digits int) (plot, error) {
	var shown []*result.Result
	for i := range s.Results {
		if len(s.Results[i].Runs) > 0 {
			shown = append(shown, &s.Results[i])
		}
	}
	if len(shown) == 0 {
		return plot{}, nil
	}
	slices.Reverse(shown) // the first is drawn at the bottom
	values := make([][]float64, len(kinds))
	var names []string
	labels := map[float64]string{} // the library asks by value; equal values have the same median at least
	for _, r := range shown {
		v := f(r)
		names = append(names, r.Name)
		labels[v.Median] = fmt.Sprintf("%.*f  (%.*f-%.*f)", digits, v.Median, digits, v.Min, digits, v.Max)
		for k := range values {
			x := 0.0
			if k == kindOf(r) {
				x = v.Median
			}
			values[k] = append(values[k], x)
		}
	}
	return draw(title, plotWidth, barHead+barHeight*len(shown), func(p *charts.Painter) error {
		o := charts.NewBarChartOptionWithData(values)
		o.Horizontal, o.StackSeries = true, charts.Ptr(true)
		o.Legend.SeriesNames, o.Legend.Offset.Left = kinds, charts.PositionRight
		o.CategoryAxis.Labels = names
		o.ValueAxis = []charts.ValueAxisOption{{LabelCount: 5, ValueFormatter: tick}}
		o.Padding = charts.NewBox(10, 10, 120, 10)
		for k := range o.SeriesList {
			o.SeriesList[k].Label.Show = charts.Ptr(true)
			o.SeriesList[k].Label.LabelFormatter = func(_ int, _ string, v float64) (string, *charts.LabelStyle) {
				return labels[v], nil // nothing for the places of other kinds
			}
		}
		return p.BarChart(o)
	})
}

// binsOf is how finely a transfer's time is divided.
const binsOf = 40

// curve shows how fast the joining end wrote, by phases. nil runs and those too short to show are left out.
func curve(title string, r *result.Result) (plot, error) {
	if len(r.Runs) == 0 {
		return plot{}, nil
	}
	run := &r.Runs[len(r.Runs)/2]
	if len(run.Curve) < 4 {
		return plot{}, nil
	}
	end := run.Curve[len(run.Curve)-1].At
	width := end / binsOf
	var times []string
	marks := run.Said.Marks
	series := [][]float64{}
	names := []string{"before"}
	for _, m := range marks {
		names = append(names, m.Phase)
	}
	for range names {
		series = append(series, make([]float64, binsOf))
	}
	at := func(t float64) float64 { // bytes written until t, between two looks on a line
		i, _ := slices.BinarySearchFunc(run.Curve, t, func(p meter.Point, t float64) int { return cmp.Compare(p.At, t) })
		if i == 0 {
			return 0
		}
		if i == len(run.Curve) {
			return float64(run.Curve[i-1].Bytes)
		}
		a, b := run.Curve[i-1], run.Curve[i]
		return float64(a.Bytes) + float64(b.Bytes-a.Bytes)*(t-a.At)/(b.At-a.At)
	}
	for i := range binsOf {
		from := float64(i) * width
		times = append(times, fmt.Sprintf("%.1f", from))
		phase := 0
		for k, m := range marks {
			if m.At <= from+width/2 {
				phase = k + 1
			}
		}
		for k := range series {
			series[k][i] = charts.GetNullValue()
		}
		series[phase][i] = max(0, at(from+width)-at(from)) / width / 1e6
	}
	return draw(title, plotWidth, lineTall, func(p *charts.Painter) error {
		o := charts.NewLineChartOptionWithData(series)
		o.Legend.SeriesNames, o.Legend.Offset.Left = names, charts.PositionRight
		o.XAxis.Labels, o.XAxis.Title = times, "s"
		o.XAxis.LabelCount = 10
		o.YAxis = []charts.YAxisOption{{Title: "MB/s", Min: charts.Ptr(0.0), ValueFormatter: tick}}
		o.FillArea, o.Symbol.Shape = charts.Ptr(true), charts.SymbolNone
		return p.LineChart(o)
	})
}

// line is one line of a plot over parameters.
type line struct {
	name   string
	values []float64
}

func lines(title, xTitle, yTitle string, xs []string, all []line) (plot, error) {
	return draw(title, plotWidth, lineTall, func(p *charts.Painter) error {
		var names []string
		var values [][]float64
		for _, l := range all {
			names, values = append(names, l.name), append(values, l.values)
		}
		o := charts.NewLineChartOptionWithData(values)
		o.Legend.SeriesNames, o.Legend.Offset.Left = names, charts.PositionRight
		o.XAxis.Labels, o.XAxis.Title = xs, xTitle
		o.YAxis = []charts.YAxisOption{{Title: yTitle, Min: charts.Ptr(0.0), ValueFormatter: tick}}
		for i := range o.SeriesList {
			o.SeriesList[i].Label.Show = charts.Ptr(len(all) == 1)
			o.SeriesList[i].Label.ValueFormatter = func(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }
		}
		return p.LineChart(o)
	})
}

// scales are the scenes that were run for several parameters, in the order of the parameters.
func scales(r *result.Report) [][]*result.Scene {
	var all [][]*result.Scene
	for i := range r.Scenes {
		s := &r.Scenes[i]
		if s.Unit == "" {
			continue
		}
		if n := len(all); n > 0 && all[n-1][0].Name == s.Name {
			all[n-1] = append(all[n-1], s)
			continue
		}
		all = append(all, []*result.Scene{s})
	}
	return all
}

// scalePlots are cost, time and memory of each contestant over the parameter.
func scalePlots(group []*result.Scene) ([]plot, error) {
	var xs []string
	for _, s := range group {
		xs = append(xs, strconv.FormatFloat(s.Param, 'f', -1, 64))
	}
	perFile := group[0].ManyFiles()
	var plots []plot
	for _, what := range []struct {
		title, unit string
		f           func(*result.Scene, *result.Result) float64
	}{
		{"processor time of the whole machine", "CPU s/GB", func(s *result.Scene, r *result.Result) float64 { return r.CPU(s).Median }},
		{"speed", map[bool]string{false: "MB/s", true: "files/s"}[perFile], func(s *result.Scene, r *result.Result) float64 {
			if perFile {
				return float64(s.Source.Files) / r.Wall().Median
			}
			return float64(s.Source.Bytes) / 1e6 / r.Wall().Median
		}},
		{"most memory of an end", "MiB", func(_ *result.Scene, r *result.Result) float64 {
			return r.Of(func(u *result.Run) float64 { return float64(max(u.Peak[meter.Donor], u.Peak[meter.Joiner])) }).Max / (1 << 20)
		}},
	} {
		var all []line
		for _, r := range group[0].Results {
			l := line{name: r.Name}
			for _, s := range group {
				v := charts.GetNullValue()
				if f := s.Find(r.Name); f != nil {
					v = what.f(s, f)
				}
				l.values = append(l.values, v)
			}
			all = append(all, l)
		}
		p, err := lines(what.title+" ("+what.unit+")", group[0].Unit, what.unit, xs, all)
		if err != nil {
			return nil, err
		}
		plots = append(plots, p)
	}
	return plots, nil
}

// lockPlot is the longest time in which a donor's clients could not commit, over the size of its data.
func lockPlot(locks []result.Lock) (plot, error) {
	var sizes []int64
	var methods []string
	for _, l := range locks {
		if !slices.Contains(sizes, l.Bytes) {
			sizes = append(sizes, l.Bytes)
		}
		if !slices.Contains(methods, l.Method) {
			methods = append(methods, l.Method)
		}
	}
	slices.Sort(sizes)
	var xs []string
	for _, n := range sizes {
		xs = append(xs, fmt.Sprintf("%.2g", float64(n)/1e9))
	}
	var all []line
	for _, m := range methods {
		l := line{name: m}
		for _, n := range sizes {
			v := charts.GetNullValue()
			for _, k := range locks {
				if k.Method == m && k.Bytes == n {
					v = gap(&k).Median
				}
			}
			l.values = append(l.values, v)
		}
		all = append(all, l)
	}
	return lines("longest time without a commit at the donor", "GB", "s", xs, all)
}

// gap is the spread of the longest times without a commit.
func gap(l *result.Lock) result.Spread {
	r := result.Result{}
	for _, j := range l.Joins {
		r.Runs = append(r.Runs, result.Run{Usage: meter.Usage{Wall: j.Gap}})
	}
	return r.Wall()
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// columns are the measures of a scene's table.
var columns = []struct {
	title  string
	digits int
	of     func(result) float64
}{
	{"time, s", 2, func(r result) float64 { return r.Seconds }},
	{"goodput, MB/s", 1, func(r result) float64 { return float64(r.Bytes) / 1e6 / r.Seconds }},
	{"donor CPU, s", 2, func(r result) float64 { return r.Donor }},
	{"joiner CPU, s", 2, func(r result) float64 { return r.Joiner }},
	{"content/wire", 2, func(r result) float64 { return float64(r.Sent) / float64(max(r.Wire, 1)) }},
	{"sent again, MiB/cut", 1, result.again},
}

func report(s scene, results []result, lost map[string]string) {
	fmt.Printf("\n%s: %s, %d MiB\n%-24s", s.name, s.about, s.mb, "median (range)")
	shown := columns
	if s.cut == 0 {
		shown = columns[:len(columns)-1]
	}
	for _, c := range shown {
		fmt.Printf(" %-24s", c.title)
	}
	fmt.Printf(" goodput against the first\n")
	first := 0.0
	for _, by := range s.in {
		fmt.Printf("%-24s", by.name)
		if why := lost[by.name]; why != "" {
			fmt.Printf(" cannot take part: %s\n", why)
			continue
		}
		var mine []result
		failed := map[string]int{}
		for _, r := range results {
			switch {
			case r.Contestant != by.name:
			case r.Error != "":
				failed[r.Error]++
			default:
				mine = append(mine, r)
			}
		}
		for why, n := range failed {
			fmt.Printf(" %d of %d %s;", n, n+len(mine), why)
		}
		if len(mine) == 0 {
			fmt.Println()
			continue
		}
		for _, c := range shown {
			var v []float64
			for _, r := range mine {
				v = append(v, c.of(r))
			}
			fmt.Printf(" %-24s", spread(v, c.digits))
		}
		speed := median(mine)
		if first == 0 {
			first = speed
		}
		fmt.Printf(" %.2f\n", speed/first)
	}
	for _, t := range s.targets {
		fmt.Printf("target: %s: %s\n", t.text, s.verdict(t, results))
	}
}

// verdict says whether the target is met, with the figure.
func (s scene) verdict(t target, results []result) string {
	if t.most > 0 {
		worst, failed := 0.0, 0
		for _, r := range results {
			worst = max(worst, r.again())
			if r.Error != "" {
				failed++
			}
		}
		return fmt.Sprintf("%s (%.1f MiB in the worst transfer, %d of %d did not complete)", met(len(results) > 0 && failed == 0 && worst <= t.most), worst, failed, len(results))
	}
	ratio, found := 0.0, false
	for _, of := range t.of {
		worst := math.Inf(1)
		for _, over := range t.over {
			if r, ok := ahead(results, of, over); ok {
				worst = min(worst, r)
			}
		}
		if !math.IsInf(worst, 1) {
			ratio, found = max(ratio, worst), true
		}
	}
	if !found {
		return "not measured"
	}
	if over := best(results, t.over); s.link != nil && s.link.Shape.Rate > 0 && t.least*over*8 > float64(s.link.Shape.Rate) && len(t.over) == 1 && ratio < t.least {
		return fmt.Sprintf("nobody can: %s alone carries %.0f of %d Mbit/s (%.2f)", t.over[0], over*8/1e6, s.link.Shape.Rate/1e6, ratio)
	}
	return fmt.Sprintf("%s (%.2f, at least %.2f is wanted)", met(ratio >= t.least), ratio, t.least)
}

// ahead is how many times as fast one contestant was as the other, the median over the rounds that both have completed: neighbours
// in time are compared, so that a machine which slows down in the middle does not decide.
func ahead(results []result, of, over string) (ratio float64, ok bool) {
	speeds := func(name string) map[int]float64 {
		by := map[int]float64{}
		for _, r := range results {
			if r.Contestant == name && r.Error == "" {
				by[r.Round] = float64(r.Bytes) / r.Seconds
			}
		}
		return by
	}
	theirs := speeds(over)
	var v []float64
	for round, speed := range speeds(of) {
		if other := theirs[round]; other > 0 {
			v = append(v, speed/other)
		}
	}
	if len(v) == 0 {
		return 0, false
	}
	slices.Sort(v)
	return v[len(v)/2], true
}

func met(yes bool) string {
	if yes {
		return "met"
	}
	return "NOT MET"
}

// best is the largest median goodput of these contestants; 0 when none has completed anything.
func best(results []result, names []string) (speed float64) {
	for _, name := range names {
		var mine []result
		for _, r := range results {
			if r.Contestant == name && r.Error == "" {
				mine = append(mine, r)
			}
		}
		if len(mine) > 0 {
			speed = max(speed, median(mine))
		}
	}
	return speed
}

// again is what each cut made travel twice, in MiB. What lies on the wire beside the content is next to nothing else.
func (r result) again() float64 { return float64(r.Wire-r.Sent) / (1 << 20) / float64(max(r.Cuts, 1)) }

// median is that of the goodput.
func median(all []result) float64 {
	var v []float64
	for _, r := range all {
		v = append(v, float64(r.Bytes)/r.Seconds)
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// spread is the median with the smallest and largest value.
func spread(v []float64, digits int) string {
	slices.Sort(v)
	return fmt.Sprintf("%.*f (%.*f to %.*f)", digits, v[len(v)/2], digits, v[0], digits, v[len(v)-1])
}

// save writes all results as JSON.
func save(ctx context.Context, o options, all []result) error {
	out, err := exec.CommandContext(ctx, o.binary, "version").Output()
	if err != nil {
		return fmt.Errorf("ask the program for its version: %w", err)
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(map[string]any{
		"time": time.Now().UTC(), "command": strings.Join(os.Args, " "), "program": strings.TrimSpace(string(out)),
		"kernel": strings.TrimSpace(string(kernel)), "processors": runtime.NumCPU(), "results": all,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(b, '\n'), 0o644)
}

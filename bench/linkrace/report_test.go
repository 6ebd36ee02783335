package main

import (
	"strings"
	"testing"

	"trireme/bench/netlab"
)

// TestVerdict: a target is met by the medians of the rounds' ratios, of whoever is best on either side, and by every transfer where it is
// about cuts.
func TestVerdict(t *testing.T) {
	runs := func(name string, speeds ...float64) (rs []result) {
		for i, s := range speeds {
			rs = append(rs, result{Contestant: name, Round: i + 1, Bytes: int64(s * 1e6), Seconds: 1})
		}
		return rs
	}
	twice := target{of: []string{"quic", "auto"}, over: []string{"one"}, least: 2}
	near := target{of: []string{"auto"}, over: []string{"tls", "quic"}, least: 0.9}
	cuts := target{most: 64}
	thin := scene{link: &netlab.Config{Shape: netlab.Shape{Rate: 200e6}}}
	for name, c := range map[string]struct {
		target  target
		results [][]result
		want    string
	}{
		"the better of two":       {twice, [][]result{runs("one", 4, 5, 6), runs("quic", 7), runs("auto", 1, 10, 12)}, "met (2.00"},
		"a machine that slows":    {twice, [][]result{runs("one", 10, 10, 5, 5, 5), runs("quic", 22, 22, 22, 11, 11)}, "met (2.20"},
		"a round that failed":     {twice, [][]result{runs("one", 5, 9), {{Contestant: "quic", Round: 1, Error: "gone"}}, {{Contestant: "quic", Round: 2, Bytes: 9e6, Seconds: 1}}}, "NOT MET (1.00"},
		"too slow":                {twice, [][]result{runs("one", 5), runs("quic", 9)}, "NOT MET (1.80"},
		"no room for it":          {twice, [][]result{runs("one", 20), runs("quic", 24)}, "nobody can: one alone carries 160 of 200 Mbit/s"},
		"against the better":      {near, [][]result{runs("tls", 5), runs("quic", 10), runs("auto", 8.9)}, "NOT MET (0.89"},
		"nobody came":             {twice, [][]result{runs("one", 5)}, "not measured"},
		"few bytes again":         {cuts, [][]result{{{Wire: 128 << 20, Cuts: 2}}}, "met (64.0 MiB"},
		"many in one transfer":    {cuts, [][]result{{{Wire: 1 << 20, Cuts: 2}, {Wire: 65 << 20, Cuts: 1}}}, "NOT MET (65.0 MiB"},
		"one that did not arrive": {cuts, [][]result{{{Cuts: 1}, {Error: "gone"}}}, "NOT MET (0.0 MiB in the worst transfer, 1 of 2"},
	} {
		var all []result
		for _, rs := range c.results {
			all = append(all, rs...)
		}
		if got := thin.verdict(c.target, all); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

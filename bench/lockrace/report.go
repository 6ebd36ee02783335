package main

import (
	"fmt"
	"slices"
)

// columns are the measures of the closing table.
var columns = []struct {
	title  string
	digits int
	of     func(sample) float64
}{
	{"join, s", 2, func(s sample) float64 { return s.join }},
	{"longest gap, s", 3, func(s sample) float64 { return s.gap }},
	{"blocked, s", 3, func(s sample) float64 { return s.blocked }},
	{"gap with group change, s", 3, func(s sample) float64 { return s.whole }},
	{"commits, %", 0, func(s sample) float64 { return 100 * s.rate }},
	{"of those with both nodes, %", 0, func(s sample) float64 { return 100 * s.paired }},
}

func report(in []contestant, results map[string][]sample) {
	fmt.Printf("\n%-16s", "median (range)")
	for _, c := range columns {
		fmt.Printf(" %-26s", c.title)
	}
	fmt.Println()
	for _, by := range in {
		fmt.Printf("%-16s", by.name)
		for _, c := range columns {
			var v []float64
			for _, s := range results[by.name] {
				v = append(v, c.of(s))
			}
			fmt.Printf(" %-26s", spread(v, c.digits))
		}
		fmt.Println()
	}
}

// spread is the median with the smallest and largest value.
func spread(v []float64, digits int) string {
	if len(v) == 0 {
		return "-"
	}
	slices.Sort(v)
	return fmt.Sprintf("%.*f (%.*f to %.*f)", digits, v[len(v)/2], digits, v[0], digits, v[len(v)-1])
}

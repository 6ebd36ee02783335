package main

import (
	"fmt"
	"strconv"
	"strings"
)

// table lays the results out in columns for a terminal.
func table(results []result) string {
	rows := [][]string{{"node 2 joins over", "datadir", "on the wire", "transfer", "speed", "passes", "donor locked (predicted)", "start to synced", "checksums"}}
	for _, r := range results {
		wire, seconds, speed, passes, lock := "-", "-", "-", "-", "-"
		if r.known {
			wire = fmt.Sprintf("%.1f MB", float64(r.transfer.WireBytes)/1e6)
			seconds = fmt.Sprintf("%.2f s", r.transfer.Seconds)
			passes = strconv.Itoa(int(r.transfer.Passes))
			lock = fmt.Sprintf("%.2f s (%.2f s)", r.transfer.LockSeconds, r.transfer.LockPredicted)
			if r.transfer.Seconds > 0 {
				// What the joiner has in the end, by time: with an old datadir this may well be more than the network carries.
				speed = fmt.Sprintf("%.0f MB/s", float64(max(r.transfer.BytesTotal, 0))/1e6/r.transfer.Seconds)
			}
		}
		sums := "equal"
		if !r.equal {
			sums = "DIFFERENT"
		}
		rows = append(rows, []string{r.basis, fmt.Sprintf("%.1f MB", float64(r.datadir)/1e6), wire, seconds, speed, passes, lock,
			fmt.Sprintf("%.2f s", r.joined.Seconds()), sums})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			if i == 0 {
				fmt.Fprintf(&b, "%-*s", widths[i], cell)
			} else {
				fmt.Fprintf(&b, "  %*s", widths[i], cell)
			}
		}
		b.WriteByte('\n')
	}
	b.WriteString("speed: what the joiner has in the end, holes included, by the time of the transfer; passes: those in which data travelled, the last under the lock\n")
	return b.String()
}

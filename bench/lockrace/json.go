package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// method and figures are what "trireme bench --locks" reads (cmd/internal/bench/result, Lock).
type method struct {
	Method string    `json:"method"`
	Bytes  int64     `json:"bytes"`
	Joins  []figures `json:"joins"`
}

// figures of one join are in seconds.
type figures struct {
	Join    float64 `json:"join_seconds"`
	Gap     float64 `json:"gap_seconds"`
	Blocked float64 `json:"blocked_seconds"`
}

// writeJSON writes what was measured to o.json. Another load than the usual one goes with the names: figures of two loads must not be taken for
// those of one.
func writeJSON(o options, in []contestant, results map[string][]sample) error {
	load := ""
	if o.hot {
		load += ", hot table"
	}
	if o.innodb {
		load += ", InnoDB alone"
	}
	if o.image != "" {
		load += ", " + o.image
	}
	var all []method
	for _, c := range in {
		m := method{Method: c.name + load, Bytes: o.mb << 20}
		for _, s := range results[c.name] {
			m.Joins = append(m.Joins, figures{s.join, s.gap, s.blocked})
		}
		all = append(all, m)
	}
	b, err := json.MarshalIndent(all, "", " ")
	if err == nil {
		err = os.WriteFile(o.json, append(b, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the joins: %w", err)
	}
	return nil
}

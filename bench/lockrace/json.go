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

// writeJSON writes what was measured with so many bytes of tables.
func writeJSON(path string, bytes int64, in []contestant, results map[string][]sample) error {
	var all []method
	for _, c := range in {
		m := method{Method: c.name, Bytes: bytes}
		for _, s := range results[c.name] {
			m.Joins = append(m.Joins, figures{s.join, s.gap, s.blocked})
		}
		all = append(all, m)
	}
	b, err := json.MarshalIndent(all, "", " ")
	if err == nil {
		err = os.WriteFile(path, append(b, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the joins: %w", err)
	}
	return nil
}

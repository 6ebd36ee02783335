package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"trireme/cmd/internal/bench/meter"
	"trireme/cmd/internal/bench/result"
)

// limit is one figure that must not grow.
type limit struct {
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	// Slack is how much more than Value is no regression, as a share of it, and Room the same as it is: a transfer that lasts
	// longer says more often that it is alive.
	Slack float64 `json:"slack"`
	Room  float64 `json:"room,omitempty"`
}

// gates are the figures that are watched. None of them is a time: counts are the same on a busy machine, and what the programs
// compute is compared with what the ceiling of the same rounds does.
var gates = []struct {
	name  string
	slack float64
	room  float64
	value func(s *result.Scene, r *result.Result) float64
}{
	{"cpu-of-ceiling", 0.20, 0, func(s *result.Scene, r *result.Result) float64 {
		c := s.Find(r.Against)
		if c == nil {
			return 0
		}
		// The least of all rounds: others can only add to it.
		own := func(u *result.Run) float64 { return u.Own }
		return r.Of(own).Min / c.Of(own).Min
	}},
	{"wire-of-size", 0.01, 0.0005, func(s *result.Scene, r *result.Result) float64 {
		return r.Of(func(u *result.Run) float64 { return float64(u.Said.Wire) }).Median / float64(s.Source.Bytes)
	}},
	{"donor-calls-per-MB", 0.10, 0.5, func(s *result.Scene, r *result.Result) float64 { return calls(s, r, meter.Donor) }},
	{"joiner-calls-per-MB", 0.10, 0.5, func(s *result.Scene, r *result.Result) float64 { return calls(s, r, meter.Joiner) }},
	{"peak-MiB", 0.25, 4, func(_ *result.Scene, r *result.Result) float64 {
		return r.Of(func(u *result.Run) float64 { return float64(max(u.Peak[meter.Donor], u.Peak[meter.Joiner])) }).Median / (1 << 20)
	}},
}

// calls are the reads and writes of one end.
func calls(s *result.Scene, r *result.Result, end meter.End) float64 {
	return r.Of(func(u *result.Run) float64 { return float64(u.IO[end].Reads + u.IO[end].Writes) }).Min / (float64(s.Source.Bytes) / 1e6)
}

// figures are the watched figures of all results of ours, in the order of the report.
func figures(rep *result.Report) []limit {
	var all []limit
	for i := range rep.Scenes {
		s := &rep.Scenes[i]
		for k := range s.Results {
			r := &s.Results[k]
			if !r.Ours || len(r.Runs) == 0 {
				continue
			}
			for _, g := range gates {
				if v := g.value(s, r); v > 0 {
					all = append(all, limit{s.Name + "/" + r.Name + "/" + g.name, v, g.slack, g.room})
				}
			}
		}
	}
	return all
}

// gate compares a report with the figures of a file, and says of each one that grew by how much. A figure that is in the file and not in
// the report is an error too, because a gate that looks at nothing never closes.
func gate(rep *result.Report, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the gate's figures: %w", err)
	}
	var limits []limit
	if err := json.Unmarshal(b, &limits); err != nil {
		return fmt.Errorf("read the gate's figures %s: %w", path, err)
	}
	if len(limits) == 0 {
		return fmt.Errorf("%s holds no figures; --gate-write writes them", path)
	}
	have := figures(rep)
	var errs []error
	for _, l := range limits {
		i := slices.IndexFunc(have, func(h limit) bool { return h.Metric == l.Metric })
		switch {
		case i < 0:
			errs = append(errs, fmt.Errorf("%s was not measured; run the scenes and contestants of the gate", l.Metric))
		case have[i].Value > l.Value*(1+l.Slack)+l.Room:
			errs = append(errs, fmt.Errorf("%s is %.4g, %.0f %% more than %.4g; at most %.4g is allowed", l.Metric, have[i].Value, 100*(have[i].Value/l.Value-1), l.Value, l.Value*(1+l.Slack)+l.Room))
		}
	}
	return errors.Join(errs...)
}

// writeGate makes the file from a report.
func writeGate(rep *result.Report, path string) error {
	b, err := json.MarshalIndent(figures(rep), "", " ")
	if err == nil {
		err = os.WriteFile(path, append(b, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the gate's figures: %w", err)
	}
	return nil
}

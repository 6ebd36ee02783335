package result

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"trireme/cmd/internal/bench/datadir"
	"trireme/cmd/internal/bench/meter"
	"trireme/cmd/internal/bench/peer"
)

// Version is that of the JSON form.
const Version = 1

// Report is one call of the bench.
type Report struct {
	Version  int               `json:"version"`
	Program  string            `json:"program"` // name, version and commit of the build that raced
	Command  []string          `json:"command"`
	Machine  meter.Machine     `json:"machine"`
	Versions map[string]string `json:"versions"` // of the other programs
	Memory   float64           `json:"memory_copy_bytes_per_second"`
	Missing  []string          `json:"missing"` // who could not take part, and why
	Scenes   []Scene           `json:"scenes"`
	Locks    []Lock            `json:"locks,omitempty"` // from races on a real cluster
}

// Scene is one situation.
type Scene struct {
	Name   string        `json:"name"`
	Title  string        `json:"title"`
	Param  float64       `json:"parameter,omitempty"` // of a scene that is run for several
	Unit   string        `json:"unit,omitempty"`      // of Param
	Source datadir.Facts `json:"source"`
	// Sent is what differs between source and target, bytes; all of the source when the target is fresh.
	Differs int64    `json:"differs_bytes"`
	Fresh   bool     `json:"fresh"`
	Results []Result `json:"results"`
}

// Result is one contestant, or a ceiling, in one scene.
type Result struct {
	Name      string `json:"name"`
	Ours      bool   `json:"ours"`
	Ceiling   bool   `json:"ceiling"`
	Encrypted bool   `json:"encrypted"`
	Hops      int    `json:"hops"` // how often a byte passes the loopback device
	// Against is the ceiling that bounds it, "" when none of the scene's does.
	Against string `json:"against,omitempty"`
	Failed  string `json:"failed,omitempty"`
	Runs    []Run  `json:"runs"`
}

// Run is one transfer.
type Run struct {
	meter.Usage
	Said   peer.Own      `json:"said"`
	Target datadir.Facts `json:"target"`
	// Files is, in a scene of many files, how many of them each end dealt with in a second of its own processor time: donor, joiner. Zero
	// for an end that a program does not have.
	Files *[2]float64 `json:"files_per_own_cpu_second_by_end,omitempty"`
}

// manySmall is the mean size below which files are counted and not bytes.
const manySmall = 64 << 10

// ManyFiles says that the scene is about files more than about bytes.
func (s *Scene) ManyFiles() bool {
	return s.Source.Files > 0 && s.Source.Bytes/int64(s.Source.Files) < manySmall
}

// FilesAt returns Run.Files of an end, from the run's figures.
func (s *Scene) FilesAt(u *Run, e meter.End) float64 {
	if u.OwnEnds[e] <= 0 {
		return 0
	}
	return float64(s.Source.Files) / u.OwnEnds[e]
}

// FilesBy is the spread of FilesAt.
func (r *Result) FilesBy(s *Scene, e meter.End) Spread {
	return r.Of(func(u *Run) float64 { return s.FilesAt(u, e) })
}

// Wire is what went from end to end: what the program counted itself, or the loopback device's share of one hop.
func (r *Result) Wire(run *Run) float64 {
	if run.Said.Wire > 0 {
		return float64(run.Said.Wire)
	}
	return float64(run.Loopback) / float64(max(r.Hops, 1))
}

// Spread is a median between the smallest and the largest value.
type Spread struct{ Min, Median, Max float64 }

// Of is the spread of one figure of all runs; zero without runs.
func (r *Result) Of(f func(*Run) float64) Spread {
	if len(r.Runs) == 0 {
		return Spread{}
	}
	all := make([]float64, len(r.Runs))
	for i := range r.Runs {
		all[i] = f(&r.Runs[i])
	}
	slices.Sort(all)
	n := len(all)
	return Spread{all[0], (all[(n-1)/2] + all[n/2]) / 2, all[n-1]}
}

// Wall is the spread of the time in seconds.
func (r *Result) Wall() Spread { return r.Of(func(u *Run) float64 { return u.Usage.Wall }) }

// CPU is the spread of the whole machine's processor seconds per GB of the source.
func (r *Result) CPU(s *Scene) Spread {
	return r.Of(func(u *Run) float64 { return u.Machine / (float64(s.Source.Bytes) / 1e9) })
}

// OwnCPU is the same of the programs alone.
func (r *Result) OwnCPU(s *Scene) Spread {
	return r.Of(func(u *Run) float64 { return u.Own / (float64(s.Source.Bytes) / 1e9) })
}

// Find returns a scene's result by name, nil when there is none with runs.
func (s *Scene) Find(name string) *Result {
	for i := range s.Results {
		if r := &s.Results[i]; r.Name == name && len(r.Runs) > 0 {
			return r
		}
	}
	return nil
}

// Ratio is how near r comes to its ceiling: 1 is as fast. 0 when there is nothing to compare with.
func (s *Scene) Ratio(r *Result) float64 {
	c := s.Find(r.Against)
	if c == nil || len(r.Runs) == 0 {
		return 0
	}
	return c.Wall().Median / r.Wall().Median
}

// Lock is one method of joining a real cluster, from a file that bench/lockrace wrote.
type Lock struct {
	Method string  `json:"method"`
	Bytes  int64   `json:"bytes"`
	Joins  []Joins `json:"joins"`
}

// Joins are the figures of one join: seconds.
type Joins struct {
	Join    float64 `json:"join_seconds"`
	Gap     float64 `json:"gap_seconds"`
	Blocked float64 `json:"blocked_seconds"`
}

// Write writes the report as JSON to a file, or to standard output for "-".
func (r *Report) Write(path string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	b = append(b, '\n')
	if path == "-" {
		_, err = os.Stdout.Write(b)
	} else {
		err = os.WriteFile(path, b, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}

// Read reads a report that Write has written.
func Read(path string) (*Report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	r := new(Report)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("read results %s: %w", path, err)
	}
	if r.Version != Version {
		return nil, fmt.Errorf("read results %s: version %d, this program knows %d", path, r.Version, Version)
	}
	return r, nil
}

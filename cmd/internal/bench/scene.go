package bench

import (
	"context"
	"fmt"
	"strings"

	"trireme/cmd/internal/bench/datadir"
)

// scene is one situation that contestants are put into.
type scene struct {
	name, title string
	// data is what the source holds.
	data func(o *options) datadir.Config
	// fresh means that the target does not exist; else it holds an exact old copy, made by the contestant itself where
	// own is set.
	fresh, own bool
	// change makes the source differ from the old copy before each run, and returns by how many bytes.
	change func(ctx context.Context, d *datadir.Dir) (int64, error)
	// after puts the source back, and the copy with it.
	after func(d *datadir.Dir, target string) error
	// holes asks everybody to keep holes.
	holes bool
	// params are values of what the scene is about, each a scene of its own; set puts one into place.
	params []float64
	unit   string
	set    func(o *options, p float64) *options
	// only are the contestants that take part unless others are asked for by name; nil: all.
	only []string
	// rounds replaces the number of rounds by default; 0: no.
	rounds int
	// scale marks what takes long and is run only when asked for.
	scale bool
}

func tables(n int) func(o *options) datadir.Config {
	return func(o *options) datadir.Config { return datadir.Config{Size: int64(o.size), Tables: n} }
}

func pages(share float64, runs bool) func(context.Context, *datadir.Dir) (int64, error) {
	return func(ctx context.Context, d *datadir.Dir) (int64, error) {
		n, err := d.Change(ctx, share, runs)
		return int64(n) * datadir.PageSize, err
	}
}

func small(o *options) datadir.Config { return datadir.Config{Small: o.files, SmallSize: 8 << 10} }

const grown = 0.25

// sized takes a parameter as the size of the tables in GB.
func sized(o *options, p float64) *options {
	c := *o
	c.size = size(p * 1e9)
	return &c
}

// holeSizes are in GB; the last is about what a file's length alone costs.
var holeSizes = []float64{16, 128, 1000}

// scenes in the order in which they run.
var scenes = func() []scene {
	all := []scene{
		{name: "full", title: "full copy of few large files, fresh target", data: tables(4), fresh: true},
		{name: "full-64", title: "full copy of 64 files, fresh target", data: tables(64), fresh: true},
		{name: "files", title: "many files of 8 KiB, fresh target", data: small, fresh: true},
		{name: "incompressible", title: "full copy of what does not compress, fresh target", fresh: true,
			data: func(o *options) datadir.Config { return datadir.Config{Size: int64(o.size), Ratio: 1} }},
		{name: "equal", title: "old copy equal, equal times, made by the contestant itself", data: tables(4), own: true},
		{name: "equal-files", title: "old copy of many files of 8 KiB equal, equal times, made by the contestant itself", data: small, own: true},
		{name: "touched", title: "old copy equal, other times: everything is hashed", data: tables(4),
			change: func(_ context.Context, d *datadir.Dir) (int64, error) { return 0, d.Touch() }},
	}
	for _, share := range []float64{0.1, 1, 10} {
		for _, runs := range []bool{false, true} {
			name, how := "changed", "single pages"
			if runs {
				name, how = "runs", "runs of 8 pages"
			}
			all = append(all, scene{
				name: fmt.Sprintf("%s-%g", name, share), title: fmt.Sprintf("%g %% of the old copy's pages changed, %s", share, how),
				data: tables(4), change: pages(share/100, runs),
			})
		}
	}
	return append(all,
		scene{name: "grown", title: "tables a quarter longer than in the old copy", data: tables(4),
			change: func(ctx context.Context, d *datadir.Dir) (int64, error) { return d.Grow(ctx, grown) },
			after:  func(d *datadir.Dir, target string) error { return d.Ungrow(target) }},
		scene{name: "sparse", title: "page compressed tables: three quarters of each page is a hole", fresh: true, holes: true,
			data: func(o *options) datadir.Config { return datadir.Config{Size: int64(o.size), Packed: true} }},
		scene{name: "scale-size", title: "cost against data size, fresh target", data: tables(4), fresh: true, scale: true, rounds: 1, only: []string{"trireme"},
			params: []float64{1, 4, 8, 16}, unit: "GB", set: sized},
		scene{name: "scale-touched", title: "cost of hashing against data size", data: tables(4), scale: true, rounds: 1, only: []string{"trireme"},
			change: func(_ context.Context, d *datadir.Dir) (int64, error) { return 0, d.Touch() },
			params: []float64{1, 4, 8, 16}, unit: "GB", set: sized},
		scene{name: "scale-files", title: "cost against the number of files of 8 KiB, fresh target", data: small, fresh: true, scale: true, rounds: 1, only: []string{"trireme"},
			params: []float64{1000, 20000, 200000}, unit: "files",
			set: func(o *options, p float64) *options { c := *o; c.files = int(p); return &c }},
		scene{name: "scale-streams", title: "cost against the number of data connections, fresh target", data: tables(64), fresh: true, scale: true, rounds: 3, only: []string{"trireme"},
			params: []float64{1, 2, 4, 8, 16}, unit: "streams",
			set: func(o *options, p float64) *options { c := *o; c.streams = int(p); return &c }},
		scene{name: "scale-hole", title: "a file that is a hole, fresh target", fresh: true, holes: true, scale: true, rounds: 1, only: []string{"trireme"},
			data:   func(o *options) datadir.Config { return datadir.Config{Huge: int64(o.size)} },
			params: holeSizes, unit: "GB", set: sized},
		scene{name: "scale-hole-equal", title: "a file that is a hole, with an equal old copy", own: true, holes: true, scale: true, rounds: 1, only: []string{"trireme"},
			data:   func(o *options) datadir.Config { return datadir.Config{Huge: int64(o.size)} },
			params: holeSizes, unit: "GB", set: sized},
	)
}()

// pickScenes returns the scenes that words name: a name, a name's beginning before a dash and a star, "all" for those that are no
// scales.
func pickScenes(words []string) ([]scene, error) {
	var in []scene
	for _, s := range scenes {
		for _, w := range words {
			prefix, star := strings.CutSuffix(w, "*")
			if w == s.name || w == "all" && !s.scale || star && strings.HasPrefix(s.name, prefix) {
				in = append(in, s)
				break
			}
		}
	}
	for _, w := range words {
		prefix, star := strings.CutSuffix(w, "*")
		found := w == "all"
		for _, s := range scenes {
			found = found || w == s.name || star && strings.HasPrefix(s.name, prefix)
		}
		if !found {
			return nil, fmt.Errorf("no scene %q; --list names them", w)
		}
	}
	return in, nil
}

package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// run is how many neighbouring pages a change in runs covers: half an extent's worth of what splits and inserts touch.
const run = 8

// stamp gives files a time of their last change that they never had before. Programs that compare times count in seconds, and a change
// that follows another within the same one would be none to them.
func (d *Dir) stamp(paths ...string) error {
	at := time.Now().Truncate(time.Second).Add(-time.Duration(d.version) * time.Minute)
	for _, path := range paths {
		if err := os.Chtimes(path, at, at); err != nil {
			return err
		}
	}
	return nil
}

// Touch gives every file a new time of its last change and leaves the content alone.
func (d *Dir) Touch() error {
	d.version++
	err := filepath.WalkDir(d.Path, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		return d.stamp(path)
	})
	if err != nil {
		return fmt.Errorf("touch the datadir's files: %w", err)
	}
	return nil
}

// Change rewrites a share of the pages of all tables, 0 to 1: single pages anywhere, or runs of neighbours. It returns how
// many pages that were.
func (d *Dir) Change(ctx context.Context, share float64, runs bool) (int, error) {
	d.version++
	length := uint32(1)
	if runs {
		length = run
	}
	version, changed := d.version, 0
	var jobs []func() error
	for i := range d.tables {
		t := &d.tables[i]
		if t.space == 0 {
			continue
		}
		places := (t.pages - 1) / length // page 0 holds what the server finds the table by
		n := int(math.Round(float64(places) * share))
		r := rand.New(rand.NewPCG(uint64(t.space), version))
		chosen := r.Perm(int(places))[:n]
		changed += n * int(length)
		jobs = append(jobs, func() error {
			for _, c := range chosen {
				from := 1 + uint32(c)*length
				if err := d.write(t, from, from+length, version); err != nil {
					return err
				}
			}
			return d.stamp(t.path)
		})
	}
	if err := each(ctx, jobs); err != nil {
		return 0, fmt.Errorf("change pages: %w", err)
	}
	return changed, nil
}

// Grow makes every table longer by a share of what it was made with, and returns the bytes added.
func (d *Dir) Grow(ctx context.Context, share float64) (int64, error) {
	d.version++
	version, added := d.version, int64(0)
	var jobs []func() error
	for i := range d.tables {
		t := &d.tables[i]
		if t.space == 0 {
			continue
		}
		from := t.pages
		t.pages += uint32(math.Ceil(float64(d.c.Size/int64(d.c.Tables)/PageSize) * share))
		added += int64(t.pages-from) * PageSize
		jobs = append(jobs, func() error {
			return errors.Join(d.write(t, 0, 1, version), d.write(t, from, t.pages, version), d.stamp(t.path))
		})
	}
	if err := each(ctx, jobs); err != nil {
		return 0, fmt.Errorf("grow tables: %w", err)
	}
	return added, nil
}

// Ungrow cuts the tables of the datadir, and of a copy at another path, to what they were made with.
func (d *Dir) Ungrow(copyPath string) error {
	for i := range d.tables {
		t := &d.tables[i]
		if t.space == 0 {
			continue
		}
		t.pages = uint32(max(d.c.Size/int64(d.c.Tables)/PageSize, 1))
		rel, err := filepath.Rel(d.Path, t.path)
		if err != nil {
			return err
		}
		for _, path := range []string{t.path, filepath.Join(copyPath, rel)} {
			if err := os.Truncate(path, int64(t.pages)*PageSize); err != nil {
				return fmt.Errorf("cut a grown table: %w", err)
			}
		}
	}
	return nil
}

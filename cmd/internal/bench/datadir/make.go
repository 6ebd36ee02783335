package datadir

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup" // the first error of several workers, all waited for
)

// Config says what to make.
type Config struct {
	// Size is the sum of all tables in bytes.
	Size int64
	// Tables is the number of tables Size is divided by; those of one database hold at most 1000. 0 means 4.
	Tables int
	// Small is a number of further files of SmallSize bytes each, tables of MyISAM: definition, data, index.
	Small     int
	SmallSize int
	// Ratio is what a compressor should find in the pages, 1 or more; 0 means 2.
	Ratio float64
	// Packed makes the tables page compressed: a quarter of each page is stored, the rest is a hole.
	Packed bool
	// Huge adds a file of that many bytes, a hole but for its first page, as a table of its own.
	Huge int64
}

// Dir is a datadir that was made.
type Dir struct {
	Path   string
	c      Config
	tables []table
	// version counts the changes; every one gives other bytes.
	version uint64
}

type table struct {
	path  string
	space uint32
	pages uint32
}

// unit is what a worker writes at once.
const unit = 1 << 20

// perDatabase bounds the directory that a server would search.
const perDatabase = 1000

// Make makes a new directory at path, which must not exist.
func Make(ctx context.Context, path string, c Config) (*Dir, error) {
	if c.Tables == 0 {
		c.Tables = 4
	}
	if c.Ratio == 0 {
		c.Ratio = 2
	}
	if c.Ratio < 1 {
		return nil, fmt.Errorf("make a datadir: ratio %g is below 1", c.Ratio)
	}
	if err := os.Mkdir(path, 0o750); err != nil {
		return nil, fmt.Errorf("make a datadir: %w", err)
	}
	d := &Dir{Path: path, c: c, version: 1}
	if err := d.system(); err != nil {
		return nil, fmt.Errorf("make a datadir: %w", err)
	}
	if err := d.plan(); err != nil {
		return nil, fmt.Errorf("make a datadir: %w", err)
	}
	var jobs []func() error
	for i := range d.tables {
		t := &d.tables[i]
		for at := uint32(0); at < t.pages; at += unit / PageSize {
			jobs = append(jobs, func() error { return d.write(t, at, min(at+unit/PageSize, t.pages), 1) })
		}
	}
	for db := 0; db*perDatabase < c.Small; db++ {
		jobs = append(jobs, func() error { return d.small(db) })
	}
	if err := each(ctx, jobs); err != nil {
		return nil, fmt.Errorf("make a datadir: %w", err)
	}
	return d, nil
}

// each runs jobs, as many at a time as there are processors.
func each(ctx context.Context, jobs []func() error) error {
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(runtime.NumCPU(), len(jobs)) {
		g.Go(func() error {
			for ctx.Err() == nil {
				i := next.Add(1) - 1
				if i >= int64(len(jobs)) {
					return nil
				}
				if err := jobs[i](); err != nil {
					return err
				}
			}
			return context.Cause(ctx)
		})
	}
	return g.Wait()
}

// system makes what surrounds the tables: enough for every check that looks for a datadir.
func (d *Dir) system() error {
	if err := os.Mkdir(filepath.Join(d.Path, "mysql"), 0o750); err != nil {
		return err
	}
	r := rand.NewChaCha8([32]byte{1})
	for _, f := range []struct {
		name string
		size int
	}{
		{"ib_logfile0", 4 << 20}, {"aria_log_control", 52}, {"aria_log.00000001", 16 << 10}, {"mysql/global_priv.MAD", 16 << 10}, {"mysql/global_priv.MAI", 16 << 10},
	} {
		b := make([]byte, f.size)
		_, _ = r.Read(b) // never fails
		if err := os.WriteFile(filepath.Join(d.Path, f.name), b, 0o640); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(d.Path, "mysql/global_priv.frm"), definition(42, 1<<10), 0o640)
}

// plan makes the tables' empty files. The first is the system tablespace.
func (d *Dir) plan() error {
	d.tables = append(d.tables, table{path: filepath.Join(d.Path, "ibdata1"), pages: 12 << 20 / PageSize})
	perTable := d.c.Size / int64(d.c.Tables) / PageSize
	if d.c.Size > 0 {
		for i := range d.c.Tables {
			dir := filepath.Join(d.Path, fmt.Sprintf("shop%02d", i/perDatabase))
			if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
			name := filepath.Join(dir, fmt.Sprintf("orders%03d", i))
			if err := os.WriteFile(name+".frm", definition(12, 1<<10), 0o640); err != nil {
				return err
			}
			d.tables = append(d.tables, table{path: name + ".ibd", space: uint32(i) + 10, pages: uint32(max(perTable, 1))})
		}
	}
	for i := range d.tables {
		t := &d.tables[i]
		if err := os.WriteFile(t.path, nil, 0o640); err != nil {
			return err
		}
		if err := os.Truncate(t.path, int64(t.pages)*PageSize); err != nil {
			return err
		}
	}
	if d.c.Huge == 0 {
		return nil
	}
	name := filepath.Join(d.Path, "mysql", "huge.ibd")
	b := make([]byte, PageSize)
	p := page{space: 9, pages: uint32(d.c.Huge / PageSize), version: 1}
	p.write(b)
	if err := os.WriteFile(name, b, 0o640); err != nil {
		return err
	}
	return os.Truncate(name, d.c.Huge)
}

// definition is the head of a .frm file, with an engine's number, and nothing behind it.
func definition(engine byte, size int) []byte {
	b := make([]byte, size)
	b[0], b[1], b[3] = 0xfe, 1, engine
	return b
}

// small makes the small files of one database.
func (d *Dir) small(db int) error {
	dir := filepath.Join(d.Path, fmt.Sprintf("many%03d", db))
	if err := os.Mkdir(dir, 0o750); err != nil {
		return err
	}
	r := rand.NewPCG(uint64(db), 7)
	b := make([]byte, d.c.SmallSize)
	for i := db * perDatabase; i < min((db+1)*perDatabase, d.c.Small); i++ {
		for at := 0; at+8 <= len(b); at += 8 {
			binary.LittleEndian.PutUint64(b[at:], r.Uint64())
		}
		ext := [...]string{".frm", ".MYD", ".MYI"}[i%3]
		if ext == ".frm" {
			copy(b, definition(9, frmHead))
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("t%06d%s", i/3, ext)), b, 0o640); err != nil {
			return err
		}
	}
	return nil
}

// frmHead is the fixed part of a table definition.
const frmHead = 64

// write makes the pages from up to to of a table.
func (d *Dir) write(t *table, from, to uint32, version uint64) error {
	f, err := os.OpenFile(t.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	p := page{space: t.space, pages: t.pages, version: version, random: int(cell/d.c.Ratio) &^ 7}
	if d.c.Packed && t.space > 0 {
		p.stored, p.random = PageSize/4, cell
		b := make([]byte, PageSize)
		for p.number = from; p.number < to; p.number++ {
			p.write(b)
			if _, err := f.WriteAt(b[:p.stored], int64(p.number)*PageSize); err != nil {
				return err
			}
		}
		return f.Close()
	}
	b := make([]byte, int64(to-from)*PageSize)
	for i := range to - from {
		p.number = from + i
		p.write(b[int64(i)*PageSize:][:PageSize])
	}
	if _, err := f.WriteAt(b, int64(from)*PageSize); err != nil {
		return err
	}
	return f.Close()
}

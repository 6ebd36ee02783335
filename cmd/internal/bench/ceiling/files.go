package ceiling

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup" // the first error of several workers, all waited for
	"golang.org/x/sys/unix"

	"trireme/engine/block"
)

// unit is what is read and written at once; the real thing does the same.
const unit = block.Unit

// span is one piece of work. number is its place among all.
type span struct {
	number   int
	rel      string
	off, len int64
}

// spans divides the files below dir into units and makes the directories and empty files of target, if there is one.
func spans(dir, target string) ([]span, error) {
	var all []span
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			if target == "" {
				return nil
			}
			return os.MkdirAll(filepath.Join(target, rel), 0o750)
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		for off := int64(0); off == 0 || off < info.Size(); off += unit {
			all = append(all, span{len(all), rel, off, min(unit, info.Size()-off)})
		}
		return nil
	})
	return all, err
}

// queue hands out spans to workers: stretches of one file to one worker, so that no two write to a file all the time.
type queue struct {
	all  []span
	next atomic.Int64
}

// stretch is how many spans a worker takes at once.
const stretch = 16

func (q *queue) take() []span {
	n := int64(len(q.all))
	at := q.next.Add(stretch) - stretch
	if at >= n {
		return nil
	}
	return q.all[at:min(at+stretch, n)]
}

// each runs work in n goroutines until the queue is empty.
func (q *queue) each(ctx context.Context, n int, work func() func(s span) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for range n {
		do := work()
		g.Go(func() error {
			for part := q.take(); part != nil && ctx.Err() == nil; part = q.take() {
				for _, s := range part {
					if err := do(s); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// holder keeps the file of the last span open, one for each worker.
type holder struct {
	f    *os.File
	path string
}

func (h *holder) open(path string, flag int) (*os.File, error) {
	if h.path == path {
		return h.f, nil
	}
	if h.f != nil {
		if err := h.f.Close(); err != nil {
			return nil, err
		}
		h.path = ""
	}
	f, err := os.OpenFile(path, flag, 0o640)
	if err == nil {
		h.f, h.path = f, path
	}
	return f, err
}

func readFull(f *os.File, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Files copies source to target, which must not exist, by reading and writing in workers goroutines.
func Files(ctx context.Context, source, target string, workers int) error {
	all, err := spans(source, target)
	if err != nil {
		return fmt.Errorf("copy files: %w", err)
	}
	q := &queue{all: all}
	return q.each(ctx, workers, func() func(span) error {
		var from, to holder
		buf := make([]byte, unit)
		return func(s span) error {
			f, err := from.open(filepath.Join(source, s.rel), os.O_RDONLY)
			if err != nil {
				return err
			}
			t, err := to.open(filepath.Join(target, s.rel), os.O_WRONLY|os.O_CREATE)
			if err != nil {
				return err
			}
			if err := readFull(f, buf[:s.len], s.off); err != nil {
				return err
			}
			_, err = t.WriteAt(buf[:s.len], s.off)
			return err
		}
	})
}

// Range is Files with copy_file_range(2), by which no byte comes to a process.
func Range(ctx context.Context, source, target string, workers int) error {
	all, err := spans(source, target)
	if err != nil {
		return fmt.Errorf("copy ranges: %w", err)
	}
	q := &queue{all: all}
	return q.each(ctx, workers, func() func(span) error {
		var from, to holder
		return func(s span) error {
			f, err := from.open(filepath.Join(source, s.rel), os.O_RDONLY)
			if err != nil {
				return err
			}
			t, err := to.open(filepath.Join(target, s.rel), os.O_WRONLY|os.O_CREATE)
			if err != nil {
				return err
			}
			for in, out, left := s.off, s.off, s.len; left > 0; {
				n, err := unix.CopyFileRange(int(f.Fd()), &in, int(t.Fd()), &out, int(left), 0)
				if err != nil {
					return fmt.Errorf("copy_file_range %s: %w", s.rel, err)
				}
				if n == 0 {
					return io.ErrUnexpectedEOF
				}
				left -= int64(n)
			}
			return nil
		}
	})
}

// Digest reads source and target and takes the digests that a comparison needs, half of the workers at each.
func Digest(ctx context.Context, source, target string, workers int) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, dir := range []string{source, target} {
		all, err := spans(dir, "")
		if err != nil {
			return fmt.Errorf("hash files: %w", err)
		}
		q := &queue{all: all}
		g.Go(func() error {
			return q.each(ctx, max(workers/2, 1), func() func(span) error {
				var from holder
				buf, h := make([]byte, unit), block.NewHasher(block.Key{})
				leaves := make([]block.Digest, 0, block.MaxLeaves)
				return func(s span) error {
					f, err := from.open(filepath.Join(dir, s.rel), os.O_RDONLY)
					if err != nil {
						return err
					}
					if err := readFull(f, buf[:s.len], s.off); err != nil {
						return err
					}
					leaves = h.Leaves(leaves[:0], block.LeafPage, buf[:s.len])
					return nil
				}
			})
		})
	}
	return g.Wait()
}

// Memory copies n bytes from one buffer to another that do not fit into the processor's cache, and returns bytes a second.
func Memory(n int64) float64 {
	a, b := make([]byte, 64<<20), make([]byte, 64<<20)
	for i := range a {
		a[i] = byte(i)
	}
	copy(b, a) // first touch
	start := time.Now()
	var done int64
	for ; done < n; done += int64(len(a)) {
		copy(b, a)
	}
	return float64(done) / time.Since(start).Seconds()
}

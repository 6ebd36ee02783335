package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// Entry is what TreeHash says about one name.
type Entry struct {
	Type   string // file, dir, link, other
	Size   int64  // bytes of a file
	Sum    string // SHA-256 of a file's bytes or of a link's target, in hex
	Blocks int64  // allocated 512-byte units; not compared by Diff
}

// Tree maps slash-separated paths relative to the root to entries.
type Tree map[string]Entry

// hashers is how many files are read at once; the machines this runs on have few cores, and servers on them.
const hashers = 2

// TreeHash reads everything below root except what exclude names (nil: nothing). An excluded directory is not entered. A file
// that vanishes meanwhile is an error: trees are compared while nothing may change.
func TreeHash(ctx context.Context, root string, exclude func(rel string) bool) (Tree, error) {
	tree := Tree{}
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || rel == "." {
			return err
		}
		rel = filepath.ToSlash(rel)
		if exclude != nil && exclude(rel) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		switch {
		case d.Type().IsRegular():
			files = append(files, rel)
		case d.IsDir():
			tree[rel] = Entry{Type: "dir"}
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			tree[rel] = Entry{Type: "link", Sum: target}
		default:
			tree[rel] = Entry{Type: "other"}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("hash tree %s: %w", root, err)
	}
	entries := make([]Entry, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(hashers)
	for i, rel := range files {
		group.Go(func() error {
			var err error
			entries[i], err = hashFile(ctx, filepath.Join(root, filepath.FromSlash(rel)))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("hash tree %s: %w", root, err)
	}
	for i, rel := range files {
		tree[rel] = entries[i]
	}
	return tree, nil
}

func hashFile(ctx context.Context, path string) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, context.Cause(ctx)
	}
	f, err := os.Open(path)
	if err != nil {
		return Entry{}, err
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Type: "file", Size: size, Sum: hex.EncodeToString(sum.Sum(nil))}
	if st, err := f.Stat(); err == nil {
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			e.Blocks = sys.Blocks
		}
	}
	return e, nil
}

// Diff lists how b differs from a, one line a name, sorted; empty when they are equal.
func Diff(a, b Tree) []string {
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(a)) {
		x, y := a[path], b[path]
		switch {
		case y.Type == "":
			lines = append(lines, "missing: "+path)
		case x.Type != y.Type:
			lines = append(lines, fmt.Sprintf("type: %s is %s, want %s", path, y.Type, x.Type))
		case x.Size != y.Size:
			lines = append(lines, fmt.Sprintf("size: %s has %d bytes, want %d", path, y.Size, x.Size))
		case x.Sum != y.Sum:
			lines = append(lines, "content: "+path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(b)) {
		if a[path].Type == "" {
			lines = append(lines, "extra: "+path)
		}
	}
	return lines
}

// NotTransferred is a start for the exclude function of a comparison between donor and joiner: the provider's own files, the
// markers of transfers, what belongs to one server (sst-contract 8.3). The caller adds what its method leaves out on top.
func NotTransferred(rel string) bool {
	switch rel {
	case "grastate.dat", "gvwstate.dat", "galera.cache", "auto.cnf", "sst_in_progress", "tables_flushed", "tables_flushed.tmp",
		"sst_error", "wsrep_sst.pid", "ib_buffer_pool", "mysqld.pid", "lost+found", ".sst", "rsync_sst_complete", "xtrabackup_ist",
		"rsync_sst.pid", "rsync_sst.conf", "stunnel.conf", "stunnel.pid", "mysqld_safe.pid", "trireme-status.json", "trireme-manifest.bin":
		return true
	}
	if strings.Contains(rel, "/") {
		return false
	}
	return strings.HasPrefix(rel, "gcache.page.") || strings.HasPrefix(rel, "ibtmp") || strings.HasPrefix(rel, "GRA_") ||
		strings.HasSuffix(rel, ".err") || strings.HasSuffix(rel, ".sock") || strings.HasPrefix(rel, ".trireme")
}

// Usage is what a directory tree holds: the sizes of its files and what they occupy, both in bytes.
func Usage(root string) (size, allocated int64, files int, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return ignoreVanished(err)
		}
		st, err := d.Info()
		if err != nil {
			return ignoreVanished(err)
		}
		size += st.Size()
		files++
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			allocated += sys.Blocks * 512
		}
		return nil
	})
	if err != nil {
		return 0, 0, 0, fmt.Errorf("measure %s: %w", root, err)
	}
	return size, allocated, files, nil
}

// ignoreVanished forgives what a running server removes while we look.
func ignoreVanished(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

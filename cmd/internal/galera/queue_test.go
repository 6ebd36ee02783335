package galera

import (
	"os"
	"path/filepath"
	"testing"
)

func TestQueue(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, size int64) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(dir, name), size); err != nil {
			t.Fatal(err)
		}
	}
	file("galera.cache", 128<<20)
	file("ibdata1", 1<<20)
	waiting, room, ok := Queue(QueueConfig{Dir: dir})
	if waiting != 0 || room <= 0 || !ok {
		t.Errorf("without pages %d wait, %d fit, %v", waiting, room, ok)
	}
	file("gcache.page.000000", 3<<20)
	file("gcache.page.000001", 2<<20)
	if waiting, _, _ = Queue(QueueConfig{Dir: dir}); waiting != 5<<20 {
		t.Errorf("%d bytes wait in pages of 5 MiB", waiting)
	}
	if _, room, _ = Queue(QueueConfig{Dir: dir, Limit: 6 << 20}); room != 1<<20 {
		t.Errorf("%d more bytes fit below a limit of 6 MiB", room)
	}
	if _, room, _ = Queue(QueueConfig{Dir: dir, Limit: 4 << 20}); room != 0 {
		t.Errorf("%d more bytes fit above the limit", room)
	}
	if _, _, ok = Queue(QueueConfig{Dir: filepath.Join(dir, "none")}); ok {
		t.Error("a directory that is not there has a queue")
	}
}

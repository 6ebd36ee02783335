package tree

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkHoles is what the file system's own word about holes costs, for a file of which a quarter of each page is there: the
// shape of a page compressed table, and the worst there is.
func BenchmarkHoles(b *testing.B) {
	const page, pages = 16 << 10, 1024
	for _, kind := range []string{"pages", "whole"} {
		b.Run(fmt.Sprintf("size=16MiB/holes=%s", kind), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "t.ibd"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			must(b, f.Truncate(page*pages))
			data := make([]byte, page/4)
			for i := range pages {
				if kind == "pages" {
					_, err := f.WriteAt(data, int64(i)*page)
					must(b, err)
				}
			}
			b.SetBytes(page * pages)
			b.ReportAllocs()
			for b.Loop() {
				for at := int64(0); ; {
					from, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
					if err != nil {
						break // nothing but a hole to the end
					}
					if at, err = unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

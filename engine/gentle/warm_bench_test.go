package gentle

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkReadWarm reads what is in the page cache: by the system call alone, and as it is done while a server works.
func BenchmarkReadWarm(b *testing.B) {
	const n = 16 << 20
	name := filepath.Join(b.TempDir(), "warm")
	if err := os.WriteFile(name, make([]byte, n), 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for _, how := range []string{"plain", "gentle"} {
		for _, size := range []int{16 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("how=%s/size=%dKiB", how, size>>10), func(b *testing.B) {
				buf := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				off := int64(0)
				for b.Loop() {
					var err error
					if how == "plain" {
						_, err = f.ReadAt(buf, off)
					} else {
						_, err = ReadAt(f, buf, off)
					}
					if err != nil {
						b.Fatal(err)
					}
					off = (off + int64(size)) % n
				}
			})
		}
	}
}

// TestReadAllocatesNothing: it is called for every block.
func TestReadAllocatesNothing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "warm")
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	if n := testing.AllocsPerRun(20, func() {
		if _, err := ReadAt(f, buf, 0); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%.0f allocations for a block", n)
	}
}

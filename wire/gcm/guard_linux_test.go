package gcm

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// fenced returns n bytes that end, or else begin, where memory that nobody may touch begins or ends.
func fenced(t *testing.T, n int, atEnd bool) []byte {
	t.Helper()
	page := os.Getpagesize()
	size := (n + page - 1) / page * page
	m, err := unix.Mmap(-1, 0, size+2*page, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(m) })
	if err := unix.Mprotect(m[page:page+size], unix.PROT_READ|unix.PROT_WRITE); err != nil {
		t.Fatal(err)
	}
	if atEnd {
		return m[page+size-n : page+size]
	}
	return m[page : page+n : page+n]
}

// TestFences reads and writes where one byte too far is the end of the process.
func TestFences(t *testing.T) {
	for _, atEnd := range []bool{false, true} {
		at := func(n int) []byte { return fenced(t, n, atEnd) }
		key, nonce, header := at(32), at(nonceSize), at(blockSize+5)
		copy(key, random(len(key), 1))
		std, ours := pair(t, key)
		for n := narrowest; n < narrowest+2*chunkSize; n += 15 {
			text, sealed, opened := at(n), at(n+tagSize), at(n)
			copy(text, random(n, 2))
			ours.Seal(sealed[:0], nonce, text, header)
			if !bytes.Equal(sealed, std.Seal(nil, nonce, text, header)) {
				t.Fatalf("%d bytes: sealed to something else", n)
			}
			if _, err := ours.Open(opened[:0], nonce, sealed, header); err != nil || !bytes.Equal(opened, text) {
				t.Fatalf("%d bytes: opened to something else: %v", n, err)
			}
		}
	}
}

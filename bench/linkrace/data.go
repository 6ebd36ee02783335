package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

const pageSize = 16 << 10

// fill makes a datadir of mb MiB: tablespaces whose index pages hold rows that shrink to about a half.
func fill(dir string, mb int) error {
	const tables = 8
	for i := range tables {
		name := filepath.Join(dir, "shop", fmt.Sprintf("t%d.ibd", i))
		if i == 0 {
			name = filepath.Join(dir, "ibdata1")
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		r := rand.New(rand.NewPCG(uint64(i), 1))
		unit := make([]byte, 1<<20)
		for n := range max(1, mb/tables) {
			for at := 0; at < len(unit); at += pageSize {
				page(unit[at:at+pageSize], uint32(n<<6+at/pageSize), r)
			}
			if _, err := f.Write(unit); err != nil {
				f.Close()
				return err
			}
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	// A redo log that was written once and is empty.
	return os.WriteFile(filepath.Join(dir, "ib_logfile0"), make([]byte, 1<<20), 0o644)
}

// page fills an index page: head, rows of numbers, words and random identifiers, and some room.
func page(b []byte, n uint32, r *rand.Rand) {
	clear(b)
	binary.BigEndian.PutUint32(b[4:], n)
	binary.BigEndian.PutUint64(b[16:], uint64(n)<<8)
	b[24], b[25] = 0x45, 0xbf
	if n == 0 {
		// The head of a tablespace: its type, its size in pages, and flags for pages of 16 KiB.
		b[24], b[25], b[49], b[57] = 0, 8, 64, 0x15
	}
	at := 120
	for row := n << 8; at < pageSize-pageSize/16; row++ {
		binary.BigEndian.PutUint32(b[at:], row)
		at += 4 + copy(b[at+4:], "\x80\x00\x01customer of the shop, street ")
		binary.LittleEndian.PutUint64(b[at:], r.Uint64())
		binary.LittleEndian.PutUint64(b[at+8:], r.Uint64())
		binary.LittleEndian.PutUint64(b[at+16:], r.Uint64())
		at += 24
	}
}

// same compares a target with its source, content and names.
func same(src, dst string) error {
	return filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".ibd" && d.Name() != "ibdata1" {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		a, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dst, rel))
		if err != nil {
			return err
		}
		if !bytes.Equal(a, b) {
			return fmt.Errorf("%s differs from its source", filepath.Join(dst, rel))
		}
		return nil
	})
}

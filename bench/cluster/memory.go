package cluster

import "golang.org/x/sys/unix"

// TouchMemory makes the machine hold n bytes of memory for a moment. A guest that
// reports free pages to its host pays for the first touch of each after an idle
// moment; races touch more than a run needs right before every run, so that no
// method pays for the others (performance 5). It leaves a GiB of what is free.
func TouchMemory(n int64) {
	const piece = 256 << 20
	var held [][]byte
	for ; n > 0; n -= piece {
		// A private mapping is always given; with data on tmpfs there may be nothing behind it.
		var m unix.Sysinfo_t
		if unix.Sysinfo(&m) == nil && m.Freeram*uint64(m.Unit) < piece+1<<30 {
			break
		}
		b, err := unix.Mmap(-1, 0, piece, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			break // as much as there is
		}
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		held = append(held, b)
	}
	for _, b := range held {
		_ = unix.Munmap(b)
	}
}

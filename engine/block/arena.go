package block

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Arena is a fixed number of buffers of Unit bytes. They lie in one anonymous
// mapping, so they are page aligned (direct I/O may use them), cost the garbage
// collector nothing and are never given back while the Arena lives. Asking for more
// than there are waits: that is how memory stays bounded whatever the data's size.
// All methods except Close are safe for concurrent use.
type Arena struct {
	mem  []byte
	base uintptr
	free chan int32 // capacity is the number of buffers, so a Put never blocks
	out  []atomic.Bool

	gets, waits, puts atomic.Int64
}

// maxBuffers keeps a wrong setting from mapping the machine's memory: 64 GiB.
const maxBuffers = 64 << 10

// NewArena maps and touches n buffers. First touch of memory costs about a second
// per GiB on virtual machines; here it is paid once.
func NewArena(n int) (*Arena, error) {
	if n < 1 || n > maxBuffers {
		return nil, fmt.Errorf("create buffer arena: %d buffers of %d bytes, want 1 to %d", n, Unit, maxBuffers)
	}
	mem, err := unix.Mmap(-1, 0, n*Unit, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("create buffer arena of %d MiB: %w", n, err)
	}
	// Huge pages save page-table walks. The kernel may know none; that is no error.
	_ = unix.Madvise(mem, unix.MADV_HUGEPAGE)
	for i := 0; i < len(mem); i += os.Getpagesize() {
		mem[i] = 0
	}
	a := &Arena{mem: mem, base: uintptr(unsafe.Pointer(unsafe.SliceData(mem))), free: make(chan int32, n), out: make([]atomic.Bool, n)}
	for i := range n {
		a.free <- int32(i)
	}
	return a, nil
}

// Get returns a buffer of length and capacity Unit, waiting until one is free. Its
// content is arbitrary. The caller owns it until Put. When ctx ends first, Get
// returns the cause of ctx.
func (a *Arena) Get(ctx context.Context) ([]byte, error) {
	a.gets.Add(1)
	select {
	case i := <-a.free:
		return a.take(i), nil
	default:
	}
	a.waits.Add(1)
	select {
	case i := <-a.free:
		return a.take(i), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (a *Arena) take(i int32) []byte {
	if a.out[i].Swap(true) {
		panic(fmt.Sprintf("block: internal error: buffer %d handed out twice", i))
	}
	off := int(i) * Unit
	return a.mem[off : off+Unit : off+Unit]
}

// Put gives a buffer back. p may be shortened at its end, but must start where the
// buffer from Get started. Put panics on a foreign buffer and on a second Put of
// the same one: both would let two owners write over each other's data.
func (a *Arena) Put(p []byte) {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(p)))
	if cap(p) == 0 || at < a.base || at >= a.base+uintptr(len(a.mem)) || (at-a.base)%Unit != 0 {
		panic("block: internal error: buffer does not belong to this arena")
	}
	i := int32((at - a.base) / Unit)
	if !a.out[i].Swap(false) {
		panic(fmt.Sprintf("block: internal error: buffer %d given back twice", i))
	}
	a.puts.Add(1)
	a.free <- i
}

// Size is the number of buffers.
func (a *Arena) Size() int { return len(a.out) }

// Stats are counts since NewArena. Waits much smaller than Gets means that buffers
// are not what limits the transfer.
type Stats struct{ Gets, Waits, Puts int64 }

// Stats returns a snapshot of the counters.
func (a *Arena) Stats() Stats {
	return Stats{Gets: a.gets.Load(), Waits: a.waits.Load(), Puts: a.puts.Load()}
}

// Close unmaps the buffers. All must be back: while any is out, nothing is unmapped
// and an error says how many, because a late writer would crash the process.
// Neither Get nor Put may be called during or after a successful Close.
func (a *Arena) Close() error {
	if a.mem == nil {
		return nil
	}
	if missing := len(a.out) - len(a.free); missing > 0 {
		return fmt.Errorf("close buffer arena: %d of %d buffers still in use", missing, len(a.out))
	}
	mem := a.mem
	a.mem, a.base = nil, 0
	for range len(a.out) {
		<-a.free
	}
	if err := unix.Munmap(mem); err != nil {
		return fmt.Errorf("unmap buffer arena: %w", err)
	}
	return nil
}

package gentle

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// niceness is how far Background steps back: the kernel gives a thread a tenth of what
// others get that want the processor at the same time, and all of it when nobody does.
const niceness = 10

// Background runs f so that it yields the processor to others of this machine. Nothing
// but its goroutine's own work is affected. The calling goroutine must end soon after:
// its thread cannot be given the usual priority again without privilege, so it is
// thrown away with the goroutine. Where the kernel refuses, f runs as usual.
func Background(f func()) {
	runtime.LockOSThread() // never unlocked, see above
	if n, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid()); err == nil {
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), min(20-n+niceness, 19)) // the answer counts from the other end
	}
	f()
}

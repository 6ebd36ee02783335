package sst

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// watchRate reads the option files again at SIGUSR1 and passes a new rate-limit on: an
// operator can slow a transfer down that hurts, or let go one that takes too long. Other
// settings stay as they were at the start. stop ends it and waits.
func (c *call) watchRate() (changes <-chan int64, stop func()) {
	out := make(chan int64)
	sigs := make(chan os.Signal, 1) // one that came while the files are being read means the same
	signal.Notify(sigs, syscall.SIGUSR1)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-sigs:
			}
			set, _, err := c.settings()
			if err != nil {
				c.log.Warningf("rate-limit stays as it is: %s", oneLine(err))
				continue
			}
			select {
			case out <- set.RateLimit:
			case <-done:
				return
			}
		}
	})
	return out, func() {
		signal.Ignore(syscall.SIGUSR1) // not Stop, which would bring back that it kills
		close(done)
		wg.Wait()
	}
}

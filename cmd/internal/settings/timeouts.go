package settings

import "time"

// Default time limits. The first contact takes the scripts' values; the limit without progress is Percona's, whose
// script alone has one; so is that for connecting, for which the MariaDB scripts have none and wait as long as the tool does.
const (
	defaultInitial    = 300 * time.Second
	defaultInitialPXC = 100 * time.Second
	defaultIdle       = 120 * time.Second
	defaultDonor      = 10 * time.Second
)

// Forever is the longest that a donor tries to reach its joiner, and so what no limit at all comes to: as long as a joiner waits by
// default.
const Forever = defaultInitial

// timeouts reads the limits; 0 means without limit, as in the scripts.
func (r *resolver) timeouts() {
	initial := defaultInitial
	names := []string{"sst-initial-timeout", "joiner-timeout"}
	if r.in.PXC {
		initial = defaultInitialPXC
		names = []string{"joiner-timeout", "sst-initial-timeout"}
	}
	at := r.lookup(names[0], sstGroup)
	if !at.IsSet() {
		at = r.lookup(names[1], sstGroup)
	}
	r.s.InitialTimeout = r.duration(at, initial)
	r.show("sst-initial-timeout", at, noLimit(r.s.InitialTimeout))

	at = r.lookup("sst-idle-timeout", sstGroup)
	r.s.IdleTimeout, r.s.IdleTimeoutSet = r.duration(at, defaultIdle), at.IsSet()
	r.show("sst-idle-timeout", at, noLimit(r.s.IdleTimeout))

	at = r.lookup("donor-timeout", sstGroup)
	if r.s.DonorTimeout = r.duration(at, defaultDonor); r.s.DonorTimeout == 0 {
		r.s.DonorTimeout = Forever
	}
	r.show("donor-timeout", at, r.s.DonorTimeout.String())
}

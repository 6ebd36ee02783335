package settings

import "time"

// Default time limits. The first contact takes the scripts' values; the limit without progress is Percona's, whose
// script alone has one; for connecting the MariaDB scripts have none and wait as long as the tool does.
const (
	defaultInitial      = 300 * time.Second
	defaultInitialPXC   = 100 * time.Second
	defaultIdle         = 120 * time.Second
	defaultDonorConnect = 30 * time.Second
	defaultDonorPXC     = 10 * time.Second
)

// timeouts reads the limits; 0 means without limit, as in the scripts.
func (r *resolver) timeouts() {
	initial, donor := defaultInitial, defaultDonorConnect
	names := []string{"sst-initial-timeout", "joiner-timeout"}
	if r.in.PXC {
		initial, donor = defaultInitialPXC, defaultDonorPXC
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
	r.s.DonorTimeout, r.s.DonorTimeoutSet = r.duration(at, donor), at.IsSet()
	r.show("donor-timeout", at, noLimit(r.s.DonorTimeout))
}

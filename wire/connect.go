package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// connect finds the joiner behind the ticket's host: every address of it is tried, each with a head start over the next
// (RFC 8305), until one answers and shows the pinned certificate. An address where somebody else answers is passed over, so
// a host name that leads to several machines does no harm.
func connect(ctx context.Context, t Ticket, c Config, way Transport) (*channel, error) {
	addrs, err := resolve(ctx, t.Host, c.Socket)
	if err != nil {
		return nil, err
	}
	return race(ctx, addrs, headStart, func(ctx context.Context, a netip.Addr) (*channel, error) {
		to := netip.AddrPortFrom(a, uint16(t.port()))
		if way == QUIC {
			return secureQUIC(ctx, to, t, c)
		}
		nc, err := c.Socket.dial(ctx, c.timeout(), to)
		if err != nil {
			return nil, err
		}
		return secure(ctx, nc, t, c)
	}, func(ch *channel) {
		_ = ch.stream.Close() // another address was faster
	})
}

// resolve returns the addresses of host in the order in which to try them.
func resolve(ctx context.Context, host string, o SocketOptions) ([]netip.Addr, error) {
	addrs := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, zoned(a, o.Device, linkNames)...)
	} else {
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, fmt.Errorf("resolve the joiner's name: %w", err)
		}
		for _, a := range found {
			addrs = append(addrs, zoned(a.Unmap(), o.Device, linkNames)...)
		}
	}
	if addrs = order(addrs, o.Family); len(addrs) == 0 {
		return nil, fmt.Errorf("the joiner %s has no address of the family IPv%d that is asked for", host, o.Family)
	}
	return addrs, nil
}

// order keeps the resolver's preference, leaves out what is not wanted or named twice, and lets the families take turns, so that
// one broken family costs one head start only.
func order(addrs []netip.Addr, family int) []netip.Addr {
	var first, second []netip.Addr
	for _, a := range addrs {
		if family == 4 && !a.Is4() || family == 6 && a.Is4() {
			continue
		}
		if slices.Contains(first, a) || slices.Contains(second, a) {
			continue
		}
		if len(first) == 0 || a.Is4() == first[0].Is4() {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	var out []netip.Addr
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			out = append(out, first[i])
		}
		if i < len(second) {
			out = append(out, second[i])
		}
	}
	return out[:min(len(out), maxAddresses)]
}

// race runs try for each address, one after the other, not waiting longer than start for one before the next joins in, and returns
// the first success. Later successes go to drop. All tries have ended when it returns. The error is that of the first address that
// says most: an answer by somebody is better than silence.
func race[T any](ctx context.Context, addrs []netip.Addr, start time.Duration, try func(context.Context, netip.Addr) (T, error), drop func(T)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	var none T
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	outcomes := make(chan outcome, len(addrs)) // every try can always deliver, so none has to be waited for out of turn
	begin := func(a netip.Addr) {
		wg.Go(func() {
			v, err := try(ctx, a)
			outcomes <- outcome{v, err}
		})
	}
	timer := time.NewTimer(start)
	defer timer.Stop()
	var errs []error
	begun, ended := 0, 0
	for {
		if begun == ended && begun < len(addrs) { // nothing is under way
			begin(addrs[begun])
			begun++
			timer.Reset(start)
		}
		select {
		case o := <-outcomes:
			ended++
			if o.err == nil {
				cancel()
				for ; ended < begun; ended++ {
					if late := <-outcomes; late.err == nil {
						drop(late.value)
					}
				}
				return o.value, nil
			}
			errs = append(errs, o.err)
			if ended == len(addrs) {
				return none, mostTelling(errs)
			}
		case <-timer.C:
			if begun < len(addrs) {
				begin(addrs[begun])
				begun++
				timer.Reset(start)
			}
		}
	}
}

// mostTelling picks the error that an operator learns most from.
func mostTelling(errs []error) error {
	for _, err := range errs {
		var s *StrangerError
		if errors.As(err, &s) {
			return err
		}
	}
	return errs[0]
}

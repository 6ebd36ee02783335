package clone

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"trireme/cmd/internal/settings"
	"trireme/cmd/internal/show"
	"trireme/cmd/internal/status"
	"trireme/engine/share"
	"trireme/proto"
	"trireme/wire"
)

// leg is the transfer to one receiver.
type leg struct {
	ticket   ticket
	channel  wire.Config
	progress proto.Progress
	result   string // after its end
	err      error  // the same, with its code
}

// name is what people call the receiver.
func (l *leg) name() string { return net.JoinHostPort(l.ticket.Host, strconv.Itoa(l.ticket.Port)) }

// fanOut sends the source to several receivers at once. Each has a transfer of its own, with its own end; what they have in common
// is the reading.
func (o *options) fanOut(t *transfer, set *settings.Settings, src *source, legs []*leg) error {
	var names []string
	var figures []*proto.Progress
	for _, l := range legs {
		names, figures = append(names, l.name()), append(figures, &l.progress)
	}
	fan := status.NewFan(t.written(set, ownerOf(set.Datadir)), names, figures)
	reading := share.New(share.Config{})
	ended := make(chan ending, len(legs)) // as many as are sent: nobody waits with an end
	var all errgroup.Group                // every receiver is served to its own end
	for i, l := range legs {
		c := o.toReceiver(t, set, src, l)
		c.Note = func(format string, args ...any) { t.detail(l.name()+": "+format, args...) }
		c.Trouble = func(format string, args ...any) { t.note(l.name()+": "+format, args...) }
		c.Share = reading.Join(func() {
			t.note("%s does not keep up with the other receivers; it gets what it still needs by a reading of its own", l.name())
		})
		all.Go(func() error {
			sum, err := proto.Send(t.ctx, c)
			ended <- ending{i, sum, err}
			return nil
		})
	}
	t.each(fan, legs, ended)
	_ = all.Wait() // always nil
	result, err := outcome(t.ctx, legs)
	t.show.Close(fan.Finish(result, err, exitCode(err)))
	return err
}

// ending is how the transfer to a receiver ended.
type ending struct {
	leg int
	sum proto.Summary
	err error
}

// each shows all transfers until every one has ended, and says how each did.
func (t *transfer) each(fan *status.Fan, legs []*leg, ended <-chan ending) {
	for left := len(legs); left > 0; {
		// The figures belong to whoever looks at them, so between two ends it is the goroutine of look.
		stop := t.look(fan.Tick)
		e := <-ended
		stop()
		l := legs[e.leg]
		l.result, l.err = t.result(e.err, &l.progress)
		s := fan.End(e.leg, l.result, still(e.sum), l.err, exitCode(l.err))
		t.note("%s: %s", l.name(), show.Summary(s))
		left--
	}
}

// outcome is that of all transfers: a failure if one has failed, with the code of the first in the order of the tickets. Each has been
// told of already.
func outcome(ctx context.Context, legs []*leg) (string, error) {
	var bad []string
	var first error
	for _, l := range legs {
		if l.err == nil {
			continue
		}
		if first == nil {
			first = l.err
		}
		bad = append(bad, fmt.Sprintf("%s (exit code %d): %v", l.name(), exitCode(l.err), l.err))
	}
	switch {
	case len(bad) == 0:
		return legs[0].result, nil
	case len(bad) == len(legs) && ctx.Err() != nil:
		return status.Failed, first // all were stopped by the same word
	}
	return status.Failed, coded(exitCode(first), errors.New(strconv.Itoa(len(bad))+" of "+strconv.Itoa(len(legs))+" receivers were not served: "+strings.Join(bad, "; ")))
}

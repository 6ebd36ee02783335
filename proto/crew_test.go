package proto

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// TestNobodyWaitsForAnEndedSession: who is not wanted waits for jobs, and when the session ends it is enough that one of the others
// notices at the queue. A bubble whose goroutines all wait fails the test.
func TestNobodyWaitsForAnEndedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDonor(context.Background(), DonorConfig{})
		d.crew.turn.L = &d.crew.mu
		d.crew.open, d.crew.width, d.crew.tuning = 2, 1, true
		q := &queue{d: d, jobs: []job{{}, {}, {}}}
		wanted, idle := newWorker(d, nil, 0), newWorker(d, nil, 1)
		if q.next(wanted) == nil {
			t.Fatal("no job for the worker that is wanted")
		}
		left := make(chan job, 1)
		var wg sync.WaitGroup
		wg.Go(func() { left <- q.next(idle) })
		synctest.Wait()
		d.s.fail(errors.New("over"))
		if j := q.next(wanted); j != nil {
			t.Errorf("a job after the end: %v", j)
		}
		if j := <-left; j != nil {
			t.Errorf("a job after the end for who was not wanted: %v", j)
		}
		wg.Wait()
	})
}

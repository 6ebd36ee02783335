package calm

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

const (
	// worthwhile is what a checkpoint must leave at most of the dirty pages that were there before it, or it was the last one. Under
	// clients that never rest the next one would find as many again; each costs them disk time (consistency.md 10.1, fixed point).
	worthwhile = 0.7
	// killLimit is how long the end of a checkpoint is waited for after it was asked to stop. The server looks only between two
	// batches: 0.8 to 2.5 s were measured with two clients that update without pause, more where the processors were busy as well.
	// One that goes on after that does no harm: the lock stops the clients, and with them the work that it finds.
	killLimit = 4 * time.Second
)

// pages are the counts of InnoDB's buffer pool.
type pages struct{ dirty, total int64 }

func (c *Calm) pages(ctx context.Context) (pages, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, errSlow)
	defer cancel()
	vars, err := show(ctx, c.db, "SHOW GLOBAL STATUS", []string{pagesDirty, pagesTotal})
	if err != nil {
		return pages{}, fmt.Errorf("count dirty pages: %w", explain(err))
	}
	var p pages
	if p.dirty, err = strconv.ParseInt(vars[pagesDirty], 10, 64); err != nil {
		return pages{}, fmt.Errorf("count dirty pages: status %s: %w", pagesDirty, err)
	}
	if p.total, err = strconv.ParseInt(vars[pagesTotal], 10, 64); err != nil {
		return pages{}, fmt.Errorf("count dirty pages: status %s: %w", pagesTotal, err)
	}
	return p, nil
}

// target is how many dirty pages are few enough in a pool of total pages.
func (c *Calm) target(total int64) int64 {
	if c.config.Target > 0 {
		return c.config.Target
	}
	return max(total/100, leastTarget)
}

// errLimit marks the end of Config.Limit, which is no error of Quiet.
var errLimit = errors.New("calm: time is up")

// flush brings the dirty pages down: by checkpoints where the server takes the order, else by waiting.
func (c *Calm) flush(parent context.Context) error {
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(parent, c.config.Limit, errLimit)
	defer cancel()
	first, err := c.pages(parent)
	if err != nil {
		return err
	}
	last, goal := first, c.target(first.total)
	byOrder, rounds := c.checkpoint, 0
	why := ""
	for last.dirty > goal && why == "" {
		before := last.dirty
		if byOrder {
			err = c.order(ctx)
			rounds++
		} else {
			err = pause(ctx, pollEvery)
		}
		switch {
		case parent.Err() != nil:
			return context.Cause(parent)
		case errors.Is(err, errLimit):
			why = fmt.Sprintf(", not fewer within %v", c.config.Limit)
		case errors.Is(err, errNoOrder):
			c.config.Note("dirty pages: %v; waiting for the server's own pace", err)
			byOrder = false
		case err != nil:
			return err
		}
		if last, err = c.pages(parent); err != nil {
			return err
		}
		if byOrder && why == "" && last.dirty > goal && float64(last.dirty) > worthwhile*float64(before) {
			why = ", clients change pages as fast as they are written"
		}
	}
	c.config.Note("dirty pages before the lock: %d of %d, were %d (%v, checkpoints: %d)%s", last.dirty, last.total, first.dirty,
		time.Since(began).Round(time.Millisecond), rounds, why)
	return nil
}

// errNoOrder says that a checkpoint cannot be ordered, or ended once it runs; the server itself is fine.
var errNoOrder = errors.New("calm: no checkpoint can be ordered")

// order makes one checkpoint: the server writes all pages that were dirty, and under load those that became so, while clients go
// on. When ctx ends, the statement is ended too, from a second connection: a closed connection alone would leave the server
// working for nobody.
func (c *Calm) order(ctx context.Context) error {
	conn, err := c.db.Conn(ctx)
	if err != nil {
		return cause(ctx, err)
	}
	defer conn.Close()
	var id int64
	if err := conn.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&id); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%w: %w", errNoOrder, err)
	}
	// The statement outlives ctx for as long as the server needs to see that it was killed.
	running, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	var wg sync.WaitGroup
	done := make(chan error, 1) // one value, so that the sender never waits
	wg.Go(func() {
		_, err := conn.ExecContext(running, "SET GLOBAL "+checkpointNow+"=ON")
		done <- err
	})
	defer wg.Wait()
	select {
	case err = <-done:
	case <-ctx.Done():
		kill, cancel := context.WithTimeout(context.WithoutCancel(ctx), killLimit)
		defer cancel()
		_, _ = c.db.ExecContext(kill, "KILL QUERY "+strconv.FormatInt(id, 10))
		select {
		case <-done:
		case <-kill.Done():
			giveUp()
		}
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errNoOrder, explain(err))
	}
	return nil
}

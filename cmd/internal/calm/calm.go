package calm

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os/user"
	"sync"
	"time"
)

// Config says which server, and how much. The zero value of a field that is not marked as required is useful.
type Config struct {
	Socket   string // path of the server's socket; required unless Address is set
	Address  string // HOST:PORT of the server on this host, used instead; empty: the socket
	User     string // account; empty: the name of the user we run as, for accounts that are known by their socket
	Password string // reaches the server and the guard's pipe, and no message

	Limit  time.Duration // how long to wait for few dirty pages; 0: 10 s
	Target int64         // number of dirty pages that are few enough; 0: a hundredth of the buffer pool, but at least 256

	Note    func(format string, args ...any) // takes lines for the log, never nil when called; nil: they are dropped
	Program string                           // executable whose argument calm-guard calls Guard; empty: our own
}

const (
	defaultLimit = 10 * time.Second
	// leastTarget is 4 MiB of pages of the usual size, which any disk takes in a few milliseconds.
	leastTarget = 256
	// restoreLimit bounds Restore. The guard has longer, and nobody waits for it.
	restoreLimit = 5 * time.Second
	// restoreAgain is the pause between two attempts to restore.
	restoreAgain = 100 * time.Millisecond
)

// Calm is a connection to a donor and what was changed there. Its methods may be called from several goroutines and run one after
// the other: to end Quiet early, cancel its context.
type Calm struct {
	config Config
	login  login
	db     *sql.DB

	// What the server can do, known since Open.
	checkpoint bool // it has innodb_log_checkpoint_now
	family     family

	mu      sync.Mutex
	changed []setting // what Restore has to undo; empty: nothing
	guard   *guard    // lives while changed is not empty
}

// Open connects and sees whether the account may change the settings, by an order that
// changes nothing. An error means that
// there is no help to be had for this transfer and names what to do; nothing is held then.
func Open(ctx context.Context, config Config) (*Calm, error) {
	if config.Limit == 0 {
		config.Limit = defaultLimit
	}
	if config.Note == nil {
		config.Note = func(string, ...any) {}
	}
	if config.Program == "" {
		// The file may have been replaced by an upgrade since we were started; this name leads to the one that runs.
		config.Program = "/proc/self/exe"
	}
	if config.User == "" {
		me, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("connect to the server: find the name of our user: %w", err)
		}
		config.User = me.Username
	}
	login := login{Socket: config.Socket, Address: config.Address, User: config.User, Password: config.Password}
	db, err := connect(login)
	if err != nil {
		return nil, err
	}
	c := &Calm{config: config, login: login, db: db}
	if err := c.try(ctx); err != nil {
		_ = db.Close()
		return nil, err
	}
	return c, nil
}

// try learns what the server can do and whether we may ask for it.
func (c *Calm) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, errSlow)
	defer cancel()
	vars, err := variables(ctx, c.db, "version", checkpointNow, maxDirty, maxDirtyLow)
	if err != nil {
		return fmt.Errorf("ask the server at %s: %w", c.login.where(), explain(err))
	}
	if vars[maxDirty] == "" || vars[maxDirtyLow] == "" {
		return fmt.Errorf("ask the server at %s: it has no %s and %s", c.login.where(), maxDirty, maxDirtyLow)
	}
	_, c.checkpoint = vars[checkpointNow]
	c.family = familyOf(vars["version"])
	s := setting{Name: maxDirty, Old: vars[maxDirty]}
	if err := s.valid(); err != nil {
		return fmt.Errorf("ask the server at %s: %w", c.login.where(), err)
	}
	// A value that was read and written again could undo what a guard does in between; these statements cannot.
	name, value := maxDirty, "@@GLOBAL."+maxDirty
	if c.checkpoint {
		name, value = checkpointNow, "OFF"
	}
	if err := set(ctx, c.db, name, value); err != nil {
		return fmt.Errorf("try to set %s: %w", name, explain(err))
	}
	return nil
}

// Quiet lowers the number of dirty pages. It returns when few are left, when more trouble brings no fewer, or when the limit is
// reached (a checkpoint that runs then may take four seconds more to end), which is no error but a note. The settings then stay low until Restore. It also waits up to two seconds for the end of
// statements that would hold up the lock, and notes those it can see.
//
// After an error the settings are as before; the end of ctx is one, reported with its cause. It may be called again, before Restore
// and after.
func (c *Calm) Quiet(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.quiet(ctx); err != nil {
		return errors.Join(fmt.Errorf("calm the server: %w", err), c.restore(ctx))
	}
	return nil
}

func (c *Calm) quiet(ctx context.Context) error {
	if len(c.changed) == 0 {
		if err := c.lower(ctx); err != nil {
			return err
		}
	}
	left := patience
	if _, err := c.waitStatements(ctx, &left); err != nil {
		return err
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	// What began during the flush would hold up the lock just as well.
	held, err := c.waitStatements(ctx, &left)
	c.noteStatements(held)
	return err
}

// lower remembers the settings, starts the guard and sets them to 0, in this order: were we to die anywhere in between, the guard
// finds either nothing to do or all it needs.
func (c *Calm) lower(ctx context.Context) error {
	found, err := c.found(ctx)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		c.config.Note("%s and %s are 0 already: somebody's own choice, or left over from a transfer that died with its guard; they stay so", maxDirty, maxDirtyLow)
		return nil
	}
	g, err := startGuard(c.config.Program, plan{Login: c.login, Settings: found})
	if err != nil {
		c.config.Note("dirty pages: %v; without a guard the settings are left alone", err)
		return nil
	}
	// From here on restore has work to do, whichever of the statements arrive.
	c.guard, c.changed = g, found
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, errSlow)
	defer cancel()
	// The low mark comes first: the server keeps it below the other one, by lowering it itself, with a warning.
	for i := len(found) - 1; i >= 0; i-- {
		if err := set(ctx, c.db, found[i].Name, "0"); err != nil {
			return fmt.Errorf("set %s to 0: %w", found[i].Name, explain(err))
		}
	}
	return nil
}

// found returns the settings that are not 0 now, in the order in which they have to be restored. Zeros may be those of another
// transfer whose guard is about to put the old values back, so they get a moment before they are believed.
func (c *Calm) found(ctx context.Context) ([]setting, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, errSlow)
	defer cancel()
	end := time.Now().Add(leftoverWait)
	for {
		vars, err := variables(ctx, c.db, maxDirty, maxDirtyLow)
		if err != nil {
			return nil, explain(err)
		}
		var found []setting
		for _, name := range []string{maxDirty, maxDirtyLow} {
			s := setting{Name: name, Old: vars[name]}
			if err := s.valid(); err != nil {
				return nil, err
			}
			if !zero(s.Old) {
				found = append(found, s)
			}
		}
		// A low mark above a maximum of 0 cannot last; seen so, another guard is at work between its two statements.
		if len(found) > 0 && found[0].Name == maxDirty || time.Now().After(end) {
			return found, nil
		}
		if err := pause(ctx, pollEvery); err != nil {
			return nil, err
		}
	}
}

// Restore puts the settings back and lets the guard go. Without anything to put back it does nothing. It also works when ctx has
// ended, for that is when it is needed most, and takes five seconds at most. After an error the guard tries on for a minute; a
// server that has ended needs neither.
func (c *Calm) Restore(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.restore(ctx)
}

func (c *Calm) restore(ctx context.Context) error {
	if len(c.changed) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), restoreLimit, errSlow)
	defer cancel()
	settings, g := c.changed, c.guard
	c.changed, c.guard = nil, nil
	for {
		kept, _, err := putBack(ctx, c.db, settings)
		if err == nil {
			for _, name := range kept {
				c.config.Note("%s was changed by somebody else during the transfer and is left as it is", name)
			}
			if err := g.dismiss(); err != nil {
				c.config.Note("dirty pages: %v", err)
			}
			return nil
		}
		if gone(err) || denied(err) || pause(ctx, restoreAgain) != nil {
			g.abandon()
			if gone(err) {
				return fmt.Errorf("restore %s of the server: %w; a server that has ended took the change with it", settings[0].Name, err)
			}
			return fmt.Errorf("restore %s of the server at %s: %w; the guard goes on trying for %v, after that SET GLOBAL %s=%s by hand",
				settings[0].Name, c.login.where(), explain(err), guardTries, settings[0].Name, settings[0].Old)
		}
	}
}

// Close is Restore, and the end of the connection. The Calm cannot be used any more.
func (c *Calm) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.restore(context.Background())
	if cerr := c.db.Close(); cerr != nil {
		err = errors.Join(err, fmt.Errorf("close the connection to the server: %w", cerr))
	}
	return err
}

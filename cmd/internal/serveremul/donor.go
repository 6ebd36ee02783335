package serveremul

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Donor is an emulated server that gives a snapshot.
type Donor struct {
	g      *program // nil when the request was refused
	t      testing.TB
	reject error

	locked bool
}

// StartDonor validates the request as the donor's server does and, when it passes, starts cmd, or wsrep_sst_METHOD from
// PATH when cmd is empty. A refused request starts nothing: Wait says why. The test's cleanup ends the program.
func StartDonor(t testing.TB, p Profile, cmd []string, o Options) *Donor {
	t.Helper()
	o = o.withDefaults()
	d := &Donor{t: t}
	address, auth, err := p.request(o)
	if err != nil {
		d.reject = err
		return d
	}
	s := start{command: command(o, cmd, p.donorLine(o, address)), env: p.authEnv(o)}
	if p.DonorStdin {
		s.stdin = p.credentials(o, auth)
	} else if auth != "" {
		s.env = append(s.env, "WSREP_SST_OPT_REMOTE_AUTH="+auth)
	}
	d.g = launch(t, p, o, s, d.serve, d.judge)
	return d
}

// credentials are the lines on a donor's standard input (sst-contract 6).
func (p Profile) credentials(o Options, remote string) []string {
	user, password, _ := strings.Cut(o.Auth, ":")
	switch {
	case p.Family == "pxc":
		user, password = "mysql.pxc.sst.user", "generated"
	case o.Method == "rsync":
		user, password = "rsync", "none"
	case o.Auth == "":
		user, password = "wsrep.sst.1700000000_node1", "generated"
	}
	lines := []string{"sst_user=" + user + "\n", "sst_password=" + password + "\n"}
	if remote != "" {
		user, secret, _ := strings.Cut(remote, ":")
		lines = append(lines, "sst_remote_user="+user+"\n", "sst_remote_password="+secret+"\n")
	}
	return lines
}

// Wait blocks until the program has ended, and reports violations to the test.
func (d *Donor) Wait() Result {
	d.t.Helper()
	if d.g == nil {
		return Result{Err: d.reject, ExitCode: -1}
	}
	return d.g.wait()
}

// Signal sends sig to the program.
func (d *Donor) Signal(sig syscall.Signal) { d.g.signal(sig) }

// KillServer kills the server, not the program. It needs Options.Mortal.
func (d *Donor) KillServer() { d.g.killServer() }

// Cancel is the server's own way to end the program; only PXC has one.
func (d *Donor) Cancel() { d.g.cancel() }

// serve is the donor's read loop (sst-contract 7.2).
func (d *Donor) serve(g *program) error {
	g.lines.limit = g.p.DonorBuffer - 1
	defer d.release(g, false)
	for {
		text, ok := g.next()
		switch {
		case !ok:
			return errors.New("no done line")
		case g.progress(text):
		case strings.EqualFold(text, "flush tables"):
			if err := d.flush(g); err != nil {
				return err
			}
		case strings.EqualFold(text, "continue"):
			d.release(g, true)
		case hasPrefix(text, "done") && len(text) > 5:
			position := text[5:]
			g.mu.Lock()
			g.res.Done = position
			g.mu.Unlock()
			if !strings.HasPrefix(text, "done ") || d.locked {
				g.violate("line %q at this point", text)
			}
			err := checkPosition(position)
			if err != nil {
				g.violate("line %q has no position", text)
				return fmt.Errorf("%w: %w", err, syscall.EINVAL)
			}
			return nil
		default:
			g.violate("unknown signal %q", text)
			return fmt.Errorf("unknown signal %q: %w", text, syscall.EINVAL)
		}
	}
}

// judge looks at what the whole conversation left behind. The exit code does not matter after done.
func (d *Donor) judge(g *program, served error) error {
	left := g.leftovers()
	g.mu.Lock()
	g.res.Leftovers = left
	code := g.res.ExitCode
	g.mu.Unlock()
	if served == nil {
		if len(left) > 0 {
			g.violate("files left in the datadir: %v", left)
		}
		if code != 0 {
			g.violate("exit code %d after done", code)
		}
		return nil
	}
	if code == 0 {
		g.violate("exit code 0 without done")
		// An undefined position is what is left then.
		return fmt.Errorf("%w, %w", served, syscall.EREMCHG)
	}
	return fmt.Errorf("%w, %w", served, exitError(code))
}

// flush takes the lock and reports it (sst-contract 7.3 and 7.4).
func (d *Donor) flush(g *program) error {
	if d.locked {
		g.violate("flush tables while the tables are locked")
		return errors.New("second flush tables")
	}
	lock := Lock{Requested: time.Now()}
	for _, name := range g.leftovers() {
		// The server overwrites the file; for the program it is a trap that it should have cleared away.
		g.violate("file %s is there when the flush begins", name)
	}
	position, err := g.o.GTID, error(nil)
	if g.o.OnFlush != nil {
		var reported string
		if reported, err = g.o.OnFlush(); reported != "" {
			position = reported
		}
	}
	if err == nil && g.o.Freeze != nil && !g.p.FileFirst {
		g.o.Freeze()
	}
	d.locked = err == nil
	lock.Position = position
	if err == nil {
		err = d.report(g, position)
		lock.Reported = time.Now()
	}
	g.mu.Lock()
	g.res.Locks = append(g.res.Locks, lock)
	g.mu.Unlock()
	if err != nil {
		if g.p.ErrorFile {
			if fileErr := os.WriteFile(filepath.Join(g.o.Datadir, "sst_error"), nil, 0o644); fileErr != nil {
				g.violate("write sst_error: %v", fileErr)
			}
		}
		return fmt.Errorf("flush and lock tables: %w", err)
	}
	if g.o.Freeze != nil && g.p.FileFirst {
		g.o.Freeze()
	}
	return nil
}

// report writes tables_flushed, once or twice.
func (d *Donor) report(g *program, position string) error {
	tail := ""
	switch {
	case g.p.LocalGTIDs:
		tail = " " + g.o.GTID + " 7"
	case g.p.Family == "mariadb":
		tail = " " + g.o.Domain
	}
	if g.p.Twice {
		first := position
		if g.o.First != "" {
			first = g.o.First
		}
		if err := place(g.o.Datadir, first+tail+"\n\n"); err != nil {
			return err
		}
		if g.o.SecondDelay > 0 {
			time.Sleep(g.o.SecondDelay)
		}
	}
	return place(g.o.Datadir, position+tail+"\n")
}

// place puts the report under its name in one step.
func place(datadir, content string) error {
	temp := filepath.Join(datadir, "tables_flushed.tmp")
	if err := os.WriteFile(temp, []byte(content), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(datadir, "tables_flushed"))
}

// release ends the lock window, if there is one.
func (d *Donor) release(g *program, continued bool) {
	if !d.locked {
		return
	}
	d.locked = false
	if g.o.Thaw != nil {
		g.o.Thaw()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	last := &g.res.Locks[len(g.res.Locks)-1]
	last.Released, last.Continued = time.Now(), continued
}

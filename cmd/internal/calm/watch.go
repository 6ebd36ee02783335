package calm

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"trireme/cmd/internal/galera"
)

const (
	// guardLife is when a guard stops to believe in a parent that neither ends nor speaks.
	guardLife = 24 * time.Hour
	// guardTries is for how long it looks for the server. A server that is really gone has taken its settings with it, so this is
	// for one that has no connection to spare.
	guardTries = 60 * time.Second
	// guardLook is the distance of two looks. After the parent's death one of its statements may still be on its way to the server,
	// so the settings must be right twice.
	guardLook = 500 * time.Millisecond
)

// Guard is the second process: the same program, called with GuardCommand as its only argument and with two pipes as standard input
// and output. It blocks until the parent says that the settings are restored; when the parent's end of the pipe closes without
// that, or after 24 hours, it restores them itself. It ignores the signals that end programs, because a stop of the service reaches
// it just when it is needed, but after such a signal a server that is gone is not waited for. The result is an exit code: 0 when the
// settings are right, 1 when they could not be restored, 2 when it was called by somebody else.
//
// It keeps a connection of its own open from the start, so that an account that was made for the transfer and is dropped at its
// end, or a server without a connection to spare, does not lock it out.
func Guard(stdin *os.File) int {
	// The server's files come along through the parent, and through us would outlive both.
	galera.CloseInheritedFDs()
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(term)
	signal.Ignore(syscall.SIGPIPE)
	db, p, in, err := guardStart(stdin)
	if err != nil {
		fmt.Fprintf(os.Stdout, "%v\n", err)
		return 2
	}
	defer db.Close()
	if guardWait(in) {
		return 0
	}
	if err := guardRestore(db, p, term); err != nil {
		return 1
	}
	return 0
}

// guardStart reads the plan, connects, and answers.
func guardStart(stdin *os.File) (*sql.DB, plan, *bufio.Reader, error) {
	info, err := stdin.Stat()
	if err != nil {
		return nil, plan{}, nil, err
	}
	if info.Mode()&os.ModeNamedPipe == 0 {
		return nil, plan{}, nil, errors.New(GuardCommand + " is for the program's own use: it is started by a donor, with a pipe as its standard input")
	}
	// A file that was inherited knows no deadlines unless it is opened again as what it is.
	fd := stdin.Fd()
	if err := unix.SetNonblock(int(fd), true); err != nil {
		return nil, plan{}, nil, fmt.Errorf("prepare standard input: %w", err)
	}
	pipe := os.NewFile(fd, "pipe")
	if err := pipe.SetReadDeadline(time.Now().Add(readyLimit)); err != nil {
		return nil, plan{}, nil, fmt.Errorf("prepare standard input: %w", err)
	}
	in := bufio.NewReaderSize(pipe, maxPlan)
	line, err := in.ReadSlice('\n')
	if err != nil {
		return nil, plan{}, nil, fmt.Errorf("read plan: %w", err)
	}
	p, err := parsePlan(bytes.TrimSuffix(line, []byte("\n")))
	if err != nil {
		return nil, plan{}, nil, err
	}
	if err := pipe.SetReadDeadline(time.Now().Add(guardLife)); err != nil {
		return nil, plan{}, nil, fmt.Errorf("prepare standard input: %w", err)
	}
	db, err := connect(p.Login)
	if err != nil {
		return nil, plan{}, nil, err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), askLimit, errSlow)
	defer cancel()
	if err := guardConnect(ctx, db); err != nil {
		_ = db.Close()
		return nil, plan{}, nil, err
	}
	return db, p, in, guardAnswer()
}

// guardConnect makes the connection, and has the server keep it while nothing is said.
func guardConnect(ctx context.Context, db *sql.DB) error {
	db.SetMaxOpenConns(1)
	_, err := db.ExecContext(ctx, fmt.Sprintf("SET SESSION wait_timeout=%d", int((guardLife+time.Hour)/time.Second)))
	return cause(ctx, err)
}

// guardAnswer says that all is well, and gives up standard output: the parent reads to its end.
func guardAnswer() error {
	if _, err := io.WriteString(os.Stdout, wordReady+"\n"); err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	return unix.Dup3(int(null.Fd()), int(os.Stdout.Fd()), 0)
}

// guardWait returns true when the parent has said that everything is restored, and false when there is no hope for that.
func guardWait(in io.Reader) bool {
	const most = 64
	said, _ := io.ReadAll(io.LimitReader(in, most))
	return string(said) == wordDone+"\n"
}

// guardRestore tries until the settings have been found right twice in a row, the server is gone for good, or time is up.
func guardRestore(db *sql.DB, p plan, term <-chan os.Signal) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), guardTries, errSlow)
	defer cancel()
	for right := 0; ; {
		ask, done := context.WithTimeoutCause(ctx, askLimit, errSlow)
		_, did, err := putBack(ask, db, p.Settings)
		done()
		switch {
		case err == nil && did == 0:
			if right++; right == 2 {
				return nil
			}
		case err == nil:
			right = 0
		case denied(err) || gone(err) && len(term) > 0:
			return err
		}
		if perr := pause(ctx, guardLook); perr != nil {
			return errors.Join(err, perr)
		}
	}
}

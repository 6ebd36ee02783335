package sst

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"trireme/cmd/internal/ends"
)

// fifoLimit bounds the wait for somebody who has a FIFO open and reads nothing.
const fifoLimit = 100 * time.Millisecond

// progressLines returns where lines about the progress go: the log, or the file or FIFO that the option progress names. end
// must be called after the last one.
func (c *call) progressLines() (say func(string), end func()) {
	toLog := func(line string) { c.log.Infof("%s", line) }
	if c.set == nil || c.set.ProgressFile == "" {
		return toLog, func() {}
	}
	if lay, err := ends.Layout(c.set); err == nil {
		if dir, yes := ends.AmongData(lay, c.set.ProgressFile); yes {
			c.log.Warningf("progress names %s, which lies among the data of the server in %s; progress goes to the error log", c.set.ProgressFile, dir)
			return toLog, func() {}
		}
	}
	p := &progressFile{path: c.set.ProgressFile}
	say = func(line string) {
		if p == nil {
			toLog(line)
			return
		}
		if err := p.write(line, time.Now()); err != nil {
			c.log.Warningf("progress cannot be written: %v; it goes to the error log", err)
			p.close()
			p = nil
			toLog(line)
		}
	}
	return say, func() {
		if p != nil {
			p.close()
		}
	}
}

// progressFile takes lines at the end of a file, or in a FIFO as long as somebody reads there. As with the scripts, a FIFO is gone
// after a transfer.
type progressFile struct {
	path string
	f    *os.File
	fifo bool
}

// write writes one line. A FIFO that nobody reads is no error; the line is lost.
func (p *progressFile) write(line string, now time.Time) error {
	if p.f == nil {
		if err := p.open(); err != nil || p.f == nil {
			return err
		}
	}
	if p.fifo {
		if err := p.f.SetWriteDeadline(now.Add(fifoLimit)); err != nil {
			return err
		}
	}
	_, err := p.f.WriteString(now.Format(time.DateTime) + " " + line + "\n")
	switch {
	case err == nil:
	case p.fifo && (errors.Is(err, unix.EPIPE) || errors.Is(err, os.ErrDeadlineExceeded)):
		p.f.Close()
		p.f = nil // perhaps there is another reader later
	default:
		return err
	}
	return nil
}

// open leaves p.f nil for a FIFO without a reader.
func (p *progressFile) open() error {
	f, err := os.OpenFile(p.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0o640)
	if errors.Is(err, unix.ENXIO) {
		if info, serr := os.Lstat(p.path); serr == nil && info.Mode()&fs.ModeNamedPipe != 0 {
			p.fifo = true
			return nil
		}
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	p.fifo = info.Mode()&fs.ModeNamedPipe != 0
	if !p.fifo && !info.Mode().IsRegular() {
		f.Close()
		return fmt.Errorf("%s is neither a file nor a FIFO", p.path)
	}
	p.f = f
	return nil
}

func (p *progressFile) close() {
	if p.f != nil {
		p.f.Close()
		p.f = nil
	}
	if info, err := os.Lstat(p.path); p.fifo && err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		_ = os.Remove(p.path) // as the scripts do; one that stays harms nobody
	}
}

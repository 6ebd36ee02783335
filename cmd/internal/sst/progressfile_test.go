package sst

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trireme/cmd/internal/galera"
	"trireme/cmd/internal/settings"
)

// progressOf says two lines with progress=path and returns what the error log has.
func progressOf(t *testing.T, path string) string {
	t.Helper()
	var log bytes.Buffer
	c := &call{log: galera.NewLog(galera.LogConfig{W: &log}), set: &settings.Settings{Datadir: filepath.Dir(path), ProgressFile: path}}
	say, end := c.progressLines()
	say("one")
	say("two")
	end()
	return log.String()
}

func TestProgressFile(t *testing.T) {
	t.Run("file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "progress")
		if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if log := progressOf(t, path); log != "" {
			t.Errorf("the log has %q", log)
		}
		b, err := os.ReadFile(path)
		lines := strings.Split(string(b), "\n")
		if err != nil || len(lines) != 4 || lines[0] != "before" || !strings.HasSuffix(lines[1], " one") || !strings.HasSuffix(lines[2], " two") {
			t.Errorf("%q, %v", b, err)
		}
	})
	t.Run("FIFO", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "fifo")
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		p := &progressFile{path: path}
		if err := p.write("nobody reads", time.Now()); err != nil {
			t.Fatal(err)
		}
		r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(r)
		for _, text := range []string{"one", "two"} {
			if err := p.write(text, time.Now()); err != nil {
				t.Fatal(err)
			}
			if line, err := in.ReadString('\n'); err != nil || !strings.HasSuffix(line, " "+text+"\n") {
				t.Errorf("%q, %v", line, err)
			}
		}
		// A reader that reads nothing costs one short wait, and a reader that goes is no error.
		for range 100 {
			if err := p.write(strings.Repeat("x", 4096), time.Now()); err != nil {
				t.Fatal(err)
			}
			if p.f == nil {
				break
			}
		}
		if p.f != nil {
			t.Error("a full FIFO took everything")
		}
		r.Close()
		if err := p.write("gone", time.Now()); err != nil {
			t.Error(err)
		}
		p.close()
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the FIFO is still there: %v", err)
		}
	})
	for name, make := range map[string]func(string) (string, error){
		"among the data": func(dir string) (string, error) {
			path := filepath.Join(dir, "shop", "t.ibd")
			return path, errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("rows"), 0o600))
		},
		"a link": func(dir string) (string, error) {
			return filepath.Join(dir, "l"), os.Symlink(filepath.Join(dir, "x"), filepath.Join(dir, "l"))
		},
		"a directory": func(dir string) (string, error) {
			return filepath.Join(dir, "d"), os.Mkdir(filepath.Join(dir, "d"), 0o700)
		},
		"nowhere": func(dir string) (string, error) { return filepath.Join(dir, "none", "x"), nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, err := make(dir)
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			c := &call{log: galera.NewLog(galera.LogConfig{W: &log}), set: &settings.Settings{
				Datadir: dir, InnoDBHome: dir, SystemFiles: []settings.SystemFile{{Name: "ibdata1"}}, ProgressFile: path,
			}}
			say, end := c.progressLines()
			say("one")
			say("two")
			end()
			if got := log.String(); strings.Count(got, "[WARNING]") != 1 || strings.Count(got, "[INFO]") != 2 {
				t.Errorf("the log has\n%s", got)
			}
			if b, err := os.ReadFile(path); err == nil && string(b) != "rows" {
				t.Errorf("the file has %q", b)
			}
		})
	}
}

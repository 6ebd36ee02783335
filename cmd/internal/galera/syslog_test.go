package galera

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestSyslog: every line reaches the system's log, as a datagram or a line of a stream, with facility, severity and tag, and on one
// line whatever is in it. The server's error log has it too.
func TestSyslog(t *testing.T) {
	for _, network := range []string{"unixgram", "unix"} {
		t.Run(network, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			var got func() string
			switch network {
			case "unixgram":
				c, err := net.ListenUnixgram(network, &net.UnixAddr{Name: path, Net: network})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				got = func() string {
					b := make([]byte, 8192)
					n, err := c.Read(b)
					if err != nil {
						t.Fatal(err)
					}
					return string(b[:n])
				}
			default:
				l, err := net.Listen(network, path)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				var in *bufio.Reader
				got = func() string {
					if in == nil {
						c, err := l.Accept()
						if err != nil {
							t.Fatal(err)
						}
						t.Cleanup(func() { c.Close() })
						in = bufio.NewReader(c)
					}
					line, err := in.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					return line
				}
			}
			s, err := OpenSyslog(path, "db-wsrep-sst-donor")
			if err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			l := NewLog(LogConfig{W: &stderr, JSON: true, Syslog: s})
			l.Infof("hello\n<0>forged")
			l.Warningf("w")
			l.Errorf("%s", strings.Repeat("ü", syslogText))
			l.Debugf("hidden")
			stamp := `[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d db-wsrep-sst-donor\[` + fmt.Sprint(os.Getpid()) + `\]: `
			for _, want := range []string{`^<30>` + stamp + `hello\\n<0>forged\n$`, `^<28>` + stamp + `w\n$`, `^<27>` + stamp + `ü{1000}\.\.\.\n$`} {
				if line := got(); !regexp.MustCompile(want).MatchString(line) {
					t.Errorf("got %q, want %s", line, want)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			l.Infof("after the end")
			if n := strings.Count(stderr.String(), "\n"); n != 4 {
				t.Errorf("%d lines on standard error:\n%s", n, stderr.String())
			}
		})
	}
}

// TestSyslogStuck: a log that takes nothing costs a transfer one short wait, and is named at the end.
func TestSyslogStuck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := OpenSyslog(path, "x")
	if err != nil {
		t.Fatal(err)
	}
	for range 10000 { // far more than a socket's buffer holds
		s.send(LevelInfo, strings.Repeat("x", 1000), time.Now())
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "i/o timeout") {
		t.Errorf("%v", err)
	}
	if _, err := OpenSyslog(filepath.Join(t.TempDir(), "none"), "x"); err == nil {
		t.Error("a log that is not there was opened")
	}
}

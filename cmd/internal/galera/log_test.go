package galera

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

func TestLog(t *testing.T) {
	var b bytes.Buffer
	l := NewLog(LogConfig{W: &b})
	l.Infof("sent %d of %s", 5, "6")
	l.Warningf("a\nb\x1b[31m\x00\u202ec\xff\r\tü€")
	l.Debugf("hidden")
	l.Errorf("x")
	stamp := ` \(\d{8} \d\d:\d\d:\d\d\.\d{3}\)` + "\n"
	want := `^WSREP_SST: \[INFO\] sent 5 of 6` + stamp +
		`WSREP_SST: \[WARNING\] a\\nb\\x1b\[31m\\x00\\u202ec\\xff\\r\\tü€` + stamp +
		`WSREP_SST: \[ERROR\] x` + stamp + `$`
	if !regexp.MustCompile(want).Match(b.Bytes()) {
		t.Errorf("got %q", b.String())
	}
	b.Reset()
	NewLog(LogConfig{W: &b, Debug: true}).Debugf("shown")
	if !strings.HasPrefix(b.String(), "WSREP_SST: [DEBUG] shown (") {
		t.Errorf("got %q", b.String())
	}
}

func TestLogPXC(t *testing.T) {
	var b bytes.Buffer
	l := NewLog(LogConfig{W: &b, Family: PXC, Debug: true})
	l.Errorf("e")
	l.Warningf("w")
	l.Infof("i")
	l.Debugf("d")
	if b.String() != "ERR:e\nWRN:w\nINF:i\nDBG:d\n" {
		t.Errorf("got %q", b.String())
	}
	b.Reset()
	text := strings.Repeat("aü€", 700)
	l.Infof("%s", text)
	var joined strings.Builder
	for line := range strings.Lines(b.String()) {
		if len(line) >= 1024 || !strings.HasPrefix(line, "INF:") || !utf8.ValidString(line) {
			t.Errorf("line %q", line)
		}
		joined.WriteString(strings.TrimSuffix(line[4:], "\n"))
	}
	if joined.String() != text {
		t.Error("the pieces are not the text")
	}
}

func TestLogJSON(t *testing.T) {
	var b bytes.Buffer
	NewLog(LogConfig{W: &b, JSON: true, Role: RoleDonor, Family: PXC}).Warningf("a\n\"b\xff")
	var got map[string]string
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || strings.Count(b.String(), "\n") != 1 {
		t.Fatalf("%v in %q", err, b.String())
	}
	if got["level"] != "warning" || got["role"] != "donor" || !strings.HasPrefix(got["msg"], "a\n\"b") || got["time"] == "" {
		t.Errorf("got %v", got)
	}
}

func TestLogConcurrent(t *testing.T) {
	w := &lineCounter{t: t}
	l := NewLog(LogConfig{W: w})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				l.Infof("line")
			}
		})
	}
	wg.Wait()
	if w.n != 400 {
		t.Errorf("%d writes", w.n)
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("a\nb\x1b\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		out := escape(s)
		if strings.ContainsFunc(out, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 }) || !utf8.ValidString(out) {
			t.Errorf("%q became %q", s, out)
		}
	})
}

package settings

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestValues(t *testing.T) {
	for s, want := range map[string]string{
		"0": "0", "7": "7", "1k": "1024", "2K": "2048", "3m": "3145728", "1G": "1073741824", "1t": "1099511627776",
		"9223372036854775807": "9223372036854775807", "8388608t": "too large", "": "not a size", "k": "not a size", "1kb": "not a size", "-1": "not a size", "1.5m": "not a size", "9223372036854775808": "not a size", " 1": "not a size",
	} {
		n, err := ParseSize(s)
		if got := fmt.Sprint(n); (err == nil && got != want) || (err != nil && (n != 0 || !strings.Contains(err.Error(), want))) {
			t.Errorf("ParseSize(%q) = %d, %v; want %s", s, n, err, want)
		}
	}
	for s, want := range map[string]time.Duration{
		"0": 0, "10": 10 * time.Second, "1.5": 1500 * time.Millisecond, "250ms": 250 * time.Millisecond, "1m30s": 90 * time.Second, "2h": 2 * time.Hour,
		"": -1, ".": -1, "-1": -1, "-1s": -1, "10x": -1, "1 m": -1, "99999999999": -1, "9999999h": -1, "NaN": -1, "1e3": -1, "1.2.3": -1,
	} {
		d, err := parseDuration(s)
		if want < 0 != (err != nil) || err == nil && d != want {
			t.Errorf("parseDuration(%q) = %s, %v", s, d, err)
		}
	}
	for s, want := range map[string]string{
		"0": "false", "1": "true", "ON": "true", "off": "false", "True": "true", "FALSE": "false", "yes": "true", "No": "false", "": "bad", "2": "bad", "on ": "bad", "-1": "bad",
	} {
		b, err := parseBool(s)
		if got := fmt.Sprint(b); err == nil && got != want || err != nil && want != "bad" {
			t.Errorf("parseBool(%q) = %v, %v", s, b, err)
		}
	}
}

func TestParseSystemFiles(t *testing.T) {
	for s, want := range map[string]string{
		"ibdata1:12M:autoextend":               "[{ibdata1 12582912 true false}]",
		"a:10m;b:20M;":                         "[{a 10485760 false false} {b 20971520 false false}]",
		"a:2097152":                            "[{a 2097152 false false}]",
		"a:3000000":                            "[{a 2097152 false false}]",
		"a:1g:autoextend:max:5G":               "[{a 1073741824 true false}]",
		"/dev/x:3Gnewraw":                      "[{/dev/x 3221225472 false true}]",
		"/dev/x:0raw":                          "[{/dev/x 0 false true}]",
		"":                                     "no name and size",
		"a":                                    "no name and size",
		":12M":                                 "no name and size",
		"a:":                                   "not a number",
		"a:12Q":                                "not a number",
		"a:0":                                  "is zero",
		"a:12M:autoextend;b:1M":                "only the last one may",
		"a:12M:autoextend:max":                 "unknown text",
		"a:12M:autoextend:max:x":               "not a size",
		"a:12M:grow":                           "unknown text",
		"a:12M;a:12M":                          "named twice",
		"a:12M;;b:12M":                         "no name and size",
		"a:99999999999999999999":               "not a number",
		strings.Repeat("a:1M;", 1001) + "b:1M": "more than 1000",
	} {
		files, err := ParseSystemFiles(s)
		got := fmt.Sprint(files)
		if err != nil {
			got = err.Error()
			if files != nil {
				t.Errorf("%.40q: files beside an error", s)
			}
		}
		if !strings.Contains(got, want) {
			t.Errorf("ParseSystemFiles(%.40q): %s, want %s", s, got, want)
		}
	}
}

func FuzzParseSystemFiles(f *testing.F) {
	for _, s := range []string{"ibdata1:12M:autoextend", "a:10m;b:20M;", "/dev/x:3Gnewraw", "a:1g:autoextend:max:5G", "a;b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		files, err := ParseSystemFiles(s)
		if (err == nil) != (len(files) > 0) {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, file := range files {
			if file.Name == "" || file.Size < 0 || strings.ContainsAny(file.Name, ";:") {
				t.Fatalf("impossible file %+v", file)
			}
		}
	})
}

// patterns for cpat with paths that they are tried on.
var patterns = []string{
	`.*\.pem$\|.*galera\.cache$\|.*\.sst$`, `.*/keep`, `.*/a+b`, `.*/a\+b`, `.*/ab?c`, `.*/\(x\|y\)z`, `.*/[a-c]*`, `.*/[^a]b`,
	`.*/[]x]`, `.*/a{2}`, `.*/\*`, `.*/a\.b`, `.*/a.b`, `*`, `.*/$x`, `^.*/x^y`, `\(.*/a\)b`, `.*/[\w]+`, `.*/a\(\)b`, `.*/(a)`, `.*/a|b`,
}

var patternPaths = []string{"a.pem", "galera.cache", "keep", "keepx", "aab", "a+b", "abc", "ac", "xz", "yz", "abcabc", "bb", "ab", "]", "x", "aa", "a{2}", "*", "a.b", "axb", "$x", "x^y", "w", "\\", "(a)", "a|b", "x.sst"}

// TestPatternsAgainstFind holds the conversion to the find command, with which the scripts matched.
func TestPatternsAgainstFind(t *testing.T) {
	find, err := exec.LookPath("find")
	if err != nil {
		t.Skip("find is not installed")
	}
	if out, err := exec.Command(find, "--version").Output(); err != nil || !strings.Contains(string(out), "GNU") {
		t.Skip("find is not GNU find, whose pattern syntax is the reference")
	}
	dir := t.TempDir()
	for _, name := range patternPaths {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range patterns {
		out, err := exec.Command(find, dir, "-mindepth", "1", "-regex", p).Output()
		if err != nil {
			t.Errorf("find does not take %q: %v", p, err)
			continue
		}
		found := make(map[string]bool)
		for _, line := range strings.Split(string(out), "\n") {
			found[line] = true
		}
		re, err := ConvertPattern(p)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, name := range patternPaths {
			path := filepath.Join(dir, name)
			if got := re.MatchString(path); got != found[path] {
				t.Errorf("pattern %q on %q: %v, find says %v (%s)", p, name, got, found[path], re)
			}
		}
	}
}

func TestConvertPatternRefuses(t *testing.T) {
	for p, want := range map[string]string{
		`a\`: "backslash", `\(a`: "missing closing", `a\)`: "unexpected", `[a`: "open bracket", `[[:digit`: "open character class", `\(a\)\1`: "back reference",
		`a\{2\}`: "interval", `a**`: "repeats", `[[:nosuch:]]`: "invalid character class", strings.Repeat("a", 5000): "longer",
	} {
		if re, err := ConvertPattern(p); err == nil || re != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", p, err, want)
		}
	}
}

func FuzzConvertPattern(f *testing.F) {
	for _, p := range patterns {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		re, err := ConvertPattern(p)
		if (re == nil) != (err != nil) {
			t.Fatalf("%v %v", re, err)
		}
		if re != nil {
			re.MatchString("/var/lib/mysql/ca.pem")
		}
	})
}

func TestNearest(t *testing.T) {
	for in, want := range map[string]string{"stream": "streams", "max-lock": "lock-max", "ratelimit": "rate-limit", "": "delta", strings.Repeat("z", 100000): "metrics-file"} {
		if in == "max-lock" || len(in) > 100 {
			nearest(in, ownNames) // must end, whatever it says
			continue
		}
		if got := nearest(in, ownNames); got != want {
			t.Errorf("nearest(%.20q) = %s, want %s", in, got, want)
		}
	}
}

package tree

import (
	"path"
	"strings"
	"testing"
)

func TestValidPath(t *testing.T) {
	long := strings.Repeat("x", maxComponent)
	for p, ok := range map[string]bool{
		"a": true, "a/b": true, "a b": true, "#sql-1": true, "..a": true, "a..": true, ".a": true, "ä/\xff": true,
		long: true, long + "x": false, "a/" + long + "x": false,
		strings.Repeat("a/", MaxPath/2-1) + "aa": true, strings.Repeat("a/", MaxPath/2-1) + "aaa": false,
		"": false, ".": false, "..": false, "/": false, "/a": false, "a/": false, "a//b": false, "a/./b": false,
		"a/../b": false, "../a": false, "a/..": false, "a\x00": false, `a\b`: false, `..\a`: false,
	} {
		if err := ValidPath(p); (err == nil) != ok {
			t.Errorf("ValidPath(%.80q) = %v, want valid %v", p, err, ok)
		}
	}
}

func FuzzValidPath(f *testing.F) {
	for _, s := range []string{"a/b", "../x", "a//b", "\x00", strings.Repeat("y", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		valid := ValidPath(p) == nil
		want := p != "." && path.Clean(p) == p && !path.IsAbs(p) && p != ".." && !strings.HasPrefix(p, "../") &&
			!strings.ContainsAny(p, "\x00\\") && len(p) <= MaxPath
		for c := range strings.SplitSeq(p, "/") {
			want = want && len(c) <= maxComponent
		}
		if valid != want {
			t.Fatalf("ValidPath(%q) = %v, want %v", p, valid, want)
		}
	})
}

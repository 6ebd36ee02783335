package galera

import (
	"strings"
	"testing"
)

func TestParseGTID(t *testing.T) {
	for in, want := range map[string]GTID{
		at42:                      {testUUID, 42, ""},
		at42 + " 5":               {testUUID, 42, "5"},
		at42 + "   5  ":           {testUUID, 42, "5"},
		strings.ToUpper(at42):     {testUUID, 42, ""},
		testUUID + ":-1":          {testUUID, -1, ""},
		at42 + " " + at41 + " 77": {testUUID, 42, at41 + " 77"},
		testUUID + ":9223372036854775807 4294967295": {testUUID, 1<<63 - 1, "4294967295"},
	} {
		got, err := ParseGTID(in)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
		if again, err := ParseGTID(got.String()); err != nil || again != got {
			t.Errorf("%q: came back as %+v, %v", in, again, err)
		}
	}
	for _, in := range []string{
		"", ":", testUUID, testUUID + ":", testUUID + ":x", testUUID + ":-2", testUUID + ":+1", testUUID + ":1\n", ":1",
		testUUID[1:] + ":1", "g" + at42[1:], strings.ReplaceAll(testUUID, "-", "x") + ":1", testUUID + ":9223372036854775808",
		at42 + " a\nb", at42 + " $(x)", at42 + " " + strings.Repeat("1", 81), " " + at42,
	} {
		if got, err := ParseGTID(in); ExitCode(err) != ExitProto || got != (GTID{}) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

func FuzzParseGTID(f *testing.F) {
	f.Add(GTID{testUUID, 42, "0"}.String())
	f.Add(GTID{testUUID, -1, at41 + " 7"}.String())
	f.Fuzz(func(t *testing.T, s string) {
		g, err := ParseGTID(s)
		if err != nil {
			return
		}
		if again, err := ParseGTID(g.String()); err != nil || again != g {
			t.Errorf("%q: %+v came back as %+v, %v", s, g, again, err)
		}
		if line := "done " + g.String(); strings.ContainsAny(line, "\n\r\x00") {
			t.Errorf("%q would break the line %q", s, line)
		}
	})
}

func TestParseFlushed(t *testing.T) {
	for in, want := range map[string]struct {
		first, ok bool
	}{
		at42 + " 0\n":              {false, true},
		at42 + " 0\n\n":            {true, true},
		at42 + "\n":                {false, true},
		at42 + " 0":                {},
		"":                         {},
		"\n":                       {},
		at42 + "\nmore\n":          {},
		at42 + " " + at41 + " 7\n": {false, true},
	} {
		g, first, err := parseFlushed([]byte(in))
		if (err == nil) != want.ok || first != want.first || want.ok && g.Seqno != 42 {
			t.Errorf("%q: %+v %v %v", in, g, first, err)
		}
	}
}

func FuzzParseFlushed(f *testing.F) {
	f.Add([]byte(at42 + " 0\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, _, err := parseFlushed(b); err == nil && g.check() != nil {
			t.Errorf("%q: %+v", b, g)
		}
	})
}

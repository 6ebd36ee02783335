package galera

import (
	"net"
	"testing"
)

func TestSplitAddress(t *testing.T) {
	for in, want := range map[string]Address{
		"h":                          {Host: "h", Port: 4444},
		"h:1":                        {Host: "h", Port: 1, HasPort: true},
		"10.0.0.1:65535/m":           {Host: "10.0.0.1", Port: 65535, HasPort: true, Path: "m"},
		"h/m//1":                     {Host: "h", Port: 4444, Path: "m//1"},
		"[2001:db8::1]":              {Host: "2001:db8::1", Port: 4444},
		"[2001:db8::1]:5/m/1/a-b_c.": {Host: "2001:db8::1", Port: 5, HasPort: true, Path: "m/1/a-b_c."},
		"2001:db8::1":                {Host: "2001:db8::1", Port: 4444},
		"2001:db8::1/m":              {Host: "2001:db8::1", Port: 4444, Path: "m"},
		"::1":                        {Host: "::1", Port: 4444},
		"[fe80::1%eth0]:7":           {Host: "fe80::1", Zone: "eth0", Port: 7, HasPort: true},
		"fe80::1%eth0":               {Host: "fe80::1", Zone: "eth0", Port: 4444},
		"[::ffff:10.0.0.1]:7":        {Host: "::ffff:10.0.0.1", Port: 7, HasPort: true},
		"cn:secret@h:1/m":            {Auth: "cn:secret", Host: "h", Port: 1, HasPort: true, Path: "m"},
		"a@b:c@h":                    {Auth: "a@b:c", Host: "h", Port: 4444},
		"node_1.example-x.org":       {Host: "node_1.example-x.org", Port: 4444},
	} {
		got, err := SplitAddress(in)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v, expected %+v", in, got, err, want)
		}
		if want.Auth == "" && want.Path == "" {
			if h, _, err := net.SplitHostPort(got.HostPort()); err != nil || h != want.Host {
				t.Errorf("%q: HostPort %q", in, got.HostPort())
			}
		}
	}
	for in, code := range map[string]int{
		"":            ExitInvalid,
		":1":          ExitInvalid,
		"/m":          ExitInvalid,
		"h:":          ExitInvalid,
		"h:0":         ExitInvalid,
		"h:65536":     ExitInvalid,
		"h:+1":        ExitInvalid,
		"h:x":         ExitInvalid,
		"[::1":        ExitInvalid,
		"[::1]x":      ExitInvalid,
		"[h]:1":       ExitInvalid,
		"[10.0.0.1]":  ExitInvalid,
		"a:b:c":       ExitInvalid,
		"h;reboot":    ExitUnsafe,
		"h$(x):1":     ExitUnsafe,
		"h:1/m`x`":    ExitUnsafe,
		"h:1/m\nx":    ExitUnsafe,
		"h:1/m%41":    ExitUnsafe,
		"a b@h:1":     ExitUnsafe,
		"fe80::1%a;b": ExitUnsafe,
		"hé":          ExitUnsafe,
	} {
		if _, err := SplitAddress(in); ExitCode(err) != code {
			t.Errorf("%q: %v, expected exit code %d", in, err, code)
		}
	}
}

func TestParsedAddress(t *testing.T) {
	for _, tc := range []struct {
		a    Args
		want string
		code int
	}{
		{Args{Address: "h"}, "h:4444", 0},
		{Args{Address: "h", Port: "5"}, "h:5", 0},
		{Args{Address: "h:5", Port: "5"}, "h:5", 0},
		{Args{Address: "h:5", Port: "6"}, "", ExitMissing},
		{Args{Address: "h", Port: "x"}, "", ExitInvalid},
		{Args{Host: "h"}, "h:4444", 0},
		{Args{Address: "::1"}, "[::1]:4444", 0},
		{Args{}, "", ExitInvalid},
	} {
		got, err := tc.a.ParsedAddress()
		if ExitCode(err) != tc.code || err == nil && got.HostPort() != tc.want {
			t.Errorf("%+v: %v, %v", tc.a, got, err)
		}
	}
}

func FuzzSplitAddress(f *testing.F) {
	for _, s := range []string{"h:1/x", "[::1]:4444/trireme/1/aa", "a:b@h", "fe80::1%x", "::1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := SplitAddress(s)
		if err != nil {
			if a != (Address{}) {
				t.Errorf("%q: error and %+v", s, a)
			}
			return
		}
		// What was accepted must come back from its own form.
		again, err := SplitAddress(a.HostPort() + "/" + a.Path)
		if err != nil || again.Host != a.Host || again.Port != a.Port || again.Path != a.Path {
			t.Errorf("%q: %+v became %+v, %v", s, a, again, err)
		}
	})
}

package clone

import (
	"bufio"
	"strings"
	"testing"
	"time"
)

const good = "[2001:db8::7]:4444/trireme/1/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/AQAAAAAAAAAAAAAAAAAAAA/1800000000/pin.identity"

// TestTicket: a ticket is one word of a shell, comes back as it went, and what is wrong with one is said without its secret.
func TestTicket(t *testing.T) {
	tk, err := parseTicket(good)
	if err != nil || tk.String() != good || tk.Host != "2001:db8::7" || !tk.can(capIdentity) || tk.can(capCert) || tk.expires.Unix() != 1800000000 {
		t.Fatalf("%+v, %v", tk, err)
	}
	if strings.ContainsAny(good, " \t'\"$`\\&|;<>()*?~#!{}") {
		t.Error("the ticket is more than one word to a shell")
	}
	if tk.valid(time.Unix(1799999999, 0)) != nil {
		t.Error("a ticket is not good a second before its end")
	}
	if err := tk.valid(time.Unix(1800000000, 0)); exitCode(err) != exitRefused || !strings.Contains(err.Error(), "2027-01-15T08:00:00Z") {
		t.Error(err)
	}
	for word, want := range map[string]string{
		"": "it has 1 parts",
		strings.TrimSuffix(good, "/pin.identity"):        "it has 6 parts",
		strings.Replace(good, "1800000000", "soon", 1):   `"soon" is not a time`,
		strings.Replace(good, "1800000000", "-1", 1):     `"-1" is not a time`,
		strings.TrimSuffix(good, "pin.identity"):         "the capabilities are missing",
		strings.Replace(good, ":4444", ":0", 1):          "port",
		strings.Replace(good, "/trireme/", "/rsync/", 1): "another method",
		good + "/more": "transport",
		strings.Replace(good, "/1800000000", "/quic/auto/1800000000", 1): "parts",
	} {
		_, err := parseTicket(word)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "AQAAAA") {
			t.Errorf("%q: %v, want %q", word, err, want)
		}
	}
}

// TestBound: every part but the address is in the nonce that the ends prove to each other.
func TestBound(t *testing.T) {
	tk, err := parseTicket(good)
	if err != nil {
		t.Fatal(err)
	}
	want := tk.bound().Nonce
	if want == tk.Nonce {
		t.Error("the nonce goes over the wire as it stands in the ticket")
	}
	for name, change := range map[string]func(*ticket){
		"version":      func(t *ticket) { t.Version = 2 },
		"pin":          func(t *ticket) { t.Pin[31]++ },
		"plain":        func(t *ticket) { t.Plain = true },
		"nonce":        func(t *ticket) { t.Nonce[15]++ },
		"expiry":       func(t *ticket) { t.expires = t.expires.Add(time.Second) },
		"capabilities": func(t *ticket) { t.capabilities = []string{capPin} },
	} {
		other := tk
		change(&other)
		if other.bound().Nonce == want {
			t.Errorf("%s can be changed", name)
		}
	}
	other := tk
	other.Host, other.Port = "elsewhere", 1
	if other.bound().Nonce != want {
		t.Error("the way to the receiver is bound too")
	}
}

func FuzzTicket(f *testing.F) {
	f.Add(good)
	f.Add(strings.Replace(good, "/1800000000", "/quic/1800000000", 1))
	f.Add("h:1/trireme/1/plain/AQAAAAAAAAAAAAAAAAAAAA/1/cert")
	f.Fuzz(func(t *testing.T, word string) {
		tk, err := parseTicket(word)
		if err != nil {
			return
		}
		again, err := parseTicket(tk.String())
		if err != nil || again.String() != tk.String() {
			t.Errorf("%q became %q: %v", word, tk, err)
		}
	})
}

// TestTicketLine: the ticket alone or the whole line, from standard input.
func TestTicketLine(t *testing.T) {
	for text, want := range map[string]string{"abc\n": "abc", "trireme send DIR abc\nmore\n": "abc", "abc": "abc"} {
		if got, err := ticketLine(bufio.NewReader(strings.NewReader(text))); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if _, err := ticketLine(bufio.NewReader(strings.NewReader("\n"))); exitCode(err) != 2 {
		t.Error(err)
	}
}

// TestAddress: where to listen, and what to tell the other host.
func TestAddress(t *testing.T) {
	for in, want := range map[string][2]string{
		":4444": {"", "4444"}, "h:1": {"h", "1"}, "h": {"h", "9"}, "10.0.0.1:0": {"10.0.0.1", "0"},
		"::1": {"::1", "9"}, "[::1]:5": {"::1", "5"}, "[::1]": {"::1", "9"}, "": {"", "9"},
	} {
		host, port, err := splitListen(in, "9")
		if err != nil || host != want[0] || port != want[1] {
			t.Errorf("%q: %q %q %v", in, host, port, err)
		}
	}
	for _, in := range []string{"h:x", "h:70000", "a:b:c"} {
		if _, _, err := splitListen(in, "9"); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
	if host, port, _, err := advertised("0.0.0.0", "outside.example:99"); err != nil || host != "outside.example" || port != 99 {
		t.Error(host, port, err)
	}
	if host, _, others, err := advertised("::1", ""); err != nil || host != "::1" || others != nil {
		t.Error(host, others, err)
	}
	if host, _, _, err := advertised("", ""); err != nil || host == "" || host == "0.0.0.0" || host == "::" {
		t.Error(host, err)
	}
	if _, _, _, err := advertised("", "h:x"); exitCode(err) != 2 {
		t.Error(err)
	}
}

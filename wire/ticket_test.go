package wire

import (
	"strings"
	"testing"
)

const (
	pinText   = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	nonceText = "oKGio6SlpqeoqaqrrK2urw"
)

func sampleTicket() Ticket {
	t := Ticket{Host: "node1.db.local", Port: 4444, Version: 1}
	for i := range t.Pin {
		t.Pin[i] = byte(i)
	}
	for i := range t.Nonce {
		t.Nonce[i] = byte(0xa0 + i)
	}
	return t
}

func TestTicket(t *testing.T) {
	tail := "/trireme/1/" + pinText + "/" + nonceText
	with := func(change func(*Ticket)) Ticket {
		s := sampleTicket()
		change(&s)
		return s
	}
	for _, tc := range []struct {
		text string
		want Ticket
		out  string // when it differs from text
	}{
		{text: "node1.db.local:4444" + tail, want: sampleTicket()},
		{text: "node1.db.local" + tail, want: sampleTicket(), out: "node1.db.local:4444" + tail},
		{text: "10.0.0.1:65535" + tail, want: with(func(k *Ticket) { k.Host, k.Port = "10.0.0.1", 65535 })},
		{text: "[2001:db8::1]:1" + tail, want: with(func(k *Ticket) { k.Host, k.Port = "2001:db8::1", 1 })},
		{text: "[2001:db8::1]" + tail, want: with(func(k *Ticket) { k.Host = "2001:db8::1" }), out: "[2001:db8::1]:4444" + tail},
		{text: "2001:db8::1" + tail, want: with(func(k *Ticket) { k.Host = "2001:db8::1" }), out: "[2001:db8::1]:4444" + tail},
		{text: "::1" + tail, want: with(func(k *Ticket) { k.Host = "::1" }), out: "[::1]:4444" + tail},
		{text: "node1.db.local:4444" + tail + "/quic", want: with(func(k *Ticket) { k.Transport = QUIC })},
		{text: "[2001:db8::1]" + tail + "/auto", want: with(func(k *Ticket) { k.Host, k.Transport = "2001:db8::1", Auto }), out: "[2001:db8::1]:4444" + tail + "/auto"},
		{text: "db_1-x:4444/trireme/65535/plain/" + nonceText, want: with(func(k *Ticket) { k.Host, k.Version, k.Plain, k.Pin = "db_1-x", 65535, true, [32]byte{} })},
	} {
		got, err := ParseTicket(tc.text)
		if err != nil || got != tc.want {
			t.Errorf("ParseTicket(%q) = %+v, %v; want %+v", tc.text, got, err, tc.want)
			continue
		}
		out := tc.out
		if out == "" {
			out = tc.text
		}
		if got.String() != out {
			t.Errorf("%q came out as %q, want %q", tc.text, got, out)
		}
	}
	if s := (Ticket{Host: "h", Version: 1, Plain: true}).String(); !strings.HasPrefix(s, "h:4444/") {
		t.Errorf("port 0 came out as %q", s)
	}
}

func TestParseTicketRefuses(t *testing.T) {
	tail := "/trireme/1/" + pinText + "/" + nonceText
	for text, want := range map[string]string{
		"":                            "another method",
		"host:4444/rsync_sst":         "another method",
		"host:4444/xtrabackup_sst//1": "another method",
		"host:4444/trireme":           "2 parts",
		"host" + tail + "/x":          `transport "x"`,
		"host" + tail + "/":           `transport ""`,
		"host" + tail + "/tcp":        `transport "tcp"`,
		"host" + tail + "/QUIC":       `transport "QUIC"`,
		"host" + tail + "/quic/":      "7 parts",
		"host:1/trireme/1/plain/" + nonceText + "/quic": "encryption only",
		tail:                                      "host is missing",
		":4444" + tail:                            "host is missing",
		"host:" + tail:                            "port",
		"host:0" + tail:                           "port",
		"host:65536" + tail:                       "port",
		"host:04444" + tail:                       "port",
		"host:44-4" + tail:                        "port",
		"[::1" + tail:                             "opening bracket",
		"[::1]4444" + tail:                        "follows the bracket",
		"[host]:4444" + tail:                      "brackets are for IPv6",
		"ho]st:4444" + tail:                       "brackets in it",
		"::zz" + tail:                             "not an IPv6",
		"[1::2::3]:4444" + tail:                   "not an IPv6",
		"fe80::1%eth0" + tail:                     `'%' at position 8`,
		"CN:secret@host:4444" + tail:              `'@'`,
		"host:4444 " + tail:                       `' '`,
		"host:4444" + tail + "\n":                 `'\n'`,
		"host:1/trireme/0/plain/" + nonceText:     "version",
		"host:1/trireme/01/plain/" + nonceText:    "version",
		"host:1/trireme/-1/plain/" + nonceText:    "version",
		"host:1/trireme/65536/plain/" + nonceText: "version",
		"host:1/trireme/1//" + nonceText:          "pin",
		"host:1/trireme/1/Plain/" + nonceText:     "pin",
		"host:1/trireme/1/" + pinText[:42] + "/" + nonceText:        "pin: 42 characters, wanted 43",
		"host:1/trireme/1/" + pinText[:42] + "9/" + nonceText:       "pin: not base64url",
		"host:1/trireme/1/plain/" + nonceText + "A":                 "nonce",
		"host:1/trireme/1/plain/" + nonceText[:21] + "x":            "nonce: not base64url",
		"host:1/trireme/1/plain/" + nonceText[:20] + "..":           "nonce: not base64url",
		strings.Repeat("h", 241-len(":4444"+tail)) + ":4444" + tail: "241 characters",
		strings.Repeat("h", 240-len(tail)) + tail:                   "when written out",
	} {
		got, err := ParseTicket(text)
		if err == nil || got != (Ticket{}) || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseTicket(%q) = %+v, %v; want %q", text, got, err, want)
		} else if strings.Contains(err.Error(), nonceText[:20]) {
			t.Errorf("the error shows the nonce: %v", err)
		}
	}
}

func TestListenerTicket(t *testing.T) {
	each(t, testListenerTicket)
}

func testListenerTicket(t *testing.T) {
	c := config(t)
	c.MaxVersion = 3
	l := listen(t, c)
	transport := l.config.Transport // what listen chose
	for host, want := range map[string]string{"node1": "node1", "[fe80::1%eth0]": "fe80::1", "2001:db8::1": "2001:db8::1"} {
		k := l.Ticket(host)
		again, err := ParseTicket(k.String())
		if err != nil || again != k || k.Transport != transport || k.Host != want || k.Version != 3 || k.Plain || k.Nonce != c.Nonce {
			t.Errorf("%s: %+v, read back as %+v, %v", host, k, again, err)
		}
	}
}

func FuzzParseTicket(f *testing.F) {
	k := sampleTicket()
	f.Add(k.String())
	k.Transport = QUIC
	f.Add(k.String())
	k.Transport, k.Plain, k.Host = 0, true, "2001:db8::1"
	f.Add(k.String())
	f.Add("::1/trireme/1/plain/" + nonceText)
	f.Add("host:4444/rsync_sst")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseTicket(s)
		if err != nil {
			if k != (Ticket{}) {
				t.Errorf("an error came with %+v", k)
			}
			return
		}
		out := k.String()
		again, err := ParseTicket(out)
		if err != nil || again != k || again.String() != out || len(out) > maxTicket {
			t.Errorf("%q became %q, then %+v, %v", s, out, again, err)
		}
	})
}

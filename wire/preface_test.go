package wire

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
)

// vector computes the transcript of PREFACE.md section 9.
func vector() (names []string, values map[string][]byte) {
	values = map[string][]byte{}
	add := func(name string, v []byte) {
		names = append(names, name)
		values[name] = v
	}
	var nonce [16]byte
	d := hello{magic: donorMagic, min: 1, max: 3, word: uint8(Control)}
	j := hello{magic: joinerMagic, min: 2, max: 5}
	for i := range 16 {
		nonce[i] = byte(0xa0 + i)
	}
	for i := range 32 {
		d.random[i], j.random[i] = byte(i), byte(0x20+i)
	}
	add("VECTOR-NONCE", nonce[:])
	add("D1", appendHello(nil, d))
	add("J1", appendHello(nil, j))
	tr := transcript{key: nonce[:], said: append(bytes.Clone(values["D1"]), values["J1"]...)}
	v := verdict{}
	v.proof = tr.prove(labelDonor, v)
	add("D2", appendVerdict(nil, v))
	tr.said = append(tr.said, values["D2"]...)
	w := verdict{code: CodePolicy, reason: "no"}
	w.proof = tr.prove(labelJoiner, w)
	add("J2", appendVerdict(nil, w))
	session := tr.session()
	add("SESSION", session[:])
	add("DATAKEY", dataKey(nonce, session))
	return names, values
}

// The document and the code say the same. When the preface has to change, it does not: see the document's first paragraph.
func TestVectorInDocument(t *testing.T) {
	f, err := os.Open("PREFACE.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	written := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if field := strings.Fields(lines.Text()); len(field) == 2 && strings.HasPrefix(lines.Text(), "    ") {
			written[field[0]] = field[1]
		}
	}
	names, values := vector()
	for _, n := range names {
		if want := hex.EncodeToString(values[n]); written[n] != want {
			t.Errorf("PREFACE.md lacks the line:\n    %s %s", n, want)
		}
	}
}

func TestHelloRoundTrip(t *testing.T) {
	h := newHello(joinerMagic, 3, Config{MinVersion: 7, MaxVersion: 65535})
	b := appendHello(nil, h)
	got, err := parseHello(b, joinerMagic)
	if err != nil || got != h || len(b) != helloSize {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := parseHello(b, donorMagic); err == nil {
		t.Error("a joiner's hello passed for a donor's")
	}
}

func TestAgree(t *testing.T) {
	for _, tc := range []struct{ dmin, dmax, jmin, jmax, want uint16 }{
		{1, 1, 1, 1, 1}, {1, 3, 2, 5, 3}, {2, 5, 1, 3, 3}, {1, 9, 4, 4, 4}, {4, 4, 1, 9, 4},
		{1, 2, 3, 4, 0}, {3, 4, 1, 2, 0}, {65535, 65535, 1, 65535, 65535},
	} {
		got, o := agree(hello{min: tc.dmin, max: tc.dmax}, hello{min: tc.jmin, max: tc.jmax})
		if got != tc.want || (o == nil) != (tc.want != 0) {
			t.Errorf("%+v: got %d, %v", tc, got, o)
		}
	}
}

// Every byte that was said counts in a proof, and each use of a key has a result of its own.
func TestProofsDiffer(t *testing.T) {
	base := transcript{key: []byte("0123456789abcdef"), exporter: make([]byte, exporterSize), said: make([]byte, 2*helloSize)}
	seen := map[[32]byte]string{}
	note := func(what string, p [32]byte) {
		if other, ok := seen[p]; ok {
			t.Errorf("%s has the same proof as %s", what, other)
		}
		seen[p] = what
	}
	note("donor", base.prove(labelDonor, verdict{}))
	note("joiner", base.prove(labelJoiner, verdict{}))
	note("session", base.session())
	note("code", base.prove(labelDonor, verdict{code: 1}))
	note("reason", base.prove(labelDonor, verdict{reason: "x"}))
	for i := range base.said {
		tr := base
		tr.said = bytes.Clone(base.said)
		tr.said[i] ^= 1
		note(fmt.Sprintf("said %d", i), tr.prove(labelDonor, verdict{}))
	}
	for i := range base.exporter {
		tr := base
		tr.exporter = bytes.Clone(base.exporter)
		tr.exporter[i] ^= 1
		note(fmt.Sprintf("exporter %d", i), tr.prove(labelDonor, verdict{}))
	}
	tr := base
	tr.exporter = nil // shorter exporter, longer transcript, same bytes in a row
	tr.said = append(make([]byte, exporterSize), base.said...)
	note("shifted", tr.prove(labelDonor, verdict{}))
}

func TestCodes(t *testing.T) {
	want := map[Code]string{0: "ok", 1: "set-up", 2: "certificate", 3: "version", 4: "busy", 5: "nonce", 6: "mode", 7: "session", 8: "transport", 9: "code 9", 255: "code 255"}
	for c, name := range want {
		if c.String() != name {
			t.Errorf("code %d is %q, want %q", c, c, name)
		}
	}
}

func TestCleanReason(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"plain text, ünïcode 日本":        "plain text, ünïcode 日本",
		"a\nb\tc\x00":                   `a\nb\x09c\x00`,
		"\xff\xfe":                      `\xff\xfe`,
		"\x1b[31m":                      `\x1b[31m`,
		"right\u202eleft":               `right\xe2\x80\xaeleft`,
		`C:\n`:                          `C:\n`,
		strings.Repeat("x", 600):        strings.Repeat("x", 512),
		strings.Repeat("x", 511) + "ü":  strings.Repeat("x", 511),
		strings.Repeat("x", 510) + "\n": strings.Repeat("x", 510) + `\n`,
		strings.Repeat("x", 511) + "\n": strings.Repeat("x", 511),
	} {
		if got := cleanReason(in); got != want {
			t.Errorf("cleanReason(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzCleanReason(f *testing.F) {
	f.Add("a\nb")
	f.Add("\xff\u202e日")
	f.Fuzz(func(t *testing.T, s string) {
		got := cleanReason(s)
		if len(got) > maxReason || cleanReason(got) != got || strings.ContainsAny(got, "\n\r\x00\x1b") {
			t.Errorf("cleanReason(%q) = %q", s, got)
		}
	})
}

func FuzzParseHello(f *testing.F) {
	_, values := vector()
	f.Add(values["D1"])
	f.Add(values["J1"])
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, magic := range []string{donorMagic, joinerMagic} {
			h, err := parseHello(b, magic)
			if err != nil {
				if h != (hello{}) {
					t.Errorf("an error came with %+v", h)
				}
				continue
			}
			if got := appendHello(nil, h); !bytes.Equal(got, b) {
				t.Errorf("read % x, wrote % x", b, got)
			}
		}
	})
}

func FuzzParseVerdict(f *testing.F) {
	_, values := vector()
	f.Add(values["D2"])
	f.Add(values["J2"])
	f.Fuzz(func(t *testing.T, b []byte) {
		v, n, err := parseVerdictHead(b[:min(len(b), verdictSize)])
		if err != nil || n > maxReason || len(b) < verdictSize+n {
			if n > maxReason {
				t.Errorf("a reason of %d bytes was let through", n)
			}
			return
		}
		v.reason = string(b[verdictSize : verdictSize+n])
		if got := appendVerdict(nil, v); !bytes.Equal(got, b[:verdictSize+n]) {
			t.Errorf("read % x, wrote % x", b, got)
		}
	})
}

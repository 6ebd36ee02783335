package record

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"
)

// Whatever breaks a rule ends the direction with an error that names the rule, and the other end is told by an alert.
func TestHostile(t *testing.T) {
	ticket := append([]byte{messageTicket, 0, 0, 7}, "tickets"...)
	for _, tc := range []struct {
		name   string
		client bool
		in     func(h *half) []byte
		alert  byte // 0: none
		text   string
	}{
		{"not protected", false, func(h *half) []byte { return []byte{typeHandshake, 3, 3, 0, 20} }, alertUnexpectedMessage, "type 22"},
		{"change cipher spec", false, func(h *half) []byte { return []byte{20, 3, 3, 0, 1, 1} }, alertUnexpectedMessage, "type 20"},
		{"plain alert", false, func(h *half) []byte { return []byte{typeAlert, 3, 3, 0, 2, 1, 0} }, alertUnexpectedMessage, "type 21"},
		{"version", false, func(h *half) []byte { return []byte{typeData, 3, 1, 0, 20} }, alertProtocolVersion, "version 3.1"},
		{"too long", false, func(h *half) []byte { return []byte{typeData, 3, 3, 0x41, 1} }, alertRecordOverflow, "16641"},
		{"longest", false, func(h *half) []byte { return []byte{typeData, 3, 3, 0xff, 0xff} }, alertRecordOverflow, "65535"},
		{"too short", false, func(h *half) []byte { return []byte{typeData, 3, 3, 0, 16} }, alertBadRecordMAC, "16 bytes"},
		{"flipped", false, func(h *half) []byte { r := sealed(t, h, typeData, pattern(99), 0); r[50] ^= 1; return r }, alertBadRecordMAC, "not what"},
		{"flipped tag", false, func(h *half) []byte { r := sealed(t, h, typeData, pattern(99), 0); r[len(r)-1] ^= 1; return r }, alertBadRecordMAC, "not what"},
		{"a record is missing", false, func(h *half) []byte { h.seq++; return sealed(t, h, typeData, pattern(99), 0) }, alertBadRecordMAC, "not what"},
		{"too much content", false, func(h *half) []byte { return sealed(t, h, typeData, pattern(MaxContent+1), 0) }, alertRecordOverflow, "16385"},
		{"too much padding", false, func(h *half) []byte { return sealed(t, h, typeData, []byte("x"), MaxContent) }, alertRecordOverflow, "at most"},
		{"padding alone", false, func(h *half) []byte { return sealed(t, h, 0, nil, 9) }, alertUnexpectedMessage, "padding alone"},
		{"unknown type", false, func(h *half) []byte { return sealed(t, h, 24, []byte("x"), 0) }, alertUnexpectedMessage, "type 24"},
		{"alert of one byte", false, func(h *half) []byte { return sealed(t, h, typeAlert, []byte{2}, 0) }, alertUnexpectedMessage, "type 21"},
		{"alert", false, func(h *half) []byte { return sealed(t, h, typeAlert, []byte{levelFatal, 42}, 0) }, 0, "bad certificate"},
		{"ticket for a server", false, func(h *half) []byte { return sealed(t, h, typeHandshake, ticket, 0) }, alertUnexpectedMessage, "type 4"},
		{"half a ticket", true, func(h *half) []byte { return sealed(t, h, typeHandshake, ticket[:9], 0) }, alertUnexpectedMessage, "does not end"},
		{"a ticket and a half", true, func(h *half) []byte { return sealed(t, h, typeHandshake, append(ticket, 4, 0), 0) }, alertUnexpectedMessage, "does not end"},
		{"no message", true, func(h *half) []byte { return sealed(t, h, typeHandshake, nil, 0) }, alertUnexpectedMessage, "does not end"},
		{"key update", true, func(h *half) []byte { return sealed(t, h, typeHandshake, []byte{messageKeyUpdate, 0, 0, 1, 1}, 0) }, alertUnexpectedMessage, "updates its key"},
		{"certificate request", true, func(h *half) []byte { return sealed(t, h, typeHandshake, []byte{13, 0, 0, 0}, 0) }, alertUnexpectedMessage, "type 13"},
		{"empty records", false, func(h *half) (b []byte) {
			for range maxUseless + 1 {
				b = append(b, sealed(t, h, typeData, nil, 3)...)
			}
			return b
		}, alertUnexpectedMessage, "without content"},
		{"tickets", true, func(h *half) (b []byte) {
			for range maxUseless + 1 {
				b = append(b, sealed(t, h, typeHandshake, ticket, 0)...)
			}
			return b
		}, alertUnexpectedMessage, "without content"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			for _, size := range []int{1, 2 * MaxContent} { // opened in place, and into the reader's slice
				h := testHalf(t, 1)
				// A good record before and one behind: the first arrives, the second does not.
				in := sealed(t, &h, typeData, []byte("good"), 0)
				in = append(in, tc.in(&h)...)
				in = append(in, sealed(t, &h, typeData, []byte("evil"), 0)...)
				c, below := rig(t, in)
				c.in.client = tc.client
				got, err := readAll(c, size)
				if string(got) != "good" {
					t.Errorf("delivered %q", got)
				}
				var alert tls.AlertError
				if err == nil || !strings.Contains(err.Error(), tc.text) || !errors.As(err, &alert) || tc.alert != 0 && uint8(alert) != tc.alert {
					t.Errorf("got %v, want alert %d and %q", err, tc.alert, tc.text)
				}
				if _, again := c.Read(make([]byte, 9)); again != err {
					t.Errorf("then %v", again)
				}
				mine := testHalf(t, 2)
				var want []byte
				if tc.alert != 0 {
					want = sealed(t, &mine, typeAlert, []byte{levelFatal, tc.alert}, 0)
				}
				if !bytes.Equal(below.out, want) {
					t.Errorf("told the other end % x, want % x", below.out, want)
				}
				// Whichever direction is asked first, the cause is the same.
				if _, werr := c.Write([]byte("x")); tc.alert != 0 && werr != err || tc.alert == 0 && werr != nil {
					t.Errorf("write after it: %v", werr)
				}
				if len(c.in.buf) > headerSize+maxLength {
					t.Errorf("a buffer of %d bytes", len(c.in.buf))
				}
			}
		})
	}
}

// readAll is io.ReadAll with a slice of the given size.
func readAll(r io.Reader, size int) (got []byte, err error) {
	b := make([]byte, size)
	for {
		n, err := r.Read(b)
		got = append(got, b[:n]...)
		if err != nil {
			return got, err
		}
	}
}

// What is allowed and of no use is skipped, as often as crypto/tls does.
func TestUseless(t *testing.T) {
	h := testHalf(t, 1)
	var in []byte
	for range 3 {
		for range maxUseless / 4 {
			in = append(in, sealed(t, &h, typeData, nil, 0)...)
			in = append(in, sealed(t, &h, typeData, nil, 300)...)
			in = append(in, sealed(t, &h, typeAlert, []byte{levelWarning, alertUserCanceled}, 0)...)
			in = append(in, sealed(t, &h, typeHandshake, []byte{messageTicket, 0, 0, 1, 7, messageTicket, 0, 0, 0}, 5)...)
		}
		in = append(in, sealed(t, &h, typeData, pattern(MaxContent), 0)...)
		in = append(in, sealed(t, &h, typeData, pattern(100), MaxContent-100)...)
	}
	in = append(in, sealed(t, &h, typeAlert, []byte{levelWarning, alertCloseNotify}, 0)...)
	for _, size := range []int{1, 17, MaxContent, MaxContent + 1, 1 << 20} {
		for _, most := range []int{0, 1, 1000} {
			c, below := rig(t, in)
			c.in.client, below.most = true, most
			got, err := readAll(c, size)
			want := append(pattern(MaxContent), pattern(100)...)
			if want = bytes.Repeat(want, 3); err != io.EOF || !bytes.Equal(got, want) {
				t.Fatalf("size %d, %d at a time: %d bytes and %v", size, most, len(got), err)
			}
		}
	}
}

// FuzzOpen changes, drops and doubles what honest records look like on their way. What is delivered must be what was sent, from
// its beginning, and nothing may be allocated beyond one record.
func FuzzOpen(f *testing.F) {
	for _, seed := range [][]byte{{}, {0, 0, 1}, {0, 3, 0xff, 1, 200, 1}, {2, 40, 30}, {3, 0, 99}, {4, 10, 200}, {0, 4, 0x10, 3, 3, 1}} {
		f.Add(seed, uint16(5000))
	}
	f.Fuzz(func(t *testing.T, ops []byte, size uint16) {
		h := testHalf(t, 1)
		content := pattern(40_000)
		var in []byte
		for at, n := 0, 1; at < len(content); n = n*5 + 7 {
			end := min(at+min(n, MaxContent-2), len(content))
			in = append(in, sealed(t, &h, typeData, content[at:end], n%3)...)
			at = end
		}
		honest := len(ops) < 3
		for ; len(ops) >= 3; ops = ops[3:] {
			at := min(int(ops[1])*int(ops[1]), len(in))
			n := min(int(ops[2]), len(in)-at)
			switch ops[0] % 5 {
			case 0: // flip
				if at < len(in) {
					in[at] ^= ops[2]
				}
			case 1: // cut out
				in = append(in[:at:at], in[at+n:]...)
			case 2: // double
				in = append(in[:at+n:at+n], in[at:]...)
			case 3: // end
				in = in[:at]
			case 4: // insert
				in = append(in[:at:at], append(bytes.Repeat(ops[:3], n), in[at:]...)...)
			}
		}
		c, _ := rig(t, in)
		got, err := readAll(c, 1+int(size))
		if !bytes.HasPrefix(content, got) {
			t.Fatalf("%d bytes were delivered that are not what was sent", len(got))
		}
		if err == nil || err == io.EOF {
			t.Fatalf("no closing alert came, and the end is %v", err)
		}
		if honest && len(got) != len(content) {
			t.Fatalf("%d of %d bytes: %v", len(got), len(content), err)
		}
		if len(c.in.buf) > headerSize+maxLength {
			t.Fatalf("a buffer of %d bytes", len(c.in.buf))
		}
	})
}

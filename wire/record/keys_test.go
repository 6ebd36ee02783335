package record

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
)

// trace are the keys and records of RFC 8448 section 3 after its handshake.
var trace = struct{ client, server traced }{
	traced{
		secret: "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
		iv:     "5b78923dee08579033e523d9",
		data:   "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4",
		close:  "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3",
	},
	traced{
		secret: "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
		iv:     "cf782b88dd83549aadf1e984",
		before: 1, // a session ticket
		data:   "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d",
		close:  "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9",
	},
}

type traced struct {
	secret, iv  string
	before      uint64 // records that are not used here
	data, close string // of the bytes 0 to 49, and of the closing alert
}

func TestTraces(t *testing.T) {
	for name, tr := range map[string]traced{"client": trace.client, "server": trace.server} {
		t.Run(name, func(t *testing.T) {
			content := make([]byte, 50)
			for i := range content {
				content[i] = byte(i)
			}
			h, err := suites[tls.TLS_AES_128_GCM_SHA256].half(unhex(t, tr.secret))
			if err != nil {
				t.Fatal(err)
			}
			h.seq = tr.before
			if got := hex.EncodeToString(h.iv[:]); got != tr.iv {
				t.Errorf("iv %s, want %s", got, tr.iv)
			}
			out, below := &Conn{Conn: &script{}}, &script{}
			out.Conn = below
			out.take(h, half{})
			if _, err := out.Write(content); err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(below.out); got != tr.data {
				t.Errorf("sealed\n%s, want\n%s", got, tr.data)
			}
			below.out = nil
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(below.out); got != tr.close {
				t.Errorf("closed with\n%s, want\n%s", got, tr.close)
			}
			in := &Conn{Conn: &script{in: unhex(t, tr.data+tr.close)}}
			in.take(half{}, h)
			if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, content) {
				t.Errorf("opened % x, %v", got, err)
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Nonces are the IV with the number of the record in its last bytes, and none comes twice.
func TestNonces(t *testing.T) {
	h := half{iv: [12]byte{0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}}
	for _, tc := range []struct {
		seq  uint64
		want string
	}{
		{0, "ff0102030405060708090a0b"},
		{1, "ff0102030405060708090a0a"},
		{0x10203, "ff01020304050607080" + "80808"},
		{maxRecords - 1, fmt.Sprintf("ff01020304050607%08x", 0x08090a0b^(maxRecords-1))},
	} {
		h.seq = tc.seq
		got, err := h.next()
		if err != nil || hex.EncodeToString(got) != tc.want {
			t.Errorf("record %d: nonce %x, %v, want %s", tc.seq, got, err, tc.want)
		}
	}
	if got, err := h.next(); err != errWornOut {
		t.Errorf("after the last record: nonce %x, %v", got, err)
	}
}

// A key that is worn out ends both directions, and nothing is sent in its name.
func TestWornOut(t *testing.T) {
	c, below := rig(t, nil)
	c.out.seq, c.in.seq = maxRecords, maxRecords
	if _, err := c.Write([]byte("x")); err != errWornOut {
		t.Errorf("write: %v", err)
	}
	h := testHalf(t, 1)
	below.in = sealed(t, &h, typeData, []byte("x"), 0)
	if _, err := c.Read(make([]byte, 9)); err != errWornOut {
		t.Errorf("read: %v", err)
	}
	if err := c.Close(); err != nil || len(below.out) > 0 {
		t.Errorf("close: %v; sent % x", err, below.out)
	}
}

// A secret that never came, or only in part, makes no key: both ends would agree on one that everybody knows.
func TestNoSecret(t *testing.T) {
	for id, want := range map[uint16]int{tls.TLS_AES_128_GCM_SHA256: 32, tls.TLS_AES_256_GCM_SHA384: 48} {
		for _, n := range []int{0, want - 1, want, want + 1} {
			if h, err := suites[id].half(make([]byte, n)); (err == nil) != (n == want) || err != nil && h.aead != nil {
				t.Errorf("%s, secret of %d bytes: %v", tls.CipherSuiteName(id), n, err)
			}
		}
	}
}

// Only the two secrets are kept, and not for long.
func TestSecrets(t *testing.T) {
	var s secrets
	for _, label := range []string{"CLIENT_HANDSHAKE_TRAFFIC_SECRET", clientLabel, "EXPORTER_SECRET", serverLabel} {
		line := label + " " + strings.Repeat("11", 32) + " " + strings.Repeat("ab", len(label)) + "\n"
		if n, err := s.Write([]byte(line)); err != nil || n != len(line) {
			t.Fatal(n, err)
		}
	}
	if len(s.client) != len(clientLabel) || len(s.server) != len(serverLabel) || s.client[0] != 0xab {
		t.Fatalf("kept % x and % x", s.client, s.server)
	}
	client := s.client
	s.clear()
	if s.client != nil || client[0] != 0 {
		t.Errorf("left % x", client)
	}
	for _, line := range []string{clientLabel, clientLabel + " 11", clientLabel + " 11 xy"} {
		if _, err := s.Write([]byte(line)); err == nil {
			t.Errorf("took %q", line)
		}
	}
}

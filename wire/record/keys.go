package record

import (
	"bytes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"

	"trireme/wire/gcm"
)

// The two lines of crypto/tls's key log that matter (SSLKEYLOGFILE format).
const (
	clientLabel = "CLIENT_TRAFFIC_SECRET_0"
	serverLabel = "SERVER_TRAFFIC_SECRET_0"
)

// secrets is the KeyLogWriter of one connection. It keeps the application traffic secrets until the keys have been made of them.
type secrets struct{ client, server []byte }

func (s *secrets) Write(line []byte) (int, error) {
	label, rest, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
	_, text, ok := bytes.Cut(rest, []byte(" "))
	var to *[]byte
	switch string(label) {
	case clientLabel:
		to = &s.client
	case serverLabel:
		to = &s.server
	default:
		return len(line), nil
	}
	secret := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(secret, text); err != nil || !ok {
		return 0, fmt.Errorf("record: internal error: key log line %s is not understood", label)
	}
	*to = secret
	return len(line), nil
}

func (s *secrets) clear() {
	clear(s.client)
	clear(s.server)
	s.client, s.server = nil, nil
}

// suite is what a cipher suite means for records.
type suite struct {
	hash func() hash.Hash
	key  int // bytes
}

var suites = map[uint16]suite{
	tls.TLS_AES_128_GCM_SHA256: {sha256.New, 16},
	tls.TLS_AES_256_GCM_SHA384: {sha512.New384, 32},
}

// suiteOf returns false for connections that are not ours to protect.
func suiteOf(state tls.ConnectionState) (suite, bool) {
	s, ok := suites[state.CipherSuite]
	return s, ok && state.Version == tls.VersionTLS13 && !fips140.Enabled()
}

// half protects one direction.
type half struct {
	aead  cipher.AEAD
	iv    [12]byte
	nonce [12]byte // a field, because a local would be allocated for each record
	seq   uint64   // of the next record
}

// half makes the keys of a direction of its traffic secret (section 7.3).
func (s suite) half(secret []byte) (half, error) {
	// HKDF takes anything, and both ends would agree on what is made of nothing.
	if want := s.hash().Size(); len(secret) != want {
		return half{}, fmt.Errorf("record: internal error: traffic secret of %d bytes, wanted %d", len(secret), want)
	}
	key, err := s.expand(secret, "key", s.key)
	if err != nil {
		return half{}, err
	}
	defer clear(key)
	iv, err := s.expand(secret, "iv", 12)
	if err != nil {
		return half{}, err
	}
	defer clear(iv)
	h := half{}
	copy(h.iv[:], iv)
	h.aead, err = gcm.New(key)
	return h, err
}

// expand is HKDF-Expand-Label with an empty context (section 7.1).
func (s suite) expand(secret []byte, label string, size int) ([]byte, error) {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(size))
	info = append(info, byte(len(label)))
	info = append(info, label...)
	return hkdf.Expand(s.hash, secret, string(append(info, 0)), size)
}

var errWornOut = errors.New("record: the key of this connection has protected as much as it may")

// next takes the nonce of the next record (section 5.3). It is valid until the following call.
func (h *half) next() ([]byte, error) {
	if h.seq >= maxRecords {
		return nil, errWornOut
	}
	h.nonce = h.iv
	low := h.nonce[4:]
	binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)^h.seq)
	h.seq++
	return h.nonce[:], nil
}

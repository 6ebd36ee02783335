package gcm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
)

// New returns AES-GCM with the standard sizes of nonce (12 bytes) and tag (16) under a key of 16, 24 or 32 bytes, which it does not keep. Several
// goroutines may use it. Nothing is allocated where dst has room.
func New(key []byte) (cipher.AEAD, error) {
	a, err := narrow(key)
	// In FIPS 140-3 mode the code that was validated does it all.
	if err != nil || fips140.Enabled() || !trusted() {
		return a, err
	}
	return newWide(key, a), nil
}

// narrow is what crypto/cipher has.
func narrow(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

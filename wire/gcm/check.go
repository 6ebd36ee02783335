package gcm

import (
	"bytes"
	"sync"
)

// trusted says whether wide may be used: the processor has what it takes, and does with it what crypto/cipher does. The latter is asked once: a
// hypervisor that offers instructions which it does not have right would otherwise break connections in ways that nobody finds.
var trusted = sync.OnceValue(func() bool {
	if !can {
		return false
	}
	// Long enough for the counter to carry into its second byte and for two turns of ctr and ghash, with a tail of some blocks.
	key, text := make([]byte, 32), make([]byte, 18*chunkSize+2*blockSize+1)
	for i := range text {
		text[i] = byte(i * i)
	}
	for i := range key {
		key[i] = byte(7 * i)
	}
	for _, size := range []int{16, 32} {
		a, err := narrow(key[:size])
		if err != nil {
			return false
		}
		nonce, header := text[100:100+nonceSize], text[200:205]
		sealed := a.Seal(nil, nonce, text, header)
		w := newWide(key[:size], a)
		opened, err := w.Open(nil, nonce, sealed, header)
		if err != nil || !bytes.Equal(opened, text) || !bytes.Equal(w.Seal(nil, nonce, text, header), sealed) {
			return false
		}
	}
	return true
})

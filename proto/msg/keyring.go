package msg

import (
	"encoding/binary"
	"slices"
)

// Keyring brings the file with the keys of encrypted tables. A donor sends it once,
// between the last verify pass and Commit, and only if both ends have said in their
// Hello that keys may travel (SPEC.md section 3).
//
//	u32 length | at most MaxKeyring; 0: the donor's server has no keys yet
//	content    | opaque: the file as it was under the lock
//
// The content is secret: it must not be logged, nor written anywhere but to the place
// where the joiner's server looks for it.
type Keyring struct{ Content []byte }

// Len is the length of the encoded message.
func (k Keyring) Len() int { return 4 + len(k.Content) }

// Append adds the encoded message to b.
func (k Keyring) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(k.Content)))
	return append(b, k.Content...)
}

// ParseKeyring reads the body of a Keyring frame. The content is a copy.
func ParseKeyring(body []byte) (Keyring, error) {
	r := reader{typ: TypeKeyring, b: body}
	n := r.u32()
	if n > MaxKeyring {
		r.fail("%d bytes of keys are over the limit of %d", n, MaxKeyring)
	}
	k := Keyring{Content: slices.Clone(r.take(int(n)))}
	if err := r.done(); err != nil {
		clear(k.Content)
		return Keyring{}, err
	}
	return k, nil
}

package wire

// kept holds the frames of one direction of a Link from the moment they are sent until the peer has acknowledged them, for sending
// them again over another connection. Frames are numbered from 1. Small ones are copied one behind the other into slabs; a body that
// was given away stays in the buffer it came in. Slabs are used again, so that keeping a frame allocates nothing in the long run. A
// Link's mutex guards all of it.
type kept struct {
	window int // most bytes of slabs in use
	inUse  int
	wipe   bool // what is dropped is cleared: frames may hold secrets

	frames [keptFrames]keptFrame // circular
	at, n  int                   // oldest, how many
	last   uint64                // number of the newest frame ever, 0 for none

	current      *slab   // where the next copy goes; nil: nowhere yet
	small, large []*slab // not in use, smallSlab and MaxFrame bytes
	units        []*slab // not in use, what is handed out for a given buffer
}

// keptFrame is one frame. head and body lie in slabs and are not changed while it is held.
type keptFrame struct {
	typ        uint8
	head, body []byte
	copied     *slab // holds head, and body unless it was given; nil for an empty frame
	unit       *slab // holds a given body; nil otherwise
}

// slab is a buffer with the number of frames in it.
type slab struct {
	buf   []byte
	used  int
	users int
}

// first is the number of the oldest frame held, last+1 when there is none.
func (k *kept) first() uint64 { return k.last + 1 - uint64(k.n) }

// frame returns a frame that is held.
func (k *kept) frame(number uint64) *keptFrame {
	return &k.frames[(k.at+int(number-k.first()))%keptFrames]
}

// fits says whether a frame may be kept now of which n bytes are copied and that comes with a buffer of the length unit. When
// nothing is held everything fits.
func (k *kept) fits(n, unit int) bool {
	if k.n == keptFrames {
		return false
	}
	need := unit
	if n > 0 && !k.current.has(n) {
		need += slabSize(n)
	}
	return k.n == 0 || k.inUse+need <= k.window
}

func (s *slab) has(n int) bool { return s != nil && len(s.buf)-s.used >= n }

func slabSize(n int) int {
	if n <= smallSlab {
		return smallSlab
	}
	return MaxFrame
}

// add keeps a frame, which must fit. With a unit, in which body lies, the buffer is kept and *unit replaced by another of the same
// length; without, body is copied.
func (k *kept) add(typ uint8, head, body []byte, unit *[]byte) *keptFrame {
	f := &k.frames[(k.at+k.n)%keptFrames]
	k.n++
	k.last++
	*f = keptFrame{typ: typ}
	if unit != nil {
		f.unit = k.swap(unit)
		f.body = body
	}
	n := len(head)
	if unit == nil {
		n += len(body)
	}
	if n == 0 {
		return f
	}
	if !k.current.has(n) {
		k.retire(k.current)
		k.current = k.take(slabSize(n))
	}
	s := k.current
	s.users++
	f.copied = s
	f.head = s.put(head)
	if unit == nil {
		f.body = s.put(body)
	}
	return f
}

func (s *slab) put(p []byte) []byte {
	at := s.used
	s.used += copy(s.buf[at:], p)
	return s.buf[at:s.used:s.used]
}

// swap takes over *unit and puts a spare buffer in its place.
func (k *kept) swap(unit *[]byte) *slab {
	var s *slab
	if n := len(k.units); n > 0 {
		s, k.units = k.units[n-1], k.units[:n-1]
	}
	if s == nil || len(s.buf) != len(*unit) {
		s = &slab{buf: make([]byte, len(*unit))}
	}
	s.buf, *unit = *unit, s.buf
	s.users = 1
	k.inUse += len(s.buf)
	return s
}

// take returns an empty slab for copies.
func (k *kept) take(size int) *slab {
	k.inUse += size
	spare := &k.large
	if size == smallSlab {
		spare = &k.small
	}
	if n := len(*spare); n > 0 {
		s := (*spare)[n-1]
		*spare = (*spare)[:n-1]
		return s
	}
	return &slab{buf: make([]byte, size)}
}

// retire gives a slab for copies back when nobody uses it. The frames in it may still be held otherwise, and the last of them does it.
func (k *kept) retire(s *slab) {
	if s == nil || s.users > 0 {
		return
	}
	s.used = 0
	k.inUse -= len(s.buf)
	if len(s.buf) == smallSlab {
		k.small = append(k.small, s)
	} else {
		k.large = append(k.large, s)
	}
}

// drop forgets the frames up to and including number, which must not be above last.
func (k *kept) drop(number uint64) {
	for k.n > 0 && k.first() <= number {
		f := &k.frames[k.at]
		k.at = (k.at + 1) % keptFrames
		k.n--
		if k.wipe {
			clear(f.head)
			clear(f.body)
		}
		if s := f.unit; s != nil {
			s.users = 0
			k.inUse -= len(s.buf)
			k.units = append(k.units, s)
		}
		if s := f.copied; s != nil {
			s.users--
			switch {
			case s.users > 0:
			case s == k.current:
				s.used = 0
			default:
				k.retire(s)
			}
		}
		*f = keptFrame{}
	}
}

package msg

// Limits on what a peer may send. Each is checked before memory is taken.
const (
	// MaxText caps reasons, fact values and coordinates: long enough for a path
	// with an explanation, short enough for one log line (H14).
	MaxText = 512
	// MaxFacts caps the list in Hello. Today about a dozen are sent.
	MaxFacts = 64
	// MaxPath is the longest path below a root. A database and a table name of 64
	// characters each, every character encoded as five ("@0024"), a partition
	// suffix and an extension stay below it.
	MaxPath = 1024
	// MaxEntries caps one Catalog frame, so that a batch of the longest paths
	// still fits MaxBody.
	MaxEntries = 512
	// MaxSegments caps one Compare: small files are compared this many at a time.
	MaxSegments = 512
	// MaxGroups caps the groups one Compare may ask digests for. With groups of
	// 1 MiB this is the most data one request makes the peer read before it
	// answers, which also bounds how late a cancellation is seen.
	MaxGroups = 1024
	// MaxRuns caps the runs of one Chunk: a unit of 1 MiB alternating between data
	// and holes at 4 KiB.
	MaxRuns = 256
	// MaxPayload is the most file content one Chunk describes.
	MaxPayload = 1 << 20
	// MaxSize is the largest file: InnoDB stops at 64 TiB, a peer that announces
	// more is broken or hostile.
	MaxSize = 1 << 47
	// MaxKeyring is the largest file with keys. Each key takes some hundred bytes in it,
	// so this is thousands.
	MaxKeyring = 1 << 20
	// MaxBody is the longest body of any frame.
	MaxBody = MaxPayload + 64<<10
	// MaxID bounds the ids of the catalogue and with them the joiner's memory for
	// it: sixteen million files.
	MaxID = 1 << 24
)

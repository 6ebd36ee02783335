package wire

import (
	"time"

	"trireme/wire/record"
)

// Every limit of this package, with its reason.
const (
	// MaxFrame is the largest head plus body of one frame: a transfer unit of 1 MiB, its 64 KiB of slack for data that grew
	// in compression, and as much again for the head.
	MaxFrame = 1<<20 + 128<<10

	// FrameHeader is the number of bytes in front of each frame.
	FrameHeader = 8

	// maxTicket keeps the line "ready TICKET" below 255 bytes, which the smallest server buffers take (sst-contract 4.2).
	maxTicket = 240

	// DefaultPort is what every stock method uses when the address has no port (sst-contract 4.1).
	DefaultPort = 4444

	// maxReason bounds the text of a refusal (style H14).
	maxReason = 512

	defaultHandshakeTimeout = 10 * time.Second

	// A stranger costs a descriptor, a goroutine and one TLS handshake. 64 of them are some MiB.
	defaultMaxStrangers = 64

	// maxReported bounds the memory of which strangers were reported already; a scanner with many addresses goes silent.
	maxReported = 1024

	// recordSize is the plaintext of a full TLS record (RFC 8446 section 5.1).
	recordSize = record.MaxContent

	// recordOverhead is what TLS adds to it.
	recordOverhead = record.Overhead

	// coalesced is how many full records each of a connection's two buffers holds, so that a system call moves 128 KiB of data
	// (performance 8, decision 3). coalesceSize is the same where crypto/tls protects records, which makes one system call for each:
	// BenchmarkPipe on 2 cores: one connection needs 0.74-0.92 CPU seconds per GB with it and 0.85-1.05 without; with four there is no
	// difference. 256 KiB gave no more.
	coalesced    = 8
	coalesceSize = coalesced * (recordSize + recordOverhead)

	// Without TLS large pieces are read and written in place, and more than this would only be copied once too often.
	plainCoalesceSize = recordSize

	// One AES-GCM key protects 2^24.5 full records (RFC 8446 section 5.5), and crypto/tls never asks for a new one. At the
	// first limit a connection says that it is Spent, about 256 GB; at the second it refuses to go on.
	spentRecords = 15_600_000
	deadRecords  = 23_700_000

	// closeTimeout bounds how long Close tries to deliver what is still in the buffer.
	closeTimeout = time.Second

	// Dial gives an address this much of a head start before it tries the next one as well (RFC 8305 section 5).
	headStart = 250 * time.Millisecond

	// maxAddresses bounds how many addresses of one host are tried.
	maxAddresses = 16

	// A listener under a flood may push out the real donor before it has proved itself, so the donor comes back.
	dialAttempts = 10
	dialPause    = 20 * time.Millisecond
	// dialPauseMost keeps the later ones close together: a crowd thins out from one moment to the next.
	dialPauseMost = 250 * time.Millisecond

	// acceptPause is how long a listener waits when the system has no descriptors left.
	acceptPause = 50 * time.Millisecond

	// A Link keeps what the peer has not acknowledged. The wide window is what it takes to keep a link of 50 ms and 80 MB/s busy. 7 wide
	// ones, 17 others and the control link's come to 64 MiB, which is the most that a cut makes travel twice, and less than the
	// sockets' own buffers may hold.
	windowMost  = 4 << 20
	windowLeast = 2 << 20
	wideLinks   = 7

	// MaxLinks bounds the data links of one session.
	MaxLinks = 24

	// keptFrames bounds the frames in a window: the bookkeeping of one link takes about 30 KiB.
	keptFrames = 256

	// smallSlab holds copies of requests, answers and heads of chunks.
	smallSlab = 64 << 10

	// A given body stays in its buffer only when it fills at least three quarters of it: the window counts buffers.
	givenShare = 0.75

	// attachTimeout bounds the exchange that attaches a connection to its link, which follows the preface at once.
	attachTimeout = 10 * time.Second

	// redialConnect bounds one TCP connect when a link is opened again: the kernel asks after 0, 1 and 3 s, and then waits longer than
	// somebody should whose limit is 20 s in all.
	redialConnect = 3 * time.Second
	redialPause   = 50 * time.Millisecond
	redialMost    = time.Second

	// goneAfter is how long the joiner's port may refuse connections before its program is taken to have ended. A relay that is
	// started again takes less.
	goneAfter = 2 * time.Second

	// attachesPerMinute bounds how often one link is opened again: far more often than any network breaks, far less often than a
	// peer could that means harm.
	attachesPerMinute = 1200

	// maxAttaching bounds the connections of a session that have not said to which link they belong. An honest donor has one for each
	// link, and beside it those that it has given up while the path ate what would have told.
	maxAttaching = 2 * MaxLinks
)

package record

import "time"

// Every limit of this package, with its reason.
const (
	// MaxContent is the most content of a record (RFC 8446 section 5.1).
	MaxContent = 1 << 14

	// Overhead is what a record adds to its content: header, content type, tag.
	Overhead = headerSize + 1 + tagSize

	headerSize = 5
	tagSize    = 16 // of both AEADs

	// maxLength is the most that a header may announce (section 5.2).
	maxLength = MaxContent + 256

	// maxUseless bounds records in a row that carry nothing, as crypto/tls does: a peer must not keep us busy for ever.
	maxUseless = 16

	// maxRecords is how many records one AES-GCM key may protect (section 5.5: 2^24.5). Users replace connections long before.
	maxRecords = 23_726_566

	// narrow is the first receive buffer, before Widen. It grows to the record that is announced, so to 16 KiB at most.
	narrow = 1 << 10

	// closeTimeout bounds how long Close, or an alert, waits for the kernel to take it.
	closeTimeout = time.Second
)

// Content types (section 5.1).
const (
	typeAlert     = 21
	typeHandshake = 22
	typeData      = 23
)

// Handshake messages that may come after the handshake (section 4).
const (
	messageTicket    = 4
	messageKeyUpdate = 24
)

// Alerts (section 6).
const (
	alertCloseNotify       = 0
	alertUnexpectedMessage = 10
	alertBadRecordMAC      = 20
	alertRecordOverflow    = 22
	alertProtocolVersion   = 70
	alertUserCanceled      = 90

	levelWarning = 1
	levelFatal   = 2
)

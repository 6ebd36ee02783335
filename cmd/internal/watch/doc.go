// Package watch is the face "trireme watch": it shows a transfer that runs on this
// host, whoever started it, from the status file that the transfer writes. It only
// reads, and cannot disturb the transfer; it is as late as the file, about a second.
// It starts no goroutine of its own.
package watch

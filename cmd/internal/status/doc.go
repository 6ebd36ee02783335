// Package status turns the figures of a running transfer into one value that can be
// shown, written and read again: the status file that "trireme watch" follows, the
// closing summary as JSON, and the metrics file for Prometheus.
//
// A Tracker is fed by its owner, once a second or so, and starts no goroutine. Files
// are replaced as a whole, so a reader never sees half of one, but nothing is synced:
// after a crash of the host they may be old or gone. Nothing here decides anything
// about the transfer, and no failure to write ends one. No secret is ever part of a
// Status.
package status

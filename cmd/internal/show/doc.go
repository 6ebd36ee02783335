// Package show draws a transfer for whoever looks: a bar for each phase on a
// terminal, lines at a steady interval in a log, JSON events for a program, or
// nothing.
//
// A Display is used by one goroutine at a time, except Note, which may be called from
// any. Nothing is promised about every state being seen: what lies between two calls
// of Update is skipped. The bars run a goroutine of the library, which Close awaits.
package show

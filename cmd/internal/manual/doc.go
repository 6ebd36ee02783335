// Package manual writes the manual pages of the command tree, for packagers: the same
// texts that --help shows, so that there is one source. It starts no goroutines. What
// was in the directory before stays there.
package manual

// Package galera is the talk between a Galera server and the program it starts for a state snapshot transfer: the
// command line, the environment and the standard input that the server hands over, the lines it reads from standard
// output, the files it leaves in the datadir, the shape of its log, and the exit codes it turns into error texts.
// There is no transfer logic here; nothing in this package reads or writes table data or opens a network connection.
//
// What is guaranteed: one [Out] is the only writer of the protocol channel, so an illegal line or an illegal order of
// lines is refused before a byte leaves; a [Locker] never returns a position that an earlier lock window left behind;
// a [Parent] is not fooled by a process number that was given to somebody else; secrets that pass through are never
// printed by this package.
//
// What is not guaranteed: that tables are still once [Locker.Lock] has returned. Some servers freeze after they have
// reported, some background threads go on under the lock, and only the engine's verification rounds can tell. Nor is a
// server version believed where behaviour can be seen instead: version tables choose waiting times and the set of files,
// not the correctness of a copy.
//
// Goroutines: everything that waits does so in the caller's goroutine and ends with its context, within 100 milliseconds.
// A [Parent] that is waited for has the end of that context call a function, which is over before the wait returns.
//
// Standard output belongs to the server. A program that uses this package must not print there, must not let a child
// inherit it, and should ignore SIGPIPE so that a server that went away is seen as an error of the next line.
package galera

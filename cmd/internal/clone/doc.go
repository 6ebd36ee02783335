// Package clone is the face for copying a datadir by hand: "trireme receive" on one
// host and "trireme send" on the other, or "trireme clone" with both ends in one
// process. No cluster, no root and no option file are needed.
//
// The source must hold still. As long as it is read, the files that a server locks
// when it starts are locked for reading here, so a server that runs is found and one
// that is started meanwhile waits; package proto compares until nothing moves. Neither
// holds against programs that write into a datadir without taking the server's locks,
// nor against a server on another host that shares the directory over a file system
// without locks.
//
// The target is only touched when it is empty, holds the remains of a transfer, or is
// a datadir and the caller says that it may go. Until the transfer has committed no
// server can start on it. That nobody else works there is known for other transfers of
// this program, by a lock, and for a server by its own locks when we begin, not for
// what is started later.
//
// Each command owns the goroutines it starts and waits for them; a second interrupt
// ends the process at once.
package clone

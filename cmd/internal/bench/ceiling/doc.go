// Package ceiling does what any copy must do and nothing else, to show what this machine allows: a copy in memory, from file to
// file, through bare TLS or TCP connections, and hashing of two trees at once.
//
// Nothing is compared, checked, retried or made durable, holes are not kept, and names go through no protocol: no copy program
// can leave out all of that. Both ends of a pipe are in one process, which spares the change between two.
//
// Every function owns the goroutines it starts and waits for them. They are for directories that nobody changes.
package ceiling

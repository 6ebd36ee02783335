// Package cluster runs a real MariaDB Galera cluster on one machine, for tests, the demo and the races.
//
// Every node is a mariadbd started by hand with an option file of its own, on a loopback address of its own (127.0.X.N), under a
// working directory that the cluster made and that nothing else uses. The system's own server, its datadir, its socket and its
// port are never touched. As root the servers run as the user mysql, otherwise as the caller.
//
// Guarantees: nothing outlives the cluster. Destroy ends every process whose command line names the working directory; when the
// program dies without calling it (a panic, a test timeout, kill -9), the kernel kills the servers (parent death signal) and a
// watchdog process, which sees its pipe close, ends what is left (state transfer scripts among it) and removes the directory.
// Waiting is polling with the caller's deadline, never a fixed sleep, and an error about a server carries the end of its error log.
//
// Not guaranteed: durability of the data under test beyond what the servers do (they are set up small and fast, flushing of
// commits is relaxed), behaviour of a split cluster as in production (pc.ignore_sb is on, so that one node of two stays writable
// when the other is killed), and isolation from other programs that bind ports 4444, 4567 or 4568 on all addresses.
//
// Ownership: a Cluster owns its goroutines (one per running process, one for the watchdog's pipe) and its directory; both end in
// Destroy. A Writer owns its clients; they end in Stop. Cluster, Node and Writer methods are safe for concurrent use unless they
// say otherwise; strings and slices that are returned belong to the caller.
//
// The package imports no other package of the project, so that it can test all of them.
package cluster

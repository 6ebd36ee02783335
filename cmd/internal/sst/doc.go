// Package sst is the face that a Galera server calls: it turns one call of
// wsrep_sst_<method> into one end of a transfer. It reads what the server says
// (package galera), finds the settings (package settings), opens the channel, runs
// package proto and words the outcome for the error log and as an exit code.
//
// Standard output belongs to the server; everything for people goes to standard
// error in the shape of the stock scripts' lines. A joiner prints its address only
// after everything that can be checked has been checked and the port is open, and
// its coordinates only when the copy is durable (design section 2).
//
// What is not guaranteed: the exit code reaches nobody on servers that ignore it;
// the missing final line is what fails an SST everywhere. A server that dies is
// noticed within a second, not at once.
//
// Main owns all goroutines and waits for them before it returns.
package sst

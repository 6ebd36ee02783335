// Package cli is the command tree of the hand-driven faces: trireme and its
// subcommands. It knows the words, the help texts and the exit codes; what a
// command does stands in the package of its face, which exports a constructor that
// returns a *cobra.Command and knows nothing of its siblings.
//
// Usage errors (an unknown word, a wrong flag, a missing argument) end with ExitUsage
// and the command's usage line; every other error is one line on standard error and
// the code of its cause. Standard output is for data only.
//
// What is not guaranteed: the server-driven face (wsrep_sst_<method>) does not come
// through here. Its arguments and exit codes are those of the SST contract.
//
// Nothing here starts a goroutine.
package cli

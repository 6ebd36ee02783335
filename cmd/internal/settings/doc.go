// Package settings turns everything a transfer can be told into one checked value.
//
// [Resolve] takes what the server passed (arguments, its own argv, environment), the option files and our
// own flags, and returns [Settings] in which every value remembers where it came from, or a list of
// [Problem]s, one for each value that was rejected. Options of the existing transfer scripts are
// looked up in the groups and in the order of the script that owned them; the server's own options are
// looked up as the server reads them; our own live in the group [trireme] and nowhere else.
//
// One rule stands above the others: a value that makes the transfer more or less safe is honoured or rejected,
// never dropped. An option that merely tuned a replaced tool is accepted with a warning. Rejecting happens
// here, before a joiner has announced itself and before anything was changed on disk.
//
// What is not guaranteed: certificates and keys are not opened, so a file that is missing, encrypted or
// mismatched is found later, by whoever loads it; only directories and the fixed files of the secure_rsync
// and Percona conventions are looked for. Values of the other node are unknown here, agreement is
// the business of the conversation. Unique-prefix abbreviations of server options (--innodb-data-h) are not understood.
//
// The package starts no goroutines, prints nothing and never puts a secret into a message or into
// [Settings.Table]. A Settings must not be changed while others read it.
package settings

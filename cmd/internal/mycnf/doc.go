// Package mycnf reads MariaDB and MySQL option files the way the server reads them.
//
// [Read] finds the files (default locations, or the one the server was started
// with), follows !include and !includedir, and returns an immutable [File] that
// answers for any set of groups what my_print_defaults would print, plus the
// place every value came from. The rules are those of the server's own reader,
// its oddities included (a line longer than its buffer is cut, a directive on a
// last line without a newline loses its last character): a value which the
// server does not see must not steer a transfer, and the other way round. Where
// an oddity changes what the author of the file can have meant, the result
// carries a warning. A differential test holds this package to the installed
// my_print_defaults.
//
// What is not guaranteed: nothing here knows what an option means. Names stay as
// written; [Fold] applies the two liberties the transfer scripts take (blank out
// underscores, drop a loose prefix) and no other. Unique prefixes, skip- and
// enable- forms are for the caller who knows the option. Files are read once, one
// after the other; an edit in between may be seen in part. Relative include
// paths are resolved against the working directory, as the server does.
//
// The package starts no goroutines and prints nothing. Slices it returns belong to the
// caller. A File may be used from several goroutines at once.
package mycnf

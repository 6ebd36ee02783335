// Package tree knows what lies in a datadir: which directories make it up, what kind every file is, and what a state
// transfer does with each kind. One table (class.go) answers for scanning, comparing and deleting alike, so that the
// donor's list, the joiner's list and the joiner's deletions cannot disagree about a file (R-COPY-9).
//
// Layout names the directories and the few options that decide how a name is read. Classify is a pure function of a
// Layout and a relative path. Dirs holds the directories open; everything below them is reached through their
// descriptors, component by component, and no symbolic link is followed on the way. The one exception belongs to the
// local administrator: a symbolic link at the top of the datadir that points to a directory is opened once, when the
// tree is scanned, and counts as a real directory from then on. Scan lists all of it, CheckEngines reads table
// definitions for engines that cannot be copied as files.
//
// Ownership and concurrency: a Layout is read-only after Open. All methods of Dirs may be called concurrently; a file
// returned by OpenFile belongs to the caller and outlives the Dirs. The package starts no goroutine and keeps no
// buffer after a call returns. Times are nanoseconds since 1970, sizes are bytes.
//
// What is not guaranteed: a Tree of a running server describes no single moment; files appear, vanish and grow while
// the scan walks, and only a second scan under the server's lock that agrees with the first says anything about
// consistency. Tables that MySQL 8 keeps outside the datadir leave no trace in the file system and are not noticed.
// Classification reads names, not contents: a file that only pretends to be a tablespace is treated as one.
package tree

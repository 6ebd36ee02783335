// Package innodb reads the few facts of InnoDB's files that a transfer needs: the page size of a tablespace, the log
// sequence number of a page, the checkpoint slots of the redo log, and which pages that log names.
//
// The checkpoint slots are the important part. A server that is locked but writes a checkpoint all the same breaks the
// copy without changing a single table (consistency 1.3), so a donor reads the slots before the first and after the
// last byte of a round and throws the round away when they differ (R-COPY-4). Comparing digests of the raw slots serves
// that purpose for every format, known or not; the decoded number is for logs and for people.
//
// Everything here but Trail is a pure function of the bytes it is given: safe for concurrent use, no goroutines, no buffers kept,
// nothing written.
//
// What is not guaranteed: equal page headers do not mean equal pages (consistency 2.5), so nothing in this package is
// fit to decide alone that a block need not be sent: what is skipped by LSN or by the log has to be compared in the end.
// No checksum of a page is verified. The checkpoint number of a log that is being written may be missing (0), and a log
// of an unknown format has none. MySQL's log formats were not tried against a running server.
package innodb

// Package datadir makes directories that look like the datadir of a stopped MariaDB server, changes them as a server would,
// and says whether a copy is exact.
//
// Tables consist of 16 KiB pages with InnoDB's header: page number, LSN, type, space, and a CRC-32C at the end, in the
// full_crc32 format; what stands between is random to a chosen part, so that a chosen ratio is left to a compressor. The
// same Config gives the same bytes. Files around the tables have the names and the heads that scans look at.
//
// Not guaranteed: that a server starts on one. There are no rows, no indexes and no redo log in the pages, only their
// outside. Nothing is made durable, and nothing protects a directory against others while it is made or compared.
//
// Every function works in as many goroutines as there are processors and waits for them before it returns. A Dir belongs to one goroutine.
package datadir

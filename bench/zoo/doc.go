// Package zoo fills a server with one table of every kind that a datadir can hold, and with data in bulk.
//
// Build makes the zoo: every InnoDB row format, page compression with its holes, encryption, full text, partitions, foreign keys,
// BLOBs, generated columns, sequences, system versioning; Aria with and without transactions, MyISAM, CSV, Archive, MERGE,
// MEMORY, BLACKHOLE; views, triggers, events, routines; an empty database; names that need encoding in the file system. Fill
// loads bytes by the hundred megabytes, ManyTables makes tables by the thousand, Touch changes a share of the pages of what Fill
// made. The same calls make the same rows: everything that looks random is computed from row numbers.
//
// Not guaranteed: equal bytes of the files between runs (page allocation depends on timing), and replication. MyISAM, Aria, CSV,
// Archive and MERGE rows are written on the node that is asked and reach others only through a state transfer, as Galera has it;
// so Build, Fill and ManyTables belong before the first join. Touch changes InnoDB tables and replicates.
//
// The package knows a server only as something that takes statements (Server); it starts goroutines only within Fill and
// ManyTables, which wait for them.
package zoo

import "context"

// Server takes statements; a cluster's node is one. Each call may use another connection, and one call may hold several
// statements.
type Server interface {
	Exec(ctx context.Context, statements string) error
	Query(ctx context.Context, statements string) ([][]string, error)
}

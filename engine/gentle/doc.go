// Package gentle reads a server's files without being noticed by the server: it
// leaves the page cache as it was and can put the program behind everybody else in
// the queue of the disk, and single pieces of work behind others for the processor.
//
// Guarantees: ReadAt returns the same bytes as os.File.ReadAt. Pages that were in
// the page cache before stay there, pages that only we brought in are given back
// (R-LOAD-2). Lower affects this process alone.
//
// What is not guaranteed: pages that the server itself reads at the same moment may
// be given back with ours, and pages read ahead by the kernel may stay. On file
// systems and kernels that lack the means a read is an ordinary read. Lower has no
// effect where the disk's scheduler knows no priorities.
//
// There are no goroutines: Background runs its function on the caller's. All functions are safe for concurrent use; buffers stay
// the caller's.
package gentle

package proto

import "github.com/dustin/go-humanize" // sizes for people, with the right unit: whole MiB would make nothing of a page

// amount is a number of bytes for people.
func amount(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

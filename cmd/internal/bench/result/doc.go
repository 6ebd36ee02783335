// Package result is what a run of the bench has found: the form of its JSON, and the figures that people compare.
//
// Every run of every contestant is kept; medians and spreads are computed when they are shown. The format carries a version:
// fields may be added without a new one.
//
// Not guaranteed: that figures of two files compare. They do when machine, kernel, data and load were the same, and the file says
// what they were as far as a program can know it. The package starts no goroutine; its values are not safe for concurrent use.
package result

// Package report shows what a bench has found: as a table for a terminal, and as one page of HTML with plots that needs nothing
// from anywhere else.
//
// Not guaranteed: that columns keep their place. Programs read the JSON of package result.
package report

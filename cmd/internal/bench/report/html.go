package report

import "trireme/cmd/internal/bench/result"

// HTML writes the page.
func HTML(path string, r *result.Report) error { return nil }

package cluster

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// problems are lines that an exact copy never makes a joiner write (oracle O4). Each is a state that the server repaired, guessed
// or gave up on.
var problems = regexp.MustCompile(`(?i)` + strings.Join([]string{
	`InnoDB: (Starting (a|final) batch|To recover:|Apply batch|Recovered? page)`, // redo was applied: the copy was not of one moment
	`log sequence number .* in the future`,                                       // a page is newer than the redo log
	`is in the future! Current system log sequence number`,
	// That Aria starts its recovery is no problem: it does so at every start over a copied log.
	`Aria (engine: )?recovery failed|Aria engine is not enabled or did not start|aria_log_control|Aria engine: log`,
	`marked as crashed|Checking table:|Recovering table:|try to repair it|Incorrect key file`, // automatic repair
	`InnoDB: .*(corrupt|torn page|checksum mismatch|missing FILE_|Cannot open datafile|was not found at|Tablespace .* missing)`,
	`Multiple files found for the same tablespace|Ignoring (data file|duplicate)|tablespace id .* already exists`,
	`doublewrite.*(restor|recover)(ed|ing) page`,
	`\[ERROR\] (InnoDB|Aria|mariadbd|mysqld|Got error|Plugin|Can't (open|create|init))`,
	`Plugin '\w+' (init function returned error|registration as a STORAGE ENGINE failed)`,
	`mysqld got signal|Assertion failure|SIGSEGV|SIGABRT`,
}, "|"))

// LogProblems returns the lines of an error log that an exact copy never causes. A joiner's log must have none; scripts' own
// lines (WSREP_SST) are not judged here.
func LogProblems(errorLog string) []string {
	var hits []string
	for line := range strings.Lines(errorLog) {
		line = strings.TrimRight(line, "\n")
		if !strings.Contains(line, "WSREP_SST") && problems.MatchString(line) {
			hits = append(hits, line)
		}
	}
	return hits
}

// Summary is the closing line of one side of a transfer.
type Summary struct {
	Role          string  `json:"role"`  // donor or joiner
	Files         int64   `json:"files"` // regular files in the manifest
	BytesTotal    int64   `json:"bytes_total"`
	BytesSent     int64   `json:"bytes_sent"`   // file bytes that had to travel
	BytesPacked   int64   `json:"bytes_packed"` // what these came to after compression
	WireBytes     int64   `json:"wire_bytes"`   // both directions, encryption included
	Seconds       float64 `json:"seconds"`
	LockSeconds   float64 `json:"lock_seconds"`      // from the flush request to its end
	LockWait      float64 `json:"lock_wait_seconds"` // of LockSeconds, until the server reported its lock
	LockPredicted float64 `json:"lock_predicted_seconds"`
	Passes        Count   `json:"passes"`
	Result        string  `json:"result"`
}

// Count is a number that may stand in JSON as itself or as a list of what it counts.
type Count int

// UnmarshalJSON takes a number or an array.
func (c *Count) UnmarshalJSON(text []byte) error {
	var list []json.RawMessage
	if json.Unmarshal(text, &list) == nil {
		*c = Count(len(list))
		return nil
	}
	var n int
	if err := json.Unmarshal(text, &n); err != nil {
		return fmt.Errorf("read a count: %w", err)
	}
	*c = Count(n)
	return nil
}

// summaryMarker stands before the JSON object in the log line.
const summaryMarker = "summary: "

// Summaries finds the closing lines of transfers in an error log, oldest first. Unknown keys and text after the object are fine;
// a line whose object cannot be read is skipped.
func Summaries(errorLog string) []Summary {
	var found []Summary
	for line := range strings.Lines(errorLog) {
		_, text, ok := strings.Cut(line, summaryMarker)
		if !ok || !strings.HasPrefix(text, "{") {
			continue
		}
		var s Summary
		// A decoder stops at the end of the object; the log's time stamp follows it.
		if json.NewDecoder(strings.NewReader(text)).Decode(&s) == nil {
			found = append(found, s)
		}
	}
	return found
}

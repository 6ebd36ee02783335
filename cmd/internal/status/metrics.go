package status

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// metric is one name of the metrics file. README.md lists them for people; both change together.
type metric struct {
	name, help string
	values     func(*Status) []sample
}

// sample is one value; label is empty or kind="…".
type sample struct {
	label string
	value float64
}

func one(v float64) []sample { return []sample{{value: v}} }

var metrics = []metric{
	{"trireme_transfer_running", "1 while the transfer runs.", func(s *Status) []sample { return one(truth(!s.Finished())) }},
	{"trireme_transfer_success", "1 when the last transfer did what it was asked to; 0 while it runs or when it failed.",
		func(s *Status) []sample { return one(truth(s.Finished() && s.Result != Failed)) }},
	{"trireme_transfer_exit_code", "Exit code of the last transfer.", func(s *Status) []sample { return one(float64(s.ExitCode)) }},
	{"trireme_transfer_start_timestamp_seconds", "When the transfer began.", func(s *Status) []sample { return one(float64(s.Started.UnixMilli()) / 1e3) }},
	{"trireme_transfer_update_timestamp_seconds", "When these figures were taken; after the end, when it ended.",
		func(s *Status) []sample { return one(float64(s.Updated.UnixMilli()) / 1e3) }},
	{"trireme_transfer_duration_seconds", "Time since the transfer began, or all it took.", func(s *Status) []sample { return one(s.Seconds) }},
	{"trireme_transfer_files", "Files and directories of the copy.", func(s *Status) []sample { return one(float64(s.Files)) }},
	{"trireme_transfer_bytes", "Bytes by kind: content of the copy, read here, sent, found equal and saved, sent as holes, on the wire both ways, sent again by TCP.",
		func(s *Status) []sample {
			return []sample{
				{`kind="total"`, float64(s.Bytes)}, {`kind="read"`, float64(s.Read)}, {`kind="sent"`, float64(s.Sent)},
				{`kind="saved"`, float64(s.Saved)}, {`kind="holes"`, float64(s.Holes)}, {`kind="wire"`, float64(s.Wire)},
				{`kind="retransmitted"`, float64(s.Again)},
			}
		}},
	{"trireme_transfer_not_sent_ratio", "Part of the content that did not have to travel, 0 to 1.", func(s *Status) []sample { return one(s.Ratio()) }},
	{"trireme_transfer_bytes_per_second", "Bytes looked at in a second, lately.", func(s *Status) []sample { return one(s.Rate) }},
	{"trireme_transfer_phase_done_ratio", "How much of the present phase is done, 0 to 1; 0 where that is not known.", func(s *Status) []sample {
		if s.Total <= 0 {
			return one(0)
		}
		return one(float64(s.Done) / float64(s.Total))
	}},
	{"trireme_transfer_streams", "Data connections.", func(s *Status) []sample { return one(float64(s.Streams)) }},
	{"trireme_transfer_passes", "Passes that have ended.", func(s *Status) []sample { return one(float64(len(s.Passes))) }},
	{"trireme_transfer_lock_seconds", "Donor of a cluster: how long its server was locked.", func(s *Status) []sample { return one(s.LockSeconds) }},
	{"trireme_transfer_lock_wait_seconds", "Donor of a cluster: how long the server took to grant the lock.", func(s *Status) []sample { return one(s.LockWait) }},
}

// WriteMetrics replaces the metrics file with s in the text format of Prometheus.
func WriteMetrics(path string, s *Status) error { return replace(path, Metrics(s), metricsHead, nil) }

// Metrics is s in the text format of Prometheus.
func Metrics(s *Status) []byte {
	var b bytes.Buffer
	each := []Status{*s}
	if len(s.Receivers) > 0 {
		each = s.Receivers // who adds them up must not find the sum among them
	}
	for _, m := range metrics {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", m.name, m.help, m.name)
		for i := range each {
			for _, v := range m.values(&each[i]) {
				labels := fmt.Sprintf(`directory="%s",role="%s"`, escape(s.Directory), escape(s.Role))
				if name := each[i].Receiver; name != "" {
					labels += fmt.Sprintf(`,receiver="%s"`, escape(name))
				}
				if v.label != "" {
					labels += "," + v.label
				}
				fmt.Fprintf(&b, "%s{%s} %s\n", m.name, labels, strconv.FormatFloat(v.value, 'f', -1, 64))
			}
		}
	}
	return b.Bytes()
}

// escape is the format's own quoting of label values.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "\uFFFD"))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

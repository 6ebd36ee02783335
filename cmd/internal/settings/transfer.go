package settings

import (
	"path/filepath"
	"strconv"
	"strings"
)

// transfer settles what the stock scripts' options say about the stream (sst-options 3.1, 3.2).
func (r *resolver) transfer() {
	r.threads()
	r.compression()
	r.rate()
	r.progress()
	r.keep()
	r.syslog()

	at := r.lookup("time", sstGroup)
	r.show("time", at, onOff(r.bool(at, false))) // durations are in the log in any case
}

// threads takes backup-threads as a bound of the number of connections beside streams; 0 means one per CPU.
func (r *resolver) threads() {
	at := r.lookup("backup-threads", encGroups)
	n := r.int(at, 0, 0, 1<<31-1)
	if at.IsSet() && n == 0 {
		n = max(r.in.CPUs, 1)
	}
	n = min(n, maxStreams)
	if n > 0 && r.s.Streams > n {
		own := r.ownValue("streams")
		r.warn(own, "%d is lowered to %d, the value of backup-threads (%s)", r.s.Streams, n, at.Origin)
	}
	if n > 0 && (r.s.Streams == 0 || r.s.Streams > n) {
		r.s.Streams = n
	}
	r.show("backup-threads", at, autoOr(n))
}

// codecs maps the commands people put into compressor to our codecs. The text is looked at, never run.
var codecs = map[string]string{
	"gzip": "zstd", "pigz": "zstd", "zstd": "zstd", "zstdmt": "zstd", "pzstd": "zstd", "xz": "zstd", "bzip2": "zstd", "pbzip2": "zstd",
	"lz4": "s2", "qpress": "s2", "lzop": "s2", "snzip": "s2", "cat": "off",
}

func (r *resolver) compression() {
	s := r.s
	s.Compress = "auto"
	if r.in.WAN {
		s.Compress = "zstd"
	}
	at := r.ownValue("compress")
	command := r.lookup("compressor", sstGroup)
	if r.in.Role == Joiner && !command.IsSet() {
		command = r.lookup("decompressor", sstGroup)
	}
	tool := r.lookup("compress", encGroups)
	switch {
	case at.IsSet():
		s.Compress = r.word(at, s.Compress, "auto", "off", "zstd", "s2")
	case command.IsSet():
		at = command
		s.Compress, s.CompressLevel = r.compressor(command, s.Compress)
	case tool.IsSet():
		at = tool
		if v := strings.ToLower(tool.Value); v == "none" || isOff(v) {
			s.Compress = "off"
		} else {
			s.Compress = "zstd"
		}
	}
	r.show("compress", at, s.Compress)
}

// compressor reads the first word of a command and its level.
func (r *resolver) compressor(at Setting, def string) (codec string, level int) {
	words := strings.Fields(strings.Trim(at.Value, `'"`))
	if len(words) == 0 {
		return def, 0
	}
	name := filepath.Base(words[0])
	codec, ok := codecs[name]
	if !ok {
		r.warn(at, "%q is not run and none of the known compressors; compress=auto decides instead", name)
		return def, 0
	}
	if codec == "zstd" {
		for _, w := range words[1:] {
			if n, err := strconv.Atoi(strings.TrimPrefix(w, "-")); err == nil && strings.HasPrefix(w, "-") && n >= 1 && n <= 22 {
				level = n
			}
		}
		if level > 0 && !strings.Contains(name, "zst") {
			// The nine levels of the older tools cover fast, middle and thorough of ours.
			level = []int{1, 3, 7}[(min(level, 9)-1)/3]
		}
	}
	return codec, level
}

// rate takes our own limit or rlimit, which stays in force whatever progress says.
func (r *resolver) rate() {
	at := r.ownValue("rate-limit")
	if !at.IsSet() {
		at = r.lookup("rlimit", sstGroup)
	}
	r.s.RateLimit = r.size(at, 0)
	shown := "none"
	if r.s.RateLimit > 0 {
		shown = strconv.FormatInt(r.s.RateLimit, 10) + " B/s"
	}
	r.show("rate-limit", at, shown)
}

// progress: 1 means lines in the log, none means silence, anything else is the name of a file or FIFO.
func (r *resolver) progress() {
	at := r.ownValue("progress")
	if !at.IsSet() {
		at = r.lookup("progress", sstGroup)
	}
	shown := "log"
	if at.IsSet() {
		on, err := parseBool(at.Value)
		switch {
		case strings.EqualFold(at.Value, "none"), err == nil && !on:
			r.s.ProgressOff, shown = true, "off"
		case err == nil, strings.EqualFold(at.Value, "log"), at.Value == "":
		default:
			r.s.ProgressFile = r.abs(at.Value)
			shown = r.s.ProgressFile
		}
	}
	r.show("progress", at, shown)
}

// keep converts cpat, the pattern of files that survive on the joiner.
func (r *resolver) keep() {
	at := r.lookup("cpat", sstGroup)
	if at.IsSet() {
		re, err := ConvertPattern(at.Value)
		if err != nil {
			r.reject(at, "", "%v", err)
		} else {
			r.s.Keep = append(r.s.Keep, re)
		}
	}
	r.show("cpat", at, at.Value)
}

// syslog follows the evident intent: the script overwrote its own option, so that sst-syslog=1 alone did nothing.
func (r *resolver) syslog() {
	at := r.lookup("sst-syslog", sstGroup)
	safe := r.present("syslog", []string{"mysqld_safe"})
	// It stands without a value as a rule; mysqld_safe knows it in no other form.
	on, err := parseBool(safe.Value)
	wanted := safe.IsSet() && (on || err != nil)
	switch at.Value {
	case "-1":
	case "":
		at, r.s.Syslog = safe, wanted
	default:
		if r.bool(at, false) {
			r.s.Syslog = true
		} else if wanted {
			at, r.s.Syslog = safe, true
		}
	}
	r.show("sst-syslog", at, onOff(r.s.Syslog))

	tag := r.lookup("syslog-tag", []string{"mysqld_safe"})
	if v := strings.TrimSpace(r.in.Env("SST_SYSLOG_TAG")); !tag.IsSet() && v != "" {
		tag = Setting{Name: "syslog-tag", Value: v, Origin: OriginEnv}
	}
	r.s.SyslogTag = "wsrep-sst-" + r.in.Role.String()
	if tag.IsSet() {
		r.s.SyslogTag = tag.Value + "-" + r.s.SyslogTag
	}
	r.show("syslog-tag", tag, r.s.SyslogTag)
}

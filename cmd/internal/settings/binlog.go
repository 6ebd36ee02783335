package settings

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// binlogs finds the names of binary and relay logs by the server's rules: a value wins, a bare log-bin takes the
// log-basename, and without that the stock name.
func (r *resolver) binlogs() {
	basename := r.serverOption("log-basename", "")
	at, on := r.logBin()
	if on {
		base := at.Value
		switch {
		case base != "":
		case basename.IsSet():
			base = basename.Value + "-bin"
		default:
			base = "mysql-bin"
		}
		r.s.BinlogBase = r.abs(noExtension(base))
	}
	r.show("log-bin", at, r.s.BinlogBase)

	index := Setting{Name: "log-bin-index", Value: strings.TrimSpace(r.in.BinlogIndex), Origin: OriginArgument}
	if index.Value == "" {
		index = r.serverOption("log-bin-index", "")
	}
	if on {
		switch {
		case index.IsSet():
			name := index.Value
			if !strings.Contains(filepath.Base(name), ".") {
				name += ".index"
			}
			r.s.BinlogIndex = r.abs(name)
		case basename.IsSet():
			r.s.BinlogIndex = r.abs(basename.Value + "-bin.index")
		default:
			r.s.BinlogIndex = r.s.BinlogBase + ".index"
		}
	}
	r.show("log-bin-index", index, r.s.BinlogIndex)
	r.relayLog(basename)

	count := r.lookup("sst-max-binlogs", encGroups)
	// The script took every text that is no number for "all"; a typo must not ship the disk.
	n := r.int(count, 0, -1<<31, 1<<31-1)
	r.s.MaxBinlogs = max(n, -1)
	r.show("sst-max-binlogs", count, strconv.Itoa(r.s.MaxBinlogs))
}

// logBin says whether binary logging is on and under which name; an empty value with on means the default name.
func (r *resolver) logBin() (at Setting, on bool) {
	if v := strings.TrimSpace(r.in.Binlog); v != "" {
		return Setting{Name: "log-bin", Value: v, Origin: OriginArgument}, true
	}
	at, bare := r.switched("log-bin")
	switch {
	case !at.IsSet():
		return at, false
	case bare:
		return at, true
	case at.Value == "0":
		return at, false
	}
	return at, true
}

// relayLog names the files that must never be sent. The server builds its default from the host name up to the
// first dot.
func (r *resolver) relayLog(basename Setting) {
	at := r.serverOption("relay-log", "")
	base := at.Value
	switch {
	case at.IsSet():
	case basename.IsSet():
		base = basename.Value + "-relay-bin"
	default:
		host, err := os.Hostname()
		if err != nil || host == "" {
			host = "mysql"
		}
		host, _, _ = strings.Cut(host, ".")
		base = host + "-relay-bin"
	}
	r.s.RelayLogBase = r.abs(noExtension(base))
	r.show("relay-log", at, r.s.RelayLogBase)
}

// noExtension drops what follows the first dot of the file name, as the server does before it numbers its logs.
func noExtension(path string) string {
	dir, file := filepath.Split(path)
	if i := strings.IndexByte(file, '.'); i > 0 {
		file = file[:i]
	}
	return dir + file
}

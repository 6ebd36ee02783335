package settings

import (
	"fmt"
	"strconv"
	"strings"
)

// server looks up what both nodes must agree on, and what decides how files change under the lock.
func (r *resolver) server() {
	page := r.serverOption("innodb-page-size", "")
	r.s.PageSize = parsed(r, page, 16384, parsePageSize)
	r.show("innodb-page-size", page, strconv.Itoa(r.s.PageSize))

	lower := r.serverOption("lower-case-table-names", "")
	if at, bare := r.switched("lower-case-table-names"); bare {
		lower = Setting{Name: at.Name, Value: "1", Origin: at.Origin}
	}
	r.s.LowerCaseTableNames = r.int(lower, 0, 0, 2)
	r.show("lower-case-table-names", lower, strconv.Itoa(r.s.LowerCaseTableNames))

	mmap := r.serverSwitch("myisam-use-mmap")
	r.s.MyISAMUseMmap = r.bool(mmap, false)
	r.show("myisam-use-mmap", mmap, onOff(r.s.MyISAMUseMmap))

	output := r.serverOption("log-output", "")
	if at, bare := r.switched("log-output"); bare {
		// Without a value the server takes TABLE.
		output = Setting{Name: at.Name, Value: "TABLE", Origin: at.Origin}
	}
	tables := "no table"
	for _, word := range strings.Split(output.Value, ",") {
		if strings.EqualFold(strings.TrimSpace(word), "table") {
			tables = "table"
		}
	}
	r.show("log-output", output, tables)

	// Only a prediction hangs on it: what cannot be read is the server's affair.
	pool := r.serverOption("innodb-buffer-pool-size", "")
	r.s.BufferPool = defaultBufferPool
	if n, err := ParseSize(pool.Value); pool.IsSet() && err == nil {
		r.s.BufferPool = n
	}
	r.show("innodb-buffer-pool-size", pool, strconv.FormatInt(r.s.BufferPool, 10))

	debug := r.serverSwitch("wsrep-debug")
	// Newer servers take words (SERVER, TRANSACTION, ...) where older ones took a switch: NONE and 0 mean off.
	v := strings.ToLower(debug.Value)
	r.s.Debug = debug.IsSet() && v != "none" && v != "0" && v != "off" && v != "false"
	r.show("wsrep-debug", debug, onOff(r.s.Debug))
}

// defaultBufferPool is what the server takes when nobody says otherwise.
const defaultBufferPool = 128 << 20

// serverSwitch is an option that counts as on when it stands without a value.
func (r *resolver) serverSwitch(name string) Setting {
	at, bare := r.switched(name)
	if bare {
		at.Value = "1"
	}
	if at.Value == "" {
		return Setting{}
	}
	return at
}

func parsePageSize(s string) (int, error) {
	n, err := ParseSize(s)
	if err == nil {
		switch n {
		case 4096, 8192, 16384, 32768, 65536:
			return int(n), nil
		}
	}
	return 0, fmt.Errorf("%q is not a page size; InnoDB knows 4k, 8k, 16k, 32k and 64k", s)
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// ServerOption looks up an option that the transfer does not follow and that a person asks about: the server's command line
// first, then its groups in the option files, with file and line. The zero Setting means that it is not set.
func ServerOption(in Input, name string) Setting {
	r := &resolver{in: in, s: &Settings{}, asked: map[string]bool{}, args: parseArgs(in.MysqldArgs)}
	if at := lastArg(r.args, name); at.IsSet() {
		return at
	}
	if in.Files == nil {
		return Setting{}
	}
	return r.lookup(name, serverGroup)
}

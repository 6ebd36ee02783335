package galera

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// QueueConfig says where a joiner's provider keeps the transactions that wait for the
// end of a state transfer.
type QueueConfig struct {
	Dir   string // holds the pages of the write-set cache
	Limit int64  // gcs.recv_q_hard_limit in bytes; 0: none
}

// Queue returns how many bytes wait in this joiner's queue and how many more there is
// room for. What lies in the cache's fixed file is not counted: it has its space. The
// pages behind that are files of their own, and only a queue that has outgrown the
// fixed file has any. false means that the directory cannot be looked at.
func Queue(c QueueConfig) (waiting, room int64, ok bool) {
	pages, err := filepath.Glob(filepath.Join(c.Dir, "gcache.page.*"))
	if err != nil {
		return 0, 0, false
	}
	for _, name := range pages {
		// A page that has gone in the meantime takes no room.
		if st, err := os.Lstat(name); err == nil && st.Mode().IsRegular() {
			waiting += st.Size()
		}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(c.Dir, &fs); err != nil {
		return 0, 0, false
	}
	room = int64(fs.Bavail) * fs.Bsize
	if c.Limit > 0 {
		room = min(room, max(0, c.Limit-waiting))
	}
	return waiting, room, true
}

package settings

import (
	"path/filepath"
	"strings"
)

// directories finds where each class of file lives (sst-options 3.1). Relative names count from the datadir, which
// is the server's working directory.
func (r *resolver) directories() {
	r.datadir()
	r.s.InnoDBHome = r.dir("innodb-data-home-dir", "INNODB_DATA_HOME_DIR")
	r.s.RedoDir = r.dir("innodb-log-group-home-dir", "INNODB_LOG_GROUP_HOME")
	r.s.UndoDir = r.dir("innodb-undo-directory", "INNODB_UNDO_DIR")
	r.s.AriaDir = r.dir("aria-log-dir-path", "ARIA_LOG_DIR")
	r.tmpdir()
	if at := r.serverOption("innodb-directories", ""); at.IsSet() {
		for _, dir := range strings.Split(at.Value, ";") {
			if dir = strings.TrimSpace(dir); dir != "" {
				r.s.InnoDBDirs = append(r.s.InnoDBDirs, r.abs(dir))
			}
		}
		r.show("innodb-directories", at, strings.Join(r.s.InnoDBDirs, ";"))
	}

	at := r.serverOption("innodb-data-file-path", "")
	text := at.Value
	if !at.IsSet() {
		text = "ibdata1:12M:autoextend"
	}
	files, err := ParseSystemFiles(text)
	if err != nil {
		r.reject(at, "", "%v", err)
	}
	for _, f := range files {
		if f.Raw {
			r.reject(at, "move the system tablespace to a file first", "%s is a raw device, which cannot be copied as a file", f.Name)
		}
	}
	r.s.SystemFiles = files
	r.show("innodb-data-file-path", at, text)
}

func (r *resolver) datadir() {
	at := Setting{Name: "datadir", Value: strings.TrimSpace(r.in.Datadir), Origin: OriginArgument}
	if at.Value == "" {
		at = r.serverOption("datadir", "")
	}
	switch {
	case !at.IsSet():
		r.reject(Setting{Name: "datadir"}, "pass --datadir", "no data directory is given in the arguments or in any option file")
	case !filepath.IsAbs(at.Value):
		r.reject(at, "write the absolute path", "data directory %q is not absolute", at.Value)
	default:
		r.s.Datadir = filepath.Clean(at.Value)
	}
	r.show("datadir", at, r.s.Datadir)
}

// dir resolves one directory and falls back to the datadir.
func (r *resolver) dir(name, env string) string {
	at := r.serverOption(name, env)
	path := r.s.Datadir
	if at.IsSet() {
		path = r.abs(at.Value)
	}
	r.show(name, at, path)
	return path
}

// tmpdir follows the server: its option, else TMPDIR, else /tmp. A list of directories stands for its first. The
// staging directory that newer servers know comes before all (sst-options 3.2, last row).
func (r *resolver) tmpdir() {
	at := r.lookup("wsrep-sst-tmp-dir", []string{server, "sst"})
	if !at.IsSet() {
		groups := encGroups
		if r.in.PXC {
			groups = []string{"sst", "xtrabackup", server}
		}
		at = r.lookup("tmpdir", groups)
	}
	if v := strings.TrimSpace(r.in.Env("TMPDIR")); !at.IsSet() && v != "" {
		at = Setting{Name: "tmpdir", Value: v, Origin: OriginEnv}
	}
	path := "/tmp"
	if first, _, _ := strings.Cut(at.Value, ":"); first != "" {
		path = r.abs(first)
	}
	r.s.TmpDir = path
	r.show("tmpdir", at, path)
}

// abs makes a path absolute relative to the datadir.
func (r *resolver) abs(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(r.s.Datadir, path)
}

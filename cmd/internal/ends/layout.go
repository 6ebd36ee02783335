package ends

import (
	"fmt"
	"path/filepath"
	"strings"

	"trireme/cmd/internal/settings"
	"trireme/engine/innodb"
	"trireme/engine/tree"
)

// Layout names the directories of this node by role.
func Layout(s *settings.Settings) (tree.Layout, error) {
	l := tree.Layout{
		Data: s.Datadir, InnoDBHome: s.InnoDBHome, Redo: s.RedoDir, Undo: s.UndoDir, Aria: s.AriaDir,
		MaxBinlogs: s.MaxBinlogs, Keep: s.Keep, Own: s.OwnFiles, MyISAMMmap: s.MyISAMUseMmap,
	}
	home, names, err := SystemFiles(s)
	if err != nil {
		return tree.Layout{}, err
	}
	l.InnoDBHome, l.SystemFiles = home, names
	if s.BinlogBase != "" {
		l.Binlog, l.BinlogBase = filepath.Dir(s.BinlogBase), filepath.Base(s.BinlogBase)
		if s.BinlogIndex != "" {
			l.BinlogIndex = filepath.Base(s.BinlogIndex)
			// A donor that sends no logs does not look at the list.
			if reads := s.Role == settings.Joiner || s.MaxBinlogs != 0; reads && filepath.Dir(s.BinlogIndex) != l.Binlog {
				return tree.Layout{}, fmt.Errorf(
					"log_bin_index (%s) names %s, log_bin (%s) names %s; put the index into the directory of the logs", Origin(s, "log-bin-index"), s.BinlogIndex, Origin(s, "log-bin"), s.BinlogBase)
			}
		}
	}
	if s.RelayLogBase != "" {
		l.RelayBase = filepath.Base(s.RelayLogBase)
	}
	return l, nil
}

// SystemFiles returns the directory of the system tablespace and the names below it. The server takes absolute names as they
// are, whatever innodb_data_home_dir says; files that are all in one place have that for their home.
func SystemFiles(s *settings.Settings) (home string, names []string, err error) {
	home = filepath.Clean(s.InnoDBHome)
	var absolute []string
	for _, f := range s.SystemFiles {
		if f.Raw {
			return "", nil, fmt.Errorf("innodb_data_file_path (%s) names the raw device %s; raw devices cannot be copied, use another method or move the system tablespace into a file",
				Origin(s, "innodb-data-file-path"), f.Name)
		}
		if filepath.IsAbs(f.Name) && !strings.HasPrefix(filepath.Clean(f.Name), home+"/") {
			absolute = append(absolute, f.Name)
		}
		names = append(names, f.Name)
	}
	if len(absolute) == 0 {
		return home, names, nil
	}
	dir := filepath.Dir(absolute[0])
	for _, name := range names {
		if filepath.Dir(name) != dir {
			return "", nil, fmt.Errorf("innodb_data_file_path (%s) places %s and %s in different directories; put the system tablespace files into one",
				Origin(s, "innodb-data-file-path"), absolute[0], name)
		}
	}
	return dir, names, nil
}

// SystemShape is what both ends must have in common of innodb_data_file_path: the names, whatever their directory, and the size
// of each file that does not grow, since the server insists on that.
func SystemShape(home string, files []settings.SystemFile) string {
	shape := make([]string, len(files))
	for i, f := range files {
		name := filepath.Clean(f.Name)
		if rel, ok := strings.CutPrefix(name, home+"/"); ok {
			name = rel
		}
		if f.AutoExtend {
			shape[i] = name + ":autoextend"
			continue
		}
		shape[i] = fmt.Sprintf("%s:%dM", name, f.Size>>20)
	}
	return strings.Join(shape, ";")
}

// PageSize looks into the donor's system tablespace, which knows better than any
// option file. A joiner has none that counts, and passes nil.
func PageSize(d *tree.Dirs) (int, string) {
	if d == nil {
		return 0, ""
	}
	name := d.Layout().SystemFiles[0]
	f, err := d.OpenFile(tree.RoleInnoDBHome, name, 0, 0)
	if err != nil {
		return 0, ""
	}
	defer f.Close()
	page := make([]byte, 4096)
	if _, err := f.ReadAt(page, 0); err != nil {
		return 0, ""
	}
	n, _, _, err := innodb.PageSize(page)
	if err != nil {
		return 0, ""
	}
	return n, d.Path(tree.RoleInnoDBHome, name)
}

// Origin is where a setting came from.
func Origin(s *settings.Settings, name string) string {
	for _, row := range s.Table() {
		if row.Name == name {
			return row.Origin
		}
	}
	return ""
}

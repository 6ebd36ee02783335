package sst

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"trireme/cmd/internal/galera"
	"trireme/cmd/internal/settings"
	"trireme/engine/innodb"
	"trireme/engine/tree"
	"trireme/proto/msg"
)

// layout names the directories of this node by role.
func layout(s *settings.Settings) (tree.Layout, error) {
	l := tree.Layout{
		Data: s.Datadir, InnoDBHome: s.InnoDBHome, Redo: s.RedoDir, Undo: s.UndoDir, Aria: s.AriaDir,
		MaxBinlogs: s.MaxBinlogs, Keep: s.Keep, MyISAMMmap: s.MyISAMUseMmap,
	}
	for _, f := range s.SystemFiles {
		if f.Raw {
			return tree.Layout{}, &galera.ExitError{Code: galera.ExitInvalid, Err: fmt.Errorf(
				"innodb_data_file_path names the raw device %s; raw devices cannot be copied, use another method or move the system tablespace into a file", f.Name)}
		}
		if filepath.IsAbs(f.Name) && filepath.Dir(f.Name) != filepath.Clean(s.InnoDBHome) {
			return tree.Layout{}, &galera.ExitError{Code: galera.ExitInvalid, Err: fmt.Errorf(
				"innodb_data_file_path places %s outside innodb_data_home_dir (%s); put the system tablespace files into one directory", f.Name, s.InnoDBHome)}
		}
		l.SystemFiles = append(l.SystemFiles, filepath.Base(f.Name))
	}
	if s.BinlogBase != "" {
		l.Binlog, l.BinlogBase = filepath.Dir(s.BinlogBase), filepath.Base(s.BinlogBase)
		if s.BinlogIndex != "" {
			l.BinlogIndex = filepath.Base(s.BinlogIndex)
		}
	}
	if s.RelayLogBase != "" {
		l.RelayBase = filepath.Base(s.RelayLogBase)
	}
	return l, nil
}

// facts are what both ends must agree on (R-META-1, proto/SPEC.md section 3).
func (c *call) facts(d *tree.Dirs) []msg.Fact {
	server := ""
	if c.family != "" && c.series != "" {
		server = c.family + " " + c.series
	}
	var names []string
	for _, f := range c.set.SystemFiles {
		names = append(names, filepath.Base(f.Name))
	}
	page, from := c.set.PageSize, origin(c.set, "innodb-page-size")
	if n, path := pageSize(d); n != 0 {
		page, from = n, path
	}
	encryption := c.set.EncryptionPlugin
	if encryption == "" {
		encryption = "none"
	}
	return []msg.Fact{
		{Name: "server", Value: server, From: c.version},
		{Name: "page-size", Value: strconv.Itoa(page), From: from},
		{Name: "lower-case-table-names", Value: strconv.Itoa(c.set.LowerCaseTableNames), From: origin(c.set, "lower-case-table-names")},
		{Name: "data-file-path", Value: strings.Join(names, ";"), From: origin(c.set, "innodb-data-file-path")},
		{Name: "encryption", Value: encryption, From: origin(c.set, "encryption-plugin")},
		{Name: "byte-order", Value: "little"},
	}
}

// pageSize looks into the donor's system tablespace, which knows better than any
// option file. A joiner has none that counts, and passes nil.
func pageSize(d *tree.Dirs) (int, string) {
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

// origin is where a setting came from.
func origin(s *settings.Settings, name string) string {
	for _, row := range s.Table() {
		if row.Name == name {
			return row.Origin
		}
	}
	return ""
}

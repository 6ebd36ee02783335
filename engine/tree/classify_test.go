package tree

import (
	"regexp"
	"strings"
	"testing"
)

var (
	flat = &Layout{Data: "/d", Binlog: "/d", BinlogBase: "bin", RelayBase: "rly", MaxBinlogs: 1}
	// moving is a node that goes with its identity.
	moving = &Layout{Data: "/d", Identity: true}
	split  = &Layout{
		Data: "/d", InnoDBHome: "/i/", Redo: "/d/redo", Undo: "/u", Aria: "/a", Binlog: "/d/log/bin", BinlogBase: "bin",
		SystemFiles: []string{"ibdata1", "sub/ibdata2", "/i/abs"},
	}
	dotted   = &Layout{Data: "/d", Redo: "/d/red.o", SystemFiles: []string{"inno.db/ibdata1"}}
	noBinlog = &Layout{Data: "/d", MyISAMMmap: true}
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		l    *Layout
		dir  Role
		path string // a slash at the end stands for a directory
		role Role
		want Class
	}{
		// Everything in the datadir.
		{flat, RoleData, "ibdata1", RoleInnoDBHome, System},
		{flat, RoleData, "ibdata2", RoleData, Foreign},
		{flat, RoleData, "ib_logfile0", RoleRedo, Redo},
		{flat, RoleData, "ib_logfile7", RoleRedo, Redo},
		{flat, RoleData, "ib_logfile101", RoleRedo, Stale},
		{flat, RoleData, "ib_logfile00", RoleData, Foreign},
		{flat, RoleData, "#innodb_redo/", RoleRedo, RedoDir},
		{flat, RoleData, "#innodb_redo/#ib_redo12", RoleRedo, Redo},
		{flat, RoleData, "#innodb_redo/#ib_redo12_tmp", RoleRedo, Stale},
		{flat, RoleData, "undo001", RoleUndo, Undo},
		{flat, RoleData, "undo_002", RoleUndo, Undo},
		{flat, RoleData, "undo1", RoleData, Foreign},
		{flat, RoleData, "undo/", RoleData, Database},
		{flat, RoleData, "more.ibu", RoleData, UndoSpace},
		{flat, RoleData, "undo_3_trunc.log", RoleRedo, TruncateLog},
		{flat, RoleData, "ib_12_34_trunc.log", RoleRedo, TruncateLog},
		{flat, RoleData, "#ib_16384_0.dblwr", RoleData, Doublewrite},
		{flat, RoleData, "aria_log_control", RoleAria, AriaControl},
		{flat, RoleData, "aria_log.00000001", RoleAria, AriaLog},
		{flat, RoleData, "bin.000001", RoleBinlog, Binlog},
		{flat, RoleData, "bin.index", RoleBinlog, BinlogIndex},
		{flat, RoleData, "bin.state", RoleBinlog, Stale},
		{flat, RoleData, "bin.000001.idx", RoleBinlog, Stale},
		{flat, RoleData, "bin.~rec~", RoleBinlog, Stale},
		{flat, RoleData, "bin.index_crash_safe", RoleBinlog, Stale},
		{flat, RoleData, "other.000001", RoleData, Foreign},
		{flat, RoleBinlog, "other.000001", RoleBinlog, Binlog},
		{flat, RoleBinlog, "other.index", RoleBinlog, BinlogIndex},
		{flat, RoleBinlog, "rly.000001", RoleData, Private},
		{flat, RoleBinlog, "aria_log.00000001", RoleAria, AriaLog},
		{flat, RoleBinlog, "grastate.dat", RoleData, Private},
		{flat, RoleRedo, "mysql/user.MAI", RoleData, AriaData}, // a peer that says "redo" here is wrong
		{flat, RoleData, "mysql.ibd", RoleData, Dictionary},
		{flat, RoleData, "general.ibd", RoleData, Tablespace},
		{flat, RoleData, "x.log.ibd", RoleData, Tablespace},
		{flat, RoleData, "ibtmp1", RoleData, Temp},
		{flat, RoleData, "#innodb_temp/", RoleData, Temp},
		{flat, RoleData, "#innodb_temp/temp_1.ibt", RoleData, Temp},
		{flat, RoleData, "#sql-temptable-1-2.MAI", RoleData, Temp},
		{flat, RoleData, "#rocksdb/", RoleData, Unsupported},
		{flat, RoleData, "#rocksdb/000001.sst", RoleData, Unsupported},
		{flat, RoleData, "db.mrn", RoleData, Unsupported},
		{flat, RoleData, "tokudb.directory", RoleData, Unsupported},
		{flat, RoleData, "#unknown/", RoleData, Foreign},
		{flat, RoleData, "my.db/", RoleData, Foreign},
		{flat, RoleData, "my.db/t.ibd", RoleData, Foreign},
		{flat, RoleData, "keyring_app/", RoleData, Database},
		{flat, RoleData, "a-b/", RoleData, Database}, // as servers before 5.1 named it
		{dotted, RoleData, "inno.db/", RoleData, Database},
		{dotted, RoleData, "inno.db/ibdata1", RoleInnoDBHome, System},
		{dotted, RoleData, "red.o/", RoleData, RootDir},
		{flat, RoleData, ".snapshot/", RoleData, Private},
		{flat, RoleData, ".snapshot/a/b.ibd", RoleData, Private},
		{flat, RoleData, "lost+found/", RoleData, Private},
		{flat, RoleData, "notes.txt", RoleData, Foreign},
		{flat, RoleData, StatusName, RoleData, Private},
		{flat, RoleData, "ibdata1/", RoleInnoDBHome, Marker},
		{flat, RoleData, "auto.cnf", RoleData, Private},
		{moving, RoleData, "auto.cnf", RoleData, Table},
		{moving, RoleData, "auto.cnf/", RoleData, Foreign},
		{flat, RoleData, MarkerName, RoleData, Marker},
		{flat, RoleData, JournalName, RoleData, Marker},
		{flat, RoleData, "ibdata1" + PartSuffix, RoleData, Stale},

		// Databases.
		{flat, RoleData, "d1/", RoleData, Database},
		{flat, RoleData, "d1/db.opt", RoleData, Table},
		{flat, RoleData, "d1/t.frm", RoleData, Table},
		{flat, RoleData, "d1/t.ibd", RoleData, Tablespace},
		{flat, RoleData, "d1/t#P#p0.ibd", RoleData, Tablespace},
		{flat, RoleData, "d1/t.MAD", RoleData, AriaData},
		{flat, RoleData, "d1/t.MYD", RoleData, MyISAMData},
		{noBinlog, RoleData, "d1/t.MYD", RoleData, MyISAMMapped},
		{noBinlog, RoleData, "d1/t.MYI", RoleData, MyISAMData},
		{flat, RoleData, "d1/#sql-ib12.ibd", RoleData, Debris},
		{flat, RoleData, "d1/#sql-alter-1.frm", RoleData, Debris},
		{flat, RoleData, "d1/#sql-temptable-1.MAD", RoleData, Temp},
		{flat, RoleData, "d1/.empty", RoleData, Table},
		{flat, RoleData, "d1/.nfs0001", RoleData, Private},
		{flat, RoleData, "certs/server-key.pem", RoleData, Private},
		{flat, RoleData, "certs/a/ca.CRT", RoleData, Private},
		{flat, RoleData, "certs/tls.key", RoleData, Private},
		{flat, RoleData, "certs/all.p12", RoleData, Private},
		{flat, RoleData, "certs/all.pfx", RoleData, Private},
		{flat, RoleData, "d1/pem", RoleData, Table},
		{flat, RoleData, "d1/t.pem.frm", RoleData, Table},
		{flat, RoleData, "d1/.snapshot/", RoleData, Private},
		{flat, RoleData, "d1/.snapshot/t.ibd", RoleData, Private},
		{flat, RoleData, "d1/sub/", RoleData, Directory},
		{flat, RoleData, "d1/sub/t.ibd", RoleData, Tablespace},
		{flat, RoleData, "d1/t.ibd" + PartSuffix, RoleData, Stale},
		{flat, RoleData, "d1/ibdata1", RoleData, Table},
		{flat, RoleData, "d1/grastate.dat", RoleData, Private}, // wsrep_data_home_dir, gcache.dir
		{flat, RoleData, "d1/galera.cache", RoleData, Private},
		{flat, RoleData, "d1/gcache.page.000001", RoleData, Private},
		{flat, RoleBinlog, "gcache.page.000001", RoleData, Private}, // a peer's word for it
		{flat, RoleData, "d1/rly.frm", RoleData, Table},             // a table that has the name of the relay logs
		{flat, RoleData, "d1/rly.ibd", RoleData, Tablespace},
		{flat, RoleData, "d1/rly.000001", RoleData, Private},
		{flat, RoleData, "d1/rly.index", RoleData, Private},
		{flat, RoleData, "d1/rly-x.000001", RoleData, Private},
		{flat, RoleData, "d1/t.mrn", RoleData, Unsupported},
		{flat, RoleData, "mysql/general_log.CSV", RoleData, LogTable},
		{flat, RoleData, "mysql/slow_log.CSM", RoleData, LogTable},
		{flat, RoleData, "d1/slow_log.CSV", RoleData, Table},

		// Every role in its own place; the datadir's files of another role are foreign there.
		{split, RoleData, "ibdata1", RoleData, Foreign},
		{split, RoleData, "ib_logfile0", RoleData, Foreign},
		{split, RoleData, "undo001", RoleData, Foreign},
		{split, RoleData, "aria_log_control", RoleData, Foreign},
		{split, RoleData, "bin.000001", RoleData, Foreign},
		{split, RoleData, "redo/", RoleData, RootDir},
		{split, RoleData, "redo/ib_logfile0", RoleData, RootDir},
		{split, RoleData, "log/", RoleData, RootDir},
		{split, RoleData, "log/bin/", RoleData, RootDir},
		{split, RoleData, "log/other", RoleData, RootDir},
		{split, RoleInnoDBHome, "ibdata1", RoleInnoDBHome, System},
		{split, RoleInnoDBHome, "sub/", RoleInnoDBHome, Directory},
		{split, RoleInnoDBHome, "sub/ibdata2", RoleInnoDBHome, System},
		{split, RoleInnoDBHome, "sub/ibdata3", RoleInnoDBHome, Foreign},
		{split, RoleInnoDBHome, "abs", RoleInnoDBHome, System},
		{split, RoleInnoDBHome, "#ib_16384_1.dblwr", RoleInnoDBHome, Doublewrite},
		{split, RoleInnoDBHome, "d1/", RoleInnoDBHome, Foreign},
		{split, RoleInnoDBHome, "d1/t.ibd", RoleInnoDBHome, Foreign},
		{split, RoleRedo, "ib_logfile0", RoleRedo, Redo},
		{split, RoleRedo, "ibdata1", RoleRedo, Foreign},
		{split, RoleRedo, "ib_logfile0" + PartSuffix, RoleRedo, Stale},
		{split, RoleRedo, "tc.log", RoleRedo, Foreign},
		{split, RoleUndo, "undo001", RoleUndo, Undo},
		{split, RoleUndo, "x.ibu", RoleUndo, UndoSpace},
		{split, RoleAria, "aria_log.00000002", RoleAria, AriaLog},
		{split, RoleAria, "aria_log.2", RoleAria, Foreign},
		{split, RoleBinlog, "bin.000001", RoleBinlog, Binlog},
		{split, RoleBinlog, "x/", RoleBinlog, Foreign},
		{noBinlog, RoleData, "bin.000001", RoleData, Foreign},
		{noBinlog, RoleBinlog, "bin.000001", RoleBinlog, Foreign},

		// Nothing that is not a path.
		{flat, RoleData, "../d/ibdata1", RoleData, Foreign},
		{flat, RoleData, "/d/ibdata1", RoleData, Foreign},
		{flat, RoleData, "", RoleData, Foreign},
		{flat, Role(9), "ibdata1", Role(9), Foreign},
	} {
		name, isDir := strings.CutSuffix(c.path, "/")
		role, class := c.l.Classify(c.dir, name, isDir)
		if role != c.role || class != c.want {
			t.Errorf("Classify(%v, %q) = %v, %v, want %v, %v", c.dir, c.path, role, class, c.role, c.want)
		}
	}
}

// What sst-contract 8.3 and consistency 1.5 forbid to send must not be sent, and what would harm new data must go.
func TestClassifyPrivateAndStale(t *testing.T) {
	for want, names := range map[Class]string{
		Private: "auto.cnf mysqld-auto.cnf grastate.dat gvwstate.dat galera.cache gcache.page.000001 ca.pem server-key.pem " +
			"host.pid mysqld.pid mysql.sock mysql.sock.lock host.err slow.log host.log ib_buffer_pool ib_buffer_pool.incomplete " +
			"master.info relay-log.info multi-master.info master-x.info relay-log-x.info host-relay-bin.000001 " +
			"host-relay-bin.index host-relay-bin-conn.000002 rly.000001 rly.index wsrep_sst.pid wsrep_recovery.abc keyring " +
			"keyring_file donor-keyring component_keyring_file debian-10.11.flag innodb_status.12 .ssh .my.cnf aws-kms-key.1.1",
		Stale: "tc.log ddl_recovery.log ddl_recovery-backup.log ddl_log.log mysql_upgrade_info mariadb_upgrade_info " +
			"tables_flushed tables_flushed.tmp sst_error rsync_sst_complete rsync_tunnel_sst_complete wsrep_sst_binlog.tar " +
			"xtrabackup_galera_info donor_galera_info rsync_sst.pid",
	} {
		for _, name := range strings.Fields(names) {
			role, class := flat.Classify(RoleData, name, false)
			if role != RoleData || class != want {
				t.Errorf("%s is %v, want %v", name, class, want)
			}
			if class.Props().Send != Never {
				t.Errorf("%s would be sent", name)
			}
		}
	}
	for _, dir := range []string{"lost+found", ".snapshot", ".zfs", ".Trashes", ".fseventsd", ".ssh", "#innodb_temp", "sst-xb-tmpdir",
		"grastate.dat", "auto.cnf", "gvwstate.dat", "galera.cache", "gcache.page.000001", "server-key.pem", "a.key", "my.cnf", "mysql.sock",
		"tables_flushed", "ib_buffer_pool", "host-relay-bin.000001", "rly.000001", "rly-x", MarkerName, JournalName, "ibdata1" + PartSuffix} {
		if _, class := flat.Classify(RoleData, dir, true); class.Props().Send != Never {
			t.Errorf("directory %s is %v and would be sent", dir, class)
		}
	}
}

func TestKeep(t *testing.T) {
	l := &Layout{Data: "/d", Keep: []*regexp.Regexp{regexp.MustCompile(`^/d/backup$`), regexp.MustCompile(`\.log$`), regexp.MustCompile(`ibdata1|aria_log`)}}
	for name, want := range map[string]Class{
		"backup/": Kept, "backup/x.ibd": Kept, "backup/a/b": Kept, "d1/x.log": Kept, "d1/x.ibd": Tablespace,
		"tc.log": Stale, "ddl_recovery.log": Stale, "ibdata1": System, "aria_log_control": AriaControl, "backup2/": Database,
	} {
		rel, isDir := strings.CutSuffix(name, "/")
		if _, class := l.Classify(RoleData, rel, isDir); class != want {
			t.Errorf("%s is %v, want %v", name, class, want)
		}
	}
}

func TestPropsAreComplete(t *testing.T) {
	names := map[string]Class{}
	for c := Class(1); c < numClasses; c++ {
		p := c.Props()
		if p.Name == "" || p.Send < Live || p.Send > Never || p.Joiner < Mirror || p.Joiner > Keep || p.Leaf < 4096 || p.Order > 4 {
			t.Errorf("class %d has incomplete properties %+v", c, p)
		}
		if names[p.Name] != 0 || c.String() != p.Name {
			t.Errorf("name %q of class %d is used twice or not shown", p.Name, c)
		}
		names[p.Name] = c
		// What is sent must also go away when the donor has it no more, or the trees can never be equal (R-COPY-3).
		if p.Send != Never && p.Joiner != Mirror {
			t.Errorf("%v is sent but not mirrored", c)
		}
		if p.Keystone && (!p.Suspect || p.Send == Never || !p.Role.Valid()) {
			t.Errorf("keystone %v must be sent, suspect, and at home somewhere", c)
		}
	}
	for _, c := range []Class{0, numClasses, 255} {
		if p := c.Props(); p.Send != Never || p.Joiner != Keep || !strings.HasPrefix(c.String(), "class(") {
			t.Errorf("number %d, which is no class, has properties %+v", c, p)
		}
	}
	for _, c := range []Class{System, Undo, Redo, AriaControl, AriaLog, Dictionary} {
		if !c.Props().Keystone {
			t.Errorf("%v is no keystone", c)
		}
	}
	for c, order := range map[Class]uint8{Tablespace: 0, AriaData: 1, AriaLog: 2, AriaControl: 3, Redo: 4} {
		if c.Props().Order != order {
			t.Errorf("%v has order %d, want %d", c, c.Props().Order, order)
		}
	}
}

func TestRoles(t *testing.T) {
	for i, r := range Roles {
		if int(r) != i+1 || !r.Valid() || r.String() == "" || r.Option() == "" {
			t.Errorf("role %d is not in order or not named", r)
		}
	}
	if Role(0).Valid() || Role(7).Valid() || Role(7).String() != "role(7)" || split.Dir(Role(7)) != "" {
		t.Error("an undefined role passes")
	}
	for r, want := range map[Role]string{RoleData: "/d", RoleInnoDBHome: "/i", RoleRedo: "/d/redo", RoleBinlog: "/d/log/bin"} {
		if got := split.Dir(r); got != want {
			t.Errorf("Dir(%v) = %q, want %q", r, got, want)
		}
	}
	if noBinlog.Dir(RoleBinlog) != "" || noBinlog.Dir(RoleAria) != "/d" {
		t.Error("defaults of empty directories are wrong")
	}
}

func FuzzClassify(f *testing.F) {
	for _, s := range []string{"ibdata1", "d/t.ibd", "#innodb_redo/#ib_redo1", "a/../b", "d/.x/y", "bin.000001", ".", "redo/x"} {
		f.Add(uint8(1), s, false)
		f.Add(uint8(3), s, true)
	}
	f.Fuzz(func(t *testing.T, dir uint8, p string, isDir bool) {
		for _, l := range []*Layout{flat, split, noBinlog} {
			role, class := l.Classify(Role(dir), p, isDir)
			props := class.Props()
			if ValidPath(p) != nil || !Role(dir).Valid() {
				if class != Foreign {
					t.Fatalf("%q in role %d is %v", p, dir, class)
				}
				continue
			}
			if props.Send == Never {
				continue
			}
			if l.Dir(role) != l.Dir(Role(dir)) {
				t.Fatalf("%q in %v has its home in %v, another directory", p, Role(dir), role)
			}
			if props.Role != 0 && props.Role != role {
				t.Fatalf("%q is %v at home in %v", p, class, role)
			}
			// Asking again under the home role must not change the answer, or donor and joiner would disagree.
			if r2, c2 := l.Classify(role, p, isDir); r2 != role || c2 != class {
				t.Fatalf("%q is %v %v, asked under its home %v %v", p, role, class, r2, c2)
			}
			if strings.HasSuffix(p, PartSuffix) && !isDir {
				t.Fatalf("%q would be sent", p)
			}
		}
	})
}

// TestOwn: files whose names the administrator chose, by both names that a linked datadir has.
func TestOwn(t *testing.T) {
	configured := &Layout{Data: "/srv/db", Own: []string{"/d/logs/my_log", "/srv/db/keys/keyfile.enc", "/d/ibdata1", "/var/log/x"}}
	rules := newRules(configured, &Layout{Data: "/d"})
	for name, want := range map[string]Class{
		"logs/my_log": Private, "keys/keyfile.enc": Private, "keys/keyfile": Table, "logs/my_log.ibd": Tablespace, "ibdata1": System, "x": Foreign,
	} {
		if _, class := rules.classify(RoleData, name, false); class != want {
			t.Errorf("%s is %v, want %v", name, class, want)
		}
	}
}

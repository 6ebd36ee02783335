package keyring

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"trireme/cmd/internal/settings"
	"trireme/engine/tree"
	"trireme/proto/msg"
)

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func ringIn(t *testing.T) Ring {
	t.Helper()
	return Ring{Name: "keyring_file", Value: fileValue, Path: filepath.Join(t.TempDir(), "keyring")}
}

// alone fails the test unless the keyring's directory holds nothing else.
func alone(t *testing.T, r Ring) {
	t.Helper()
	list, err := os.ReadDir(filepath.Dir(r.Path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.Name() != filepath.Base(r.Path) {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestRead(t *testing.T) {
	t.Run("missing", func(t *testing.T) {
		if b, err := ringIn(t).Read(); len(b) != 0 || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	})
	t.Run("largest", func(t *testing.T) {
		r := ringIn(t)
		put(t, r.Path, strings.Repeat("k", msg.MaxKeyring))
		if b, err := r.Read(); len(b) != msg.MaxKeyring || err != nil {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		put(t, r.Path, strings.Repeat("k", msg.MaxKeyring+1))
		if b, err := r.Read(); b != nil || err == nil {
			t.Errorf("%d bytes were read", len(b))
		}
	})
	t.Run("no file", func(t *testing.T) {
		r := ringIn(t)
		if err := unix.Mkfifo(r.Path, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Error(err) // and it does not wait for a writer
		}
	})
	t.Run("being written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := ringIn(t)
			put(t, r.Path, "half")
			put(t, r.Path+backupEnd, "old")
			time.AfterFunc(2*pause+1, func() {
				put(t, r.Path, "whole")
				_ = os.Remove(r.Path + backupEnd)
			})
			if b, err := r.Read(); string(b) != "whole" || err != nil {
				t.Errorf("%q, %v", b, err)
			}
		})
	})
	t.Run("left behind by a crash", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := ringIn(t)
			put(t, r.Path, "perhaps half")
			put(t, r.Path+backupEnd, "old")
			if b, err := r.Read(); b != nil || err == nil || strings.Contains(err.Error(), "half") {
				t.Errorf("%q, %v", b, err)
			}
			_ = os.Remove(r.Path)
			if b, err := r.Read(); err == nil {
				t.Errorf("the server would take the copy, and %q was read", b)
			}
		})
	})
}

// TestReadBesideTheServer: whatever the server does while the file is read, what is taken is what the file holds afterwards.
func TestReadBesideTheServer(t *testing.T) {
	for name, write := range map[string]func(path string) error{
		"another file": func(path string) error { // with the same times and size
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path+".new", []byte("later"), 0o600); err != nil {
				return err
			}
			if err := os.Chtimes(path+".new", info.ModTime(), info.ModTime()); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"in place": func(path string) error {
			if err := os.WriteFile(path, []byte("later"), 0o600); err != nil {
				return err
			}
			return os.Chtimes(path, time.Time{}, time.Unix(2000000000, 0))
		},
		"longer": func(path string) error { // within one tick of the file system's clock
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path, []byte("later, and longer"), 0o600); err != nil {
				return err
			}
			return os.Chtimes(path, time.Time{}, info.ModTime())
		},
		"it begins to": func(path string) error { // and has not come to the file itself
			if err := os.WriteFile(path+backupEnd, []byte("early"), 0o600); err != nil {
				return err
			}
			testOnlyBeforeSecondLook = func() {}
			time.AfterFunc(pause/2, func() {
				_ = os.WriteFile(path, []byte("later"), 0o600)
				_ = os.Remove(path + backupEnd)
			})
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := Ring{Path: filepath.Join(t.TempDir(), "keyring")}
			put(t, r.Path, "early")
			defer func() { testOnlyBeforeSecondLook = func() {} }()
			testOnlyBeforeSecondLook = func() {
				testOnlyBeforeSecondLook = func() {}
				if err := write(r.Path); err != nil {
					t.Error(err)
				}
			}
			if got, err := r.Read(); err != nil || !strings.HasPrefix(string(got), "later") {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestInstall(t *testing.T) {
	for name, before := range map[string]func(*testing.T, Ring){
		"first keys":      func(*testing.T, Ring) {},
		"other keys":      func(t *testing.T, r Ring) { put(t, r.Path, "other and longer keys") },
		"the server's":    func(t *testing.T, r Ring) { put(t, r.Path, "x"); put(t, r.Path+backupEnd, "would come back") },
		"a killed one's":  func(t *testing.T, r Ring) { put(t, r.Path+draftEnd, "half") },
		"a link in place": func(t *testing.T, r Ring) { plant(t, r.Path+draftEnd) },
	} {
		t.Run(name, func(t *testing.T) {
			defer unix.Umask(unix.Umask(0o277)) // a server may have any
			r := ringIn(t)
			before(t, r)
			if err := r.Install([]byte("new keys"), t.TempDir()); err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(r.Path)
			if err != nil || info.Mode() != 0o600 || get(t, r.Path) != "new keys" {
				t.Errorf("%v, %v", info, err)
			}
			alone(t, r)
		})
	}
}

// plant makes a link where a draft would be written, to a file that must stay what it is.
func plant(t *testing.T, path string) {
	victim := filepath.Join(t.TempDir(), "victim")
	put(t, victim, "keep me")
	if err := os.Symlink(victim, path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if got := get(t, victim); got != "keep me" {
			t.Errorf("the victim of a link has %q", got)
		}
	})
}

// TestInstallFails: whatever goes wrong, the old keys are there and no half ones.
func TestInstallFails(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*testing.T, Ring) Ring
		err   string
	}{
		"everybody's directory": {func(t *testing.T, r Ring) Ring { return r.chmod(t, 0o777) }, "everybody may write"},
		"sticky":                {func(t *testing.T, r Ring) Ring { return r.chmod(t, 0o777|os.ModeSticky) }, "everybody may write"},
		"a directory": {func(t *testing.T, r Ring) Ring {
			if err := errors.Join(os.Remove(r.Path), os.Mkdir(r.Path, 0o700)); err != nil {
				t.Fatal(err)
			}
			return r
		}, "no regular file"},
		"a link to nowhere": {func(t *testing.T, r Ring) Ring {
			r.Path += "-link"
			if err := os.Symlink("/nowhere/at/all", r.Path); err != nil {
				t.Fatal(err)
			}
			return r
		}, "link to a file that does not exist"},
		"a draft that stays": {func(t *testing.T, r Ring) Ring {
			put(t, filepath.Join(r.Path+draftEnd, "x"), "")
			return r
		}, "directory not empty"},
		"a backup that stays": {func(t *testing.T, r Ring) Ring {
			put(t, filepath.Join(r.Path+backupEnd, "x"), "")
			return r
		}, "directory not empty"},
	} {
		t.Run(name, func(t *testing.T) {
			r := ringIn(t)
			put(t, r.Path, "old keys")
			was := r.Path
			r = c.spoil(t, r)
			err := r.Install([]byte("new keys"), t.TempDir())
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "new keys") {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if info, err := os.Lstat(was); err == nil && info.Mode().IsRegular() && get(t, was) != "old keys" {
				t.Errorf("the keys are now %q", get(t, was))
			}
			if info, err := os.Lstat(r.Path + draftEnd); err == nil && info.Mode().IsRegular() {
				t.Error("a draft was left behind")
			}
		})
	}
}

func (r Ring) chmod(t *testing.T, m os.FileMode) Ring {
	if err := os.Chmod(filepath.Dir(r.Path), m); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestOwner: root puts the file there for the server and not for itself.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away: make race as root runs it")
	}
	like := t.TempDir()
	if err := os.Chown(like, 4711, 4712); err != nil {
		t.Fatal(err)
	}
	r := ringIn(t)
	for _, want := range []uint32{4711, 4000} { // the datadir's owner, then that of the file which is there
		if want == 4000 {
			if err := os.Chown(r.Path, 4000, 4001); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Install([]byte("keys"), like); err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Stat(r.Path, &st); err != nil || st.Uid != want || st.Mode&0o777 != 0o600 {
			t.Errorf("owner %d, mode %04o, %v; want %d", st.Uid, st.Mode&0o777, err, want)
		}
	}
}

func TestExposed(t *testing.T) {
	r := ringIn(t)
	put(t, r.Path, "keys")
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o602: true} {
		if err := os.Chmod(r.Path, mode); err != nil {
			t.Fatal(err)
		}
		if got := r.Exposed() != ""; got != want {
			t.Errorf("mode %04o: exposed %v", mode, got)
		}
	}
}

// TestApart: a keyring that would be copied or removed like a table is found, also behind links.
func TestApart(t *testing.T) {
	base := t.TempDir()
	data := filepath.Join(base, "data")
	if err := errors.Join(os.MkdirAll(filepath.Join(data, "shop"), 0o700), os.Symlink(data, filepath.Join(base, "link"))); err != nil {
		t.Fatal(err)
	}
	lay := tree.Layout{Data: data, Redo: filepath.Join(base, "redo"), SystemFiles: []string{"ibdata1"}}
	for path, want := range map[string]bool{
		"keys/ring": true, "data/keyring": true, "data/component_keyring_file": true, "data/whatever": true, "data/x.pem": true, "data2/ibdata1": true,
		"data/ibdata1": false, "data/shop/t.ibd": false, "link/shop/t.ibd": false, "redo/ib_logfile0": false, "data/shop/ring": false, "data/tc.log": false,
	} {
		err := Ring{Path: filepath.Join(base, path)}.Apart(lay)
		if (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestFind: plugins by their options, components by the files that a server looks at, in its order.
func TestFind(t *testing.T) {
	const manifest = `{"components": "file://component_validate_password, file://component_keyring_file"}`
	type files map[string]string
	for _, c := range []struct {
		name   string
		set    settings.Settings
		maria  bool
		known  bool // the program is known
		files  files
		want   Ring // paths below the test's directory
		err    string
		unsaid string // must not be in the error
	}{
		{name: "nothing"},
		{name: "MariaDB's own", set: settings.Settings{EncryptionPlugin: "file_key_management"}, maria: true},
		{name: "plugin", set: settings.Settings{EncryptionPlugin: "keyring_file", KeyringFile: "/k"}, want: Ring{Name: "keyring_file", Value: "file", Path: "/k"}},
		{name: "plugin without place", set: settings.Settings{EncryptionPlugin: "keyring_file"}, err: "set keyring_file_data in [mysqld]"},
		{name: "service", set: settings.Settings{EncryptionPlugin: "keyring_okv"}, want: Ring{Name: "keyring_okv"}},
		{name: "vault plugin", set: settings.Settings{EncryptionPlugin: "keyring_vault", VaultConfig: "vault.conf"},
			files: files{"vault.conf": "vault_url = https://v:8200\nsecret_mount_point = m\ntoken = SECRET\n"}, want: Ring{Name: "keyring_vault", Value: "vault https://v:8200 m"}},
		{name: "vault plugin, empty", set: settings.Settings{EncryptionPlugin: "keyring_vault", VaultConfig: "vault.conf"}, files: files{"vault.conf": "token=SECRET"}, err: "names no vault_url", unsaid: "SECRET"},
		{name: "vault plugin, missing", set: settings.Settings{EncryptionPlugin: "keyring_vault", VaultConfig: "vault.conf"}, err: "no such file"},
		{name: "vault plugin, not set", set: settings.Settings{EncryptionPlugin: "keyring_vault"}, err: "keyring_vault_config is not"},
		{name: "long place", set: settings.Settings{EncryptionPlugin: "keyring_vault", VaultConfig: "vault.conf"}, files: files{"vault.conf": "vault_url=https://" + strings.Repeat("v", 400)}, err: "at most 400"},
		{name: "component, global", known: true, files: files{"sbin/mysqld.my": manifest, "lib/mysql/plugin/component_keyring_file.cnf": `{"path": "/k", "read_only": true}`},
			want: Ring{Name: "component_keyring_file", Value: "file", Path: "/k"}},
		{name: "component, local", known: true, files: files{"sbin/mysqld.my": `{"read_local_manifest": true}`, "data/mysqld.my": manifest,
			"lib/mysql/plugin/component_keyring_file.cnf": `{"read_local_config": true}`, "data/component_keyring_file.cnf": `{"path": "ring"}`},
			want: Ring{Name: "component_keyring_file", Value: "file", Path: "data/ring"}},
		{name: "local manifest that does not count", known: true, files: files{"sbin/mysqld.my": `{}`, "data/mysqld.my": manifest}},
		{name: "program unknown", files: files{"data/mysqld.my": manifest, "data/component_keyring_file.cnf": `{"path": "/k"}`}, want: Ring{Name: "component_keyring_file", Value: "file", Path: "/k"}},
		{name: "MariaDB has none", maria: true, files: files{"data/mysqld.my": manifest}},
		{name: "plugin_dir", known: true, set: settings.Settings{PluginDir: "plugins"}, files: files{"sbin/mysqld.my": manifest, "plugins/component_keyring_file.cnf": `{"path": "/k"}`,
			"lib/mysql/plugin/component_keyring_file.cnf": `{"path": "/wrong"}`}, want: Ring{Name: "component_keyring_file", Value: "file", Path: "/k"}},
		{name: "no configuration", known: true, files: files{"sbin/mysqld.my": manifest}, err: "set plugin_dir in [mysqld]"},
		{name: "no path", files: files{"data/mysqld.my": manifest, "data/component_keyring_file.cnf": `{}`}, err: `has no "path"`},
		{name: "broken", files: files{"data/mysqld.my": manifest, "data/component_keyring_file.cnf": `SECRET`}, err: "not an object in JSON", unsaid: "SECRET"},
		{name: "broken manifest", files: files{"data/mysqld.my": "[1,"}, err: "not an object in JSON"},
		{name: "huge manifest", files: files{"data/mysqld.my": strings.Repeat(" ", maxConfig) + "{}"}, err: "more than 65536 bytes"},
		{name: "vault component", files: files{"data/mysqld.my": `{"components":"file://component_keyring_vault"}`, "data/component_keyring_vault.cnf": `{"vault_url":"u","secret_mount_point":"m","token":"SECRET"}`},
			want: Ring{Name: "component_keyring_vault", Value: "vault_url=u secret_mount_point=m"}},
		{name: "vault component, empty", files: files{"data/mysqld.my": `{"components":"file://component_keyring_vault"}`, "data/component_keyring_vault.cnf": `{"token":"SECRET"}`}, err: "has none of vault_url", unsaid: "SECRET"},
		{name: "unknown component", files: files{"data/mysqld.my": `{"components":"file://component_keyring_hsm"}`}, err: "is not known here"},
		{name: "twice", set: settings.Settings{EncryptionPlugin: "keyring_file", KeyringFile: "/k"}, files: files{"data/mysqld.my": manifest, "data/component_keyring_file.cnf": `{"path":"/k"}`}, err: "configured twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := t.TempDir()
			for name, text := range c.files {
				put(t, filepath.Join(base, name), text)
			}
			at := func(p string) string {
				if p == "" || filepath.IsAbs(p) {
					return p
				}
				return filepath.Join(base, p)
			}
			c.set.Datadir, c.set.BaseDir = filepath.Join(base, "data"), base
			c.set.PluginDir, c.set.VaultConfig, c.want.Path = at(c.set.PluginDir), at(c.set.VaultConfig), at(c.want.Path)
			server := Server{MySQL: !c.maria}
			if c.known {
				server.Program, c.set.BaseDir = filepath.Join(base, "sbin/mysqld"), ""
			}
			got, err := Find(&c.set, server)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || c.unsaid != "" && strings.Contains(err.Error(), c.unsaid) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || got.Name != c.want.Name || got.Value != c.want.Value || got.Path != c.want.Path {
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

// FuzzConfiguration: no manifest or configuration makes Find panic, or say what is not a place in it.
func FuzzConfiguration(f *testing.F) {
	f.Add([]byte(`{"components":"file://component_keyring_vault"}`), []byte(`{"vault_url":"u","token":"SECRET-TOKEN"}`), []byte("vault_url=u\ntoken=SECRET-TOKEN"))
	f.Add([]byte(`{"components":"file://component_keyring_file","read_local_manifest":1}`), []byte(`{"path":7,"token":"SECRET-TOKEN"}`), []byte("="))
	dir := f.TempDir()
	vault := filepath.Join(dir, "vault.conf")
	f.Fuzz(func(t *testing.T, manifest, config, plugin []byte) {
		put(t, filepath.Join(dir, manifestName), string(manifest))
		put(t, vault, string(plugin))
		for name := range places {
			put(t, filepath.Join(dir, name+".cnf"), string(config))
		}
		put(t, filepath.Join(dir, fileComponent+".cnf"), string(config))
		for _, set := range []settings.Settings{{}, {EncryptionPlugin: "keyring_vault", VaultConfig: vault}} {
			set.Datadir, set.BaseDir = dir, filepath.Join(dir, "none")
			r, err := Find(&set, Server{MySQL: true})
			if err == nil && len(r.Value) > maxValue {
				t.Errorf("%d bytes to compare", len(r.Value))
			}
			if err != nil && r.IsSet() {
				t.Errorf("%+v with %v", r, err)
			}
		}
	})
}

func TestDigest(t *testing.T) {
	if a, b := Digest([]byte("a")), Digest([]byte("b")); a == b || bytes.Contains([]byte(a), []byte("empty")) || Digest(nil) != "empty" {
		t.Errorf("%s %s", a, b)
	}
}

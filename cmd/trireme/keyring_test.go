package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trireme/cmd/internal/serveremul"
)

// keyringRig is a transfer between two PXC servers, each with a keyring file of its own in a directory of its own.
type keyringRig struct {
	*perconaRig
	give, take string // the files
}

// secretMark is in every key of these tests, and must be in nothing that a program prints or keeps elsewhere.
const secretMark = "SECRET-KEY-"

// newKeyring makes the files with these keys; "-" is a node without a keyring, "" one whose file does not exist yet.
func newKeyring(t *testing.T, give, take string) *keyringRig {
	t.Helper()
	r := &keyringRig{perconaRig: newPercona(t)}
	r.deploy("")
	r.give = r.node(&r.Give, "donor", give, "")
	r.take = r.node(&r.Take, "joiner", take, "")
	return r
}

// node writes one node's option file and keyring.
func (r *keyringRig) node(o *serveremul.Options, name, keys, more string) (ring string) {
	r.t.Helper()
	dir := r.t.TempDir()
	ring = filepath.Join(dir, "keyring")
	text := "[mysqld]\n"
	if keys != "-" {
		text += "early-plugin-load=keyring_file.so\nkeyring-file-data=" + ring + "\n"
	}
	if keys != "-" && keys != "" {
		r.put(ring, keys)
	}
	o.DefaultsFile = filepath.Join(dir, name+".cnf")
	r.put(o.DefaultsFile, text+more)
	return ring
}

func (r *keyringRig) put(path, text string) {
	r.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// keysIn reads a file; "" when there is none.
func keysIn(path string) string {
	b, _ := os.ReadFile(path) // a file that cannot be read has not the keys that the caller wants
	return string(b)
}

// untold fails the test when a key is in a log or anywhere in the joiner's datadir.
func (r *keyringRig) untold(results ...serveremul.Result) {
	r.t.Helper()
	for _, res := range results {
		if strings.Contains(res.Stderr, secretMark) {
			r.t.Errorf("a key is in a log:\n%s", res.Stderr)
		}
	}
	notIn(r.t, r.Take.Datadir, secretMark)
}

// notIn fails the test when a secret is in any file of a datadir, the status file included.
func notIn(t *testing.T, dir, secret string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && strings.Contains(keysIn(path), secret) {
			t.Errorf("a secret is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// carried runs a transfer after which the joiner has these keys.
func (r *keyringRig) carried(want string) {
	r.t.Helper()
	given, taken := r.Run()
	if given.Err != nil || taken.Err != nil {
		r.t.Fatalf("donor %v, joiner %v\n%s\n%s", given.Err, taken.Err, given.Stderr, taken.Stderr)
	}
	if got := keysIn(r.take); got != want {
		r.t.Errorf("the joiner has the keys %q, want %q\n%s", got, want, taken.Stderr)
	}
	if info, err := os.Stat(r.take); err == nil && info.Mode().Perm() != 0o600 {
		r.t.Errorf("the keyring has mode %04o", info.Mode().Perm())
	}
	if left, _ := filepath.Glob(r.take + ".*"); len(left) > 0 {
		r.t.Errorf("left behind: %v", left)
	}
	r.untold(given, taken)
}

// apart runs a transfer that both ends must refuse before anything changes, with the same reason and without the keys.
func (r *keyringRig) apart(texts ...string) {
	r.t.Helper()
	joiners := keysIn(r.take)
	given, taken := r.Run()
	r.MustBeUntouched()
	for who, res := range map[string]serveremul.Result{"donor": given, "joiner": taken} {
		if res.Err == nil {
			r.t.Errorf("the %s's server is content", who)
		}
		mustSay(r.t, who, res, texts...)
	}
	if keysIn(r.take) != joiners {
		r.t.Error("the joiner's keyring has changed")
	}
	r.untold(given, taken)
}

// TestKeyring is about tables that are encrypted with keys of a keyring file: it travels between ends that check each other's
// certificate, and else both must hold the same one, or nothing happens.
func TestKeyring(t *testing.T) {
	const one, two = secretMark + "1", secretMark + "2"
	t.Run("same", func(t *testing.T) { newKeyring(t, one, one).carried(one) })
	t.Run("different", func(t *testing.T) { newKeyring(t, one, two).carried(one) })
	t.Run("new joiner", func(t *testing.T) { newKeyring(t, one, "").carried(one) })
	t.Run("donor without keys", func(t *testing.T) { newKeyring(t, "", two).carried(two) })
	t.Run("nobody has keys", func(t *testing.T) {
		r := newKeyring(t, "", "")
		r.carried("")
		if _, err := os.Lstat(r.take); err == nil {
			t.Error("the joiner has a keyring now")
		}
	})
	t.Run("rotated meanwhile", func(t *testing.T) {
		r := newKeyring(t, one, two)
		r.Give.OnFlush = func() (string, error) { return "", os.WriteFile(r.give, []byte(one+two), 0o600) }
		r.carried(one + two)
	})
	t.Run("old leftovers", func(t *testing.T) {
		r := newKeyring(t, one, two)
		r.put(r.take+".trireme-new", "half of "+two) // of a transfer that was killed
		r.put(r.take, two)
		r.carried(one)
	})
	t.Run("behind a link", func(t *testing.T) {
		r := newKeyring(t, one, "")
		real := filepath.Join(t.TempDir(), "ring")
		r.put(real, two)
		if err := os.Symlink(real, r.take); err != nil {
			t.Fatal(err)
		}
		given, taken := r.Run()
		if given.Err != nil || taken.Err != nil || keysIn(real) != one {
			t.Errorf("donor %v, joiner %v, keys %q", given.Err, taken.Err, keysIn(real))
		}
		if info, err := os.Lstat(r.take); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Error("the link is gone")
		}
	})
	t.Run("donor only", func(t *testing.T) {
		newKeyring(t, one, "-").apart("encryption is keyring_file at the donor", "none at the joiner")
	})
	t.Run("joiner only", func(t *testing.T) {
		newKeyring(t, "-", two).apart("encryption is none at the donor", "keyring_file at the joiner")
	})
	t.Run("failed transfer", func(t *testing.T) {
		r := newKeyring(t, one, two)
		r.Give.OnFlush = func() (string, error) { return "error 5", nil }
		given, taken := r.Run()
		if given.Err == nil || taken.Err == nil || keysIn(r.take) != two {
			t.Errorf("donor %v, joiner %v, keys %q", given.Err, taken.Err, keysIn(r.take))
		}
		r.untold(given, taken)
	})
	t.Run("too large", func(t *testing.T) {
		r := newKeyring(t, strings.Repeat("k", 1<<20+1), two)
		r.apart("has more than 1048576 bytes")
	})
	t.Run("no place", func(t *testing.T) {
		r := newKeyring(t, one, "")
		r.node(&r.Take, "joiner", "", "")
		r.put(r.Take.DefaultsFile, "[mysqld]\nkeyring-file-data=/nowhere/ring\n")
		r.refused("the directory of the keyring", "/nowhere")
	})
	t.Run("among the data", func(t *testing.T) {
		r := newKeyring(t, one, "")
		r.put(r.Take.DefaultsFile, "[mysqld]\nkeyring-file-data="+r.Take.Datadir+"/shop/orders.ibd\n")
		r.refused("lies among the data of the server")
	})
	t.Run("not encrypted", func(t *testing.T) {
		r := newPercona(t)
		r.Configure("pxc_encrypt_cluster_traffic=OFF\nearly-plugin-load=keyring_file.so\nkeyring-file-data=/keyring\n[sst]\nencrypt=0\n")
		r.refused("a keyring is configured (keyring_file), and then the transfer must be encrypted")
	})
	t.Run("place unknown", func(t *testing.T) {
		r := newPercona(t)
		r.deploy("")
		r.Configure("early-plugin-load=keyring_file.so\n")
		r.refused("set keyring_file_data in [mysqld]")
	})
}

// TestKeyringPinned: a channel without certificates protects as well as the group's own, which is not enough for keys.
func TestKeyringPinned(t *testing.T) {
	const one, two = secretMark + "1", secretMark + "2"
	pinned := func(t *testing.T, give, take string) *keyringRig {
		r := newKeyring(t, give, take)
		for _, o := range []*serveremul.Options{&r.Give, &r.Take} {
			text := keysIn(o.DefaultsFile)
			r.put(o.DefaultsFile, text+"pxc_encrypt_cluster_traffic=OFF\n")
		}
		return r
	}
	t.Run("different", func(t *testing.T) {
		pinned(t, one, two).apart("hold different keys", "but neither end does", "nothing was changed")
	})
	t.Run("same", func(t *testing.T) {
		r := pinned(t, one, one)
		r.joins("is not sent, because this end does not check the other one's certificate")
	})
	t.Run("rotated meanwhile", func(t *testing.T) {
		r := pinned(t, one, one)
		r.Give.OnFlush = func() (string, error) { return "", os.WriteFile(r.give, []byte(two), 0o600) }
		given, taken := r.Run()
		if given.Err == nil || taken.Err == nil || keysIn(r.take) != one {
			t.Errorf("donor %v, joiner %v, keys %q", given.Err, taken.Err, keysIn(r.take))
		}
		mustSay(t, "donor", given, "has changed during the transfer")
		mustSay(t, "joiner", taken, "has changed during the transfer")
		r.untold(given, taken)
	})
}

// TestKeyringComponent: the same for a component, which is configured outside the option files, and for vaults, whose keys stay
// where they are.
func TestKeyringComponent(t *testing.T) {
	const one, two = secretMark + "1", secretMark + "2"
	// component writes the manifest and the configuration into a node's datadir.
	component := func(r *keyringRig, o serveremul.Options, name, config string) {
		serveremul.Put(r.t, o.Datadir, "mysqld.my", []byte(fmt.Sprintf(`{"components": "file://%s"}`, name)))
		serveremul.Put(r.t, o.Datadir, name+".cnf", []byte(config))
	}
	vault := func(url string) string {
		return fmt.Sprintf(`{"timeout": 15, "vault_url": %q, "secret_mount_point": "mysql", "token": "%stoken"}`, url, secretMark)
	}
	t.Run("file", func(t *testing.T) {
		r := newKeyring(t, "-", "-")
		r.put(r.give, one)
		r.put(r.take, two)
		component(r, r.Give, "component_keyring_file", fmt.Sprintf(`{"path": %q, "read_only": false}`, r.give))
		component(r, r.Take, "component_keyring_file", fmt.Sprintf(`{"path": %q}`, r.take))
		given, taken := r.Run()
		if given.Err != nil || taken.Err != nil || keysIn(r.take) != one {
			t.Errorf("donor %v, joiner %v, keys %q\n%s", given.Err, taken.Err, keysIn(r.take), taken.Stderr)
		}
	})
	t.Run("plugin at the donor", func(t *testing.T) {
		r := newKeyring(t, one, "-")
		component(r, r.Take, "component_keyring_file", fmt.Sprintf(`{"path": %q}`, r.take))
		r.apart("encryption is keyring_file at the donor", "component_keyring_file at the joiner")
	})
	t.Run("same vault", func(t *testing.T) {
		r := newKeyring(t, "-", "-")
		for _, o := range []serveremul.Options{r.Give, r.Take} {
			component(r, o, "component_keyring_vault", vault("https://v:8200"))
		}
		given, taken := r.Run()
		if given.Err != nil || taken.Err != nil || strings.Contains(given.Stderr+taken.Stderr, secretMark) {
			t.Errorf("donor %v, joiner %v\n%s%s", given.Err, taken.Err, given.Stderr, taken.Stderr)
		}
	})
	t.Run("other vault", func(t *testing.T) {
		r := newKeyring(t, "-", "-")
		component(r, r.Give, "component_keyring_vault", vault("https://v:8200"))
		component(r, r.Take, "component_keyring_vault", vault("https://w:8200"))
		given, taken := r.Run()
		r.MustBeUntouched()
		for who, res := range map[string]serveremul.Result{"donor": given, "joiner": taken} {
			mustSay(t, who, res, "keyring is vault_url=https://v:8200", "vault_url=https://w:8200", "nothing was changed")
			if res.Err == nil || strings.Contains(res.Stderr, secretMark) {
				t.Errorf("%s: %v\n%s", who, res.Err, res.Stderr)
			}
		}
	})
	t.Run("unknown", func(t *testing.T) {
		r := newKeyring(t, "-", "-")
		component(r, r.Take, "component_keyring_encrypted_file", "{}")
		r.refused("component_keyring_encrypted_file", "is not known here")
	})
}

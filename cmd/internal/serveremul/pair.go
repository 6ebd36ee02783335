package serveremul

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trireme/engine/tree"
)

// Position is what the donor of a Pair reports, unless the test says otherwise, with the domain FakeDomain.
const (
	Position   = "a5f2bd5a-0001-11ee-8d3c-0242ac120002:42"
	FakeDomain = "3"
)

// Pair is one state transfer between two emulated servers, on datadirs that Fill made. A test makes it with NewPair,
// changes what it is about, and calls Run, or StartJoiner and StartDonor for what happens in between. Methods are for the
// test's own goroutine.
type Pair struct {
	From, To   Profile // the donor's and the joiner's family
	Give, Take Options // the donor's and the joiner's settings
	Option     string  // option file that both servers were started with

	t      testing.TB
	lines  []string // of the donor
	mu     sync.Mutex
	before map[string]string // the joiner's datadir at the start
	want   map[string]string // the donor's tree when its server was let go
}

// NewPair makes both datadirs: the donor's, and an old and partly wrong copy for the joiner. The programs are found in
// the directory path.
func NewPair(t testing.TB, from, to Profile, path string) *Pair {
	t.Helper()
	p := &Pair{From: from, To: to, t: t, Option: filepath.Join(t.TempDir(), "my.cnf")}
	p.Configure("")
	if from.Family == "pxc" || to.Family == "pxc" {
		// Its default is encryption with certificates in the datadir.
		p.Configure("pxc_encrypt_cluster_traffic=OFF\n")
	}
	base := Options{PATH: path, GTID: Position, Domain: FakeDomain, DefaultsFile: p.Option, Timeout: 45 * time.Second}
	p.Give, p.Take = base, base
	p.Give.Datadir, p.Take.Datadir = t.TempDir(), t.TempDir()
	p.Take.Address = FreeAddress(t)
	Fill(t, p.Give.Datadir, 1)
	p.Give.OnLine = p.heard
	p.Give.Thaw = p.Still
	old := p.Take.Datadir
	Fill(t, old, 1)
	Patch(t, old, "shop/orders.ibd", 5*PageBytes+100, []byte("an old row"))
	Put(t, old, "shop/gone.ibd", Page(0, 77, 5, make([]byte, 4*PageBytes)))
	Put(t, old, "dropped/t.MYD", []byte("of a database that is gone"))
	Put(t, old, "galera.cache", []byte("the joiner's own"))
	if err := os.Remove(filepath.Join(old, "shop/note.MYI")); err != nil {
		t.Fatal(err)
	}
	return p
}

// Configure writes the option file of both servers, with text below an empty group [mysqld].
func (p *Pair) Configure(text string) {
	p.t.Helper()
	if err := os.WriteFile(p.Option, []byte("[mysqld]\n"+text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// Known lets both programs see running servers of the profiles' versions behind them, where the family does not say its
// version on the command line. A program that does not know is more careful, and slower.
func (p *Pair) Known() {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	server := filepath.Join(p.t.TempDir(), serverName)
	if err := os.Link(self, server); err != nil {
		content, err := os.ReadFile(self) // on another file system
		if err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(server, content, 0o700); err != nil {
			p.t.Fatal(err)
		}
	}
	for o, f := range map[*Options]Profile{&p.Give: p.From, &p.Take: p.To} {
		if f.Family == "mariadb" {
			o.Server, o.Mortal = server, true
			o.Env = append(o.Env, versionEnv+"="+f.Version)
		}
	}
}

func (p *Pair) heard(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
}

// Lines are what the donor's server has read so far.
func (p *Pair) Lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.lines...)
}

// Still remembers the donor's tree as what the joiner must have in the end. A Pair calls it when the lock ends; a test
// with a Thaw of its own calls it there.
func (p *Pair) Still() {
	want := Tree(p.t, p.Give.Datadir, false)
	for _, name := range append([]string{"wsrep_sst.pid"}, answers...) {
		delete(want, name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.want = want
}

// StartJoiner starts the joiner, waits for its address, and gives up its old state as the provider does. It is an error
// of the test if the program ends without an address.
func (p *Pair) StartJoiner() *Joiner {
	p.t.Helper()
	p.before = Tree(p.t, p.Take.Datadir, true)
	j := StartJoiner(p.t, p.To, nil, p.Take)
	if p.Give.Address = j.Ready(); p.Give.Address == "" {
		r := j.Wait()
		p.t.Fatalf("%s joiner: no address: %v\n%s", p.To.Name, r.Err, r.Stderr)
	}
	if !p.Give.Bypass {
		PutGrastate(p.t, p.Take.Datadir, "00000000-0000-0000-0000-000000000000", -1)
		p.before = Tree(p.t, p.Take.Datadir, true)
		delete(p.before, "wsrep_sst.pid") // there while the program runs
	}
	return j
}

// StartDonor starts the donor for the address that the joiner told.
func (p *Pair) StartDonor() *Donor {
	p.t.Helper()
	return StartDonor(p.t, p.From, nil, p.Give)
}

// Run makes the whole transfer and returns what both servers make of it.
func (p *Pair) Run() (given, taken Result) {
	p.t.Helper()
	j := p.StartJoiner()
	given = p.StartDonor().Wait()
	return given, j.Wait()
}

// MustRun fails the test unless both servers are content and the joiner's datadir is right: the donor's tree at the end
// of its lock plus the joiner's own private files, or nothing touched at all by a bypass.
func (p *Pair) MustRun() (given, taken Result) {
	p.t.Helper()
	given, taken = p.Run()
	if given.Err != nil || taken.Err != nil {
		p.t.Fatalf("%s to %s: donor %v, joiner %v\n%s\n%s", p.From.Name, p.To.Name, given.Err, taken.Err, given.Stderr, taken.Stderr)
	}
	if p.Give.Bypass {
		p.MustBeUntouched()
		return given, taken
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	got := Tree(p.t, p.Take.Datadir, true)
	want := p.want
	for _, name := range private {
		want[name] = p.before[name]
	}
	for _, line := range Differences(want, got) {
		p.t.Errorf("%s to %s: the copy is not exact: %s", p.From.Name, p.To.Name, line)
	}
	return given, taken
}

// MustBeUntouched fails the test when anything in the joiner's datadir has changed since it was started.
func (p *Pair) MustBeUntouched() {
	p.t.Helper()
	now := Tree(p.t, p.Take.Datadir, true)
	delete(now, "wsrep_sst.pid") // another program may be at work
	if _, err := os.Lstat(filepath.Join(p.Take.Datadir, tree.StatusName)); err == nil {
		p.t.Errorf("%s joiner: a status file was written though no data was moved", p.To.Name)
	}
	for _, line := range Differences(p.before, now) {
		p.t.Errorf("%s joiner: the datadir was touched: %s", p.To.Name, line)
	}
}

var addresses atomic.Int64

// FreeAddress returns a loopback address of its own with a port that nobody uses. Each call, in each test process, has
// another address, so nobody can take the port in the meantime.
func FreeAddress(t testing.TB) string {
	t.Helper()
	n, pid := addresses.Add(1), os.Getpid()
	host := fmt.Sprintf("127.%d.%d.%d", 64+pid>>8&63, pid&255, 1+n%250)
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// InstallSelf makes a directory in which the running test binary is the program of the methods. The binary must know what
// it is called as, in an init function: there is no TestMain in between.
func InstallSelf(t testing.TB, methods ...string) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range methods {
		if err := os.Symlink(self, filepath.Join(dir, "wsrep_sst_"+m)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

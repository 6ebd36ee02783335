package settings

import (
	"fmt"
	"strings"
	"testing"
)

// TestSockopt has a case for every row of sst-options 5.
func TestSockopt(t *testing.T) {
	rows := []row{}
	// ok: accepted, the options as text hold want; without a warning unless one is given.
	ok := func(opt, want, warn string) {
		rows = append(rows, row{name: opt, cnf: "[sst]\ntca=/ca\ntcert=/c\nsockopt='" + opt + "'\n", warn: warn, want: "true",
			get: func(s *Settings) any {
				got := fmt.Sprintf("%+v", s.SockOpts())
				if !strings.Contains(got, want) {
					return got
				}
				return true
			}})
	}
	mode := func(opt, want, warn string) {
		rows = append(rows, row{name: opt, cnf: "[sst]\ntca=/ca\ntcert=/c\nsockopt='" + opt + "'\n", warn: warn, want: want, get: trust})
	}
	bad := func(opt, text string) {
		rows = append(rows, row{name: opt, cnf: "[sst]\ntca=/ca\ntcert=/c\nsockopt='" + opt + "'\n", bad: text})
	}
	base := "CA and name verified ca=/ca cert=/c"
	mode("", base+" name", "-")
	mode(",,", base+" name", "-")
	mode("verify=1", base+" name", "-")
	mode("VERIFY", base+" name", "-")
	mode("verify=0", "encrypted, peer not verified cert=/c", "NOT verified")
	mode("verify=0,commonname=", "encrypted, peer not verified cert=/c", "NOT verified")
	bad("verify=0,commonname=x", "verifies no certificate")
	bad("verify=2", "neither on nor off")
	mode("commonname=node1", base+" cn=node1 name", "-")
	mode(",cn=\"my, node\"", base+" cn=my, node name", "-")
	mode("openssl-commonname=a,commonname=b", base+" cn=b name", "-")
	mode("commonname=", "CA verified ca=/ca cert=/c", "not checked")
	bad("commonname", "no value")
	mode("cafile=/ca", base+" name", "-")
	mode("cafile=/other,key=/k", base+" key=/k name", "cafile")
	mode("certificate=/x", base+" name", "tcert is set")
	ok("cipher=HIGH:!aNULL", "", "TLS 1.3")
	ok("ciphers=!NULL", "", "TLS 1.3")
	bad("cipherlist=NULL:eNULL", "without encryption")
	bad("cipher=aNULL", "without encryption")
	ok("method=TLS1.2", "", "-")
	bad("method=TLS1", "not TLS 1.2")
	bad("method=SSL3", "not TLS 1.2")
	ok("openssl-min-proto-version=TLS1.2,min-version=TLS1.3", "", "-")
	bad("min-proto-version=TLS1.4", "not known")
	ok("max-version=tls1.3", "", "-")
	bad("openssl-max-proto-version=TLS1.2", "below TLS 1.3")
	ok("dhparam=/x", "", "Diffie-Hellman")
	ok("compress=none", "", "-")
	ok("compress=auto", "", "does not compress")
	ok("pseudo=1,egd=/x", "", "from the kernel")
	bad("fips=1", "FIPS")
	bad("fips", "FIPS")
	ok("fips=0", "", "-")
	ok("snihost=h,no-sni=1", "SNIHost:h NoSNI:true", "-")
	ok("pf=ip6", "Family:ip6", "-")
	ok("pf=ipv4", "Family:ip4", "-")
	bad("pf=unix", "neither ip4")
	ok("bind=[fe80::1]", "Bind:fe80::1", "-")
	ok("bind=10.0.0.1", "Bind:10.0.0.1", "-")
	bad("bind=", "not an IP address")
	bad("bind=node1.example", "not an IP address")
	bad("bind=10.0.0.1:4444", "without a port")
	ok("sourceport=1024", "SourcePort:1024", "-")
	bad("sourceport=70000", "between 1 and 65535")
	ok("lowport", "", "lowport")
	ok("so-bindtodevice=eth0", "Interface:eth0", "-")
	ok("if=eth1", "Interface:eth1", "-")
	ok("keepalive,keepidle=60,keepintvl=10,keepcnt=5", "KeepAlive:1 KeepIdle:1m0s KeepInterval:10s KeepCount:5", "-")
	ok("keepalive=0", "KeepAlive:2", "-")
	bad("keepidle=1.5", "whole number of seconds")
	bad("keepcnt=5x", "not a whole number")
	ok("sndbuf=65536,rcvbuf-late=131072", "SndBuf:65536 RcvBuf:131072", "-")
	ok("sndbuf=0", "SndBuf:0", "not usable")
	ok("rcvbuf=9999999999", "RcvBuf:0", "not usable")
	ok("nodelay", "NoDelay:1", "-")
	ok("nodelay=0", "NoDelay:2", "-")
	ok("mss=1400,user-timeout=30000,congestion=bbr", "UserTimeout:30s MSS:1400 Congestion:bbr", "-")
	ok("cork,syncnt=3,quickack", "", "kernel's choice")
	ok("retry=30", "Retry:30", "-")
	ok("forever,interval=0.5", "Forever:true Interval:500ms", "-")
	ok("connect-timeout=7", "ConnectTimeout:7s", "-")
	bad("retry=-1", "between 0")
	ok("reuseaddr,fork", "", "-")
	ok("reuseport,backlog=5,max-children=2", "", "backlog")
	ok("range=10.1.2.3/16", "Ranges:[10.1.0.0/16]", "-")
	ok("range=10.1.2.3:255.255.255.0,range=[fd00::/8]", "Ranges:[10.1.2.0/24 fd00::/8]", "-")
	bad("range=10.0.0.0:255.0.255.0", "not an address range")
	bad("range=example.com", "not an address range")
	bad("tcpwrap=x", "dangerous")
	bad("allow-table=/x", "dangerous")
	bad("deny-table=/x", "dangerous")
	ok("linger=10", "", "linger")
	ok("tos=8", "TOS:8", "-")
	bad("tos=256", "between 0 and 255")
	ok("dscp=1,ttl=2", "", "dscp")
	for _, o := range []string{"chroot=/", "su=x", "setuid=1", "user=x", "group=x", "mode=600", "umask=0"} {
		bad(o, "process rights")
	}
	for _, o := range []string{"crnl", "readbytes=5", "escape=1"} {
		bad(o, "bytes on their way")
	}
	ok("ignoreeof,shut-down,lockfile=/x,history=/y", "", "shut-down")
	bad("pty", "terminals")
	for _, o := range []string{"proxyport=1", "socksport=1", "socksuser=x"} {
		bad(o, "proxies")
	}
	bad("verfy=0", `"verfy" is not known`)
	bad("cn=\"x", "not closed")
	bad("bind=[x", "not closed")
	runRows(t, rows)

	// Without a CA nothing is left to check, and asking for it must not be dropped.
	runRows(t, []row{
		{name: "verify 1 alone", cnf: "[sst]\nsockopt=verify=1\n", bad: "there is no CA"},
		{name: "verify 0 alone", cnf: "[sst]\nsockopt=verify=0\n", bad: "cannot be"},
		{name: "verify 0 with REQUIRED", cnf: "[sst]\ntcert=/c\nsockopt=verify=0\n", get: trust, want: "encrypted, peer not verified cert=/c"},
		{name: "name alone", cnf: "[sst]\nsockopt=cn=x\n", bad: "verifies no certificate"},
		{name: "name and plain", cnf: "[sst]\nssl-mode=DISABLED\nsockopt=cn=x\n", bad: "verifies no certificate"},
		{name: "socket options alone", cnf: "[sst]\nsockopt=,retry=30\n", get: trust, want: "pinned key", warn: "-"},
		{name: "capath", cnf: "[sst]\ntcert=/c\nsockopt=capath=/\n", get: trust, want: "CA and name verified capath=/ cert=/c name"},
		{name: "name with CA mode", cnf: "[sst]\nssl-mode=VERIFY_CA\ntca=/ca\ntcert=/c\nsockopt=cn=x\n", get: trust, want: "CA and name verified ca=/ca cert=/c cn=x name"},
	})
}

func FuzzSockopt(f *testing.F) {
	for _, s := range []string{"", ",verify=0,", `cn="a, b",bind=[::1]`, `a=\,b`, "retry=30,forever", "range=10.0.0.0/8", "cipher=NULL:aNULL"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		items, err := splitSockopt(text)
		if err != nil && items != nil {
			t.Fatal("items beside an error")
		}
		for _, item := range items {
			if item.name == "" || item.name != strings.ToLower(item.name) || item.bare && item.value != "" {
				t.Fatalf("impossible item %+v", item)
			}
			r := &resolver{s: &Settings{}}
			if rule, ok := sockRules[item.name]; ok {
				rule(r, Setting{Name: "sockopt " + item.name, Value: item.value, Origin: "x"}, item)
			}
		}
	})
}

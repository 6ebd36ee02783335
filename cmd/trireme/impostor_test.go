package main

import (
	"context"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"trireme/wire"
)

// impostors plays everybody who has a part of the truth: the address and an old secret, the secret and a wrong pin, the secret
// without encryption, the very secret a second time, or only the port, two hundred times. None gets a connection.
func impostors(t *testing.T, ticket, old wire.Ticket, late bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := wire.Config{MinVersion: 1, MaxVersion: 1}
	replayed, mispinned, downgraded := ticket, ticket, ticket
	replayed.Nonce = old.Nonce
	mispinned.Pin = old.Pin
	downgraded.Plain = true
	tries := []struct {
		name   string
		ticket wire.Ticket
	}{{"an old secret", replayed}, {"a wrong pin", mispinned}, {"no encryption", downgraded}}
	if late {
		tries = append(tries, struct {
			name   string
			ticket wire.Ticket
		}{"the secret again", ticket})
	}
	for _, try := range tries {
		for range 3 { // to be logged once
			c.Plain = try.ticket.Plain
			conn, err := wire.Dial(ctx, try.ticket, wire.Control, c)
			if err == nil {
				conn.Close()
				t.Errorf("%s: connected", try.name)
			}
		}
	}
	for range 100 {
		for _, stay := range []bool{true, false} {
			conn, err := net.Dial("tcp", net.JoinHostPort(ticket.Host, strconv.Itoa(ticket.Port)))
			if err != nil {
				t.Fatal(err)
			}
			if stay {
				t.Cleanup(func() { conn.Close() })
			} else {
				conn.Close()
			}
		}
	}
}

// refusals counts the lines about refused connections by what they say behind the address.
func refusals(log string) map[string]int {
	seen := map[string]int{}
	for _, m := range regexp.MustCompile(`connection from \S+ refused: peer \S+: (.*?) \(20`).FindAllStringSubmatch(log, -1) {
		seen[m[1]]++
	}
	return seen
}

// TestImpostors: before and beside the donor everybody else is refused, each kind is logged once, and the transfer goes on; after it
// nobody listens. Strangers with other protocols and certificates come in the tests on real servers.
func TestImpostors(t *testing.T) {
	for _, moment := range []string{"before", "beside"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			r := families(t, "M10.11", "M10.11")
			// An earlier request, whose secret and pin somebody has kept.
			first := r.StartJoiner()
			old := parse(t, first.Ready())
			first.Signal(syscall.SIGTERM)
			first.Wait()

			join := r.StartJoiner()
			ticket := parse(t, join.Ready())
			if ticket.Nonce == old.Nonce || ticket.Pin == old.Pin {
				t.Fatal("a secret was used twice")
			}
			wants := []string{"nonce", "without TLS"}
			if moment == "before" {
				impostors(t, ticket, old, false)
			} else {
				r.Give.OnFlush = func() (string, error) { impostors(t, ticket, old, true); return "", nil }
				wants = append(wants, "has its control connection already")
			}
			given, taken := r.StartDonor().Wait(), join.Wait()
			if given.Err != nil || taken.Err != nil {
				t.Fatalf("donor %v, joiner %v\n%s\n%s", given.Err, taken.Err, given.Stderr, taken.Stderr)
			}
			if conn, err := net.Dial("tcp", net.JoinHostPort(ticket.Host, strconv.Itoa(ticket.Port))); err == nil {
				conn.Close()
				t.Error("somebody still listens after the transfer")
			}
			secret := join.Ready()[strings.LastIndex(join.Ready(), "/")+1:]
			if strings.Contains(given.Stderr+taken.Stderr, secret) {
				t.Errorf("the secret is in a log:\n%s%s", given.Stderr, taken.Stderr)
			}
			for _, dir := range []string{r.Give.Datadir, r.Take.Datadir} {
				notIn(t, dir, secret)
			}
			seen := refusals(taken.Stderr)
			all := ""
			for why, n := range seen {
				all += why + "\n"
				if n > 1 {
					t.Errorf("%d lines say %q", n, why)
				}
			}
			for _, text := range wants {
				if !strings.Contains(all, text) {
					t.Errorf("nothing is said of %q:\n%s", text, taken.Stderr)
				}
			}
			if len(seen) > 6 {
				t.Errorf("%d kinds of refusal:\n%s", len(seen), all)
			}
		})
	}
}

func parse(t *testing.T, ready string) wire.Ticket {
	t.Helper()
	ticket, err := wire.ParseTicket(ready)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

package record

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

var accepting = regexp.MustCompile(`^ACCEPT (\S+)`)

// OpenSSL at the other end, as client and as server, with every suite of TLS 1.3: those that are ours and one that is not. As a server
// it sends session tickets.
func TestOpenSSL(t *testing.T) {
	oursOnly(t)
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("the openssl program is not installed; it is the peer of this test")
	}
	cc, sc := configs(t)
	file := filepath.Join(t.TempDir(), "pair.pem")
	var b bytes.Buffer
	pair := sc.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}) // a bytes.Buffer takes all
	_ = pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: key})
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	content := pattern(1 << 20)
	for suite, own := range map[string]bool{"TLS_AES_128_GCM_SHA256": true, "TLS_AES_256_GCM_SHA384": true, "TLS_CHACHA20_POLY1305_SHA256": false} {
		for _, role := range []string{"s_client", "s_server"} {
			t.Run(role+"/"+suite, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				args := []string{role, "-ciphersuites", suite, "-cert", file, "-quiet"}
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer ln.Close()
				if role == "s_client" {
					args = append(args, "-connect", ln.Addr().String())
				} else {
					// -quiet hides the port that it listens on, so it says the rest too.
					args = append(args[:len(args)-1], "-accept", "127.0.0.1:0", "-naccept", "1", "-rev")
				}
				cmd := exec.CommandContext(ctx, "openssl", args...)
				var said bytes.Buffer
				cmd.Stderr = &said
				in, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				defer func() {
					cancel()
					_ = cmd.Wait() // it was ended
					if t.Failed() {
						t.Logf("openssl said:\n%s", &said)
					}
				}()
				if role == "s_client" {
					nc, err := ln.Accept()
					if err != nil {
						t.Fatal(err)
					}
					c := Server(nc, &tls.Config{Certificates: sc.Certificates, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true})
					defer c.Close()
					if err := c.HandshakeContext(ctx); err != nil {
						t.Fatal(err)
					}
					bulk(t, c, own, in, out, content)
					return
				}
				nc, err := net.Dial("tcp", where(t, bufio.NewReader(out)))
				if err != nil {
					t.Fatal(err)
				}
				c := Client(nc, cc)
				defer c.Close()
				if err := c.HandshakeContext(ctx); err != nil {
					t.Fatal(err)
				}
				lines(t, c, own)
			})
		}
	}
}

// bulk sends content through openssl both ways.
func bulk(t *testing.T, c *Conn, own bool, in io.Writer, out io.Reader, content []byte) {
	t.Helper()
	if c.Own() != own {
		t.Errorf("own is %v with %s", c.Own(), tls.CipherSuiteName(c.state.CipherSuite))
	}
	flush := widen(c, 4)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := in.Write(content); err != nil {
			t.Error(err)
		}
	})
	got := make([]byte, len(content))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, content) {
		t.Errorf("from openssl: other content, or %v", err)
	}
	wg.Go(func() {
		if _, err := c.Write(content); err != nil {
			t.Error(err)
		}
		if err := flush(); err != nil {
			t.Error(err)
		}
	})
	got = make([]byte, len(content))
	if _, err := io.ReadFull(out, got); err != nil || !bytes.Equal(got, content) {
		t.Errorf("to openssl: other content, or %v", err)
	}
	wg.Wait()
}

// lines has s_server turn lines around.
func lines(t *testing.T, c *Conn, own bool) {
	t.Helper()
	if c.Own() != own {
		t.Errorf("own is %v with %s", c.Own(), tls.CipherSuiteName(c.state.CipherSuite))
	}
	flush := widen(c, 4)
	r := bufio.NewReader(c)
	for range 3 {
		line := strings.Repeat("trireme ", 1000)
		if _, err := io.WriteString(c, line+"\n"); err != nil {
			t.Fatal(err)
		}
		if err := flush(); err != nil {
			t.Fatal(err)
		}
		got, err := r.ReadString('\n')
		if want := strings.Repeat(" emerirt", 1000) + "\n"; err != nil || got != want {
			t.Fatalf("turned around: %d bytes and %v", len(got), err)
		}
	}
}

// where waits for s_server to say where it listens.
func where(t *testing.T, lines *bufio.Reader) string {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		if m := accepting.FindStringSubmatch(line); m != nil {
			return m[1]
		}
		if err != nil {
			t.Fatalf("s_server does not listen: %q, %v", line, err)
		}
	}
}

package peer

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"trireme/wire/identity/ca"
)

// freePort is one that nobody used a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// listening waits until something listens on a port. It does not try the port: some of those that listen take one caller only.
func listening(ctx context.Context, port int) error {
	const listen = "0A"
	deadline := time.Now().Add(ready)
	for {
		for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
			b, err := os.ReadFile(table)
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(b)) {
				w := strings.Fields(line)
				if len(w) > 3 && strings.HasSuffix(w[1], fmt.Sprintf(":%04X", port)) && w[3] == listen {
					return nil
				}
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("nothing listens on port %d after %v", port, ready)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// certFiles are an authority and one certificate that both ends show.
type certFiles struct{ ca, cert, key string }

// socat are the options that make both of its ends check each other.
func (f certFiles) socat() string {
	return fmt.Sprintf("cert=%s,key=%s,cafile=%s,verify=1", f.cert, f.key, f.ca)
}

// certificates makes the files in dir, once.
func certificates(dir string) (certFiles, error) {
	f := certFiles{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	if _, err := os.Stat(f.key); err == nil {
		return f, nil
	}
	authority, err := ca.NewCA("Trireme bench authority", ca.Options{})
	if err != nil {
		return f, err
	}
	cert, key, err := authority.Issue("127.0.0.1", []string{"127.0.0.1", "localhost"}, ca.Options{})
	if err != nil {
		return f, err
	}
	for name, b := range map[string][]byte{f.ca: authority.CertificatePEM(), f.cert: cert} {
		if err := os.WriteFile(name, b, 0o644); err != nil {
			return f, err
		}
	}
	return f, os.WriteFile(f.key, key, 0o600)
}

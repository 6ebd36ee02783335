package ceiling

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"trireme/wire/identity"
)

// spanHead goes before each piece: its number and its length.
const spanHead = 12

// Pipe copies source to target, which must not exist, through conns connections of the loopback device, each with one goroutine that
// reads and sends and one that receives and writes. encrypted wraps them into TLS 1.3 as the standard library does it.
func Pipe(ctx context.Context, source, target string, conns int, encrypted bool) error {
	all, err := spans(source, target)
	if err != nil {
		return fmt.Errorf("pipe files: %w", err)
	}
	server, client, err := configs()
	if err != nil {
		return fmt.Errorf("pipe files: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("pipe files: %w", err)
	}
	defer l.Close()
	q := &queue{all: all}
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for range conns {
		g.Go(func() error {
			c, err := l.Accept()
			if err != nil {
				return err
			}
			defer c.Close()
			if encrypted {
				c = tls.Server(c, server)
			}
			return receive(c, all, target)
		})
		g.Go(func() error {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				return err
			}
			defer c.Close()
			if encrypted {
				c = tls.Client(c, client)
			}
			return send(ctx, c, q, source)
		})
	}
	return g.Wait()
}

// configs are for one run: a key that nobody keeps, and a caller that does not check it.
func configs() (server, client *tls.Config, err error) {
	m, err := identity.Ephemeral(time.Now())
	if err != nil {
		return nil, nil, err
	}
	server = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{m.Certificate}, DynamicRecordSizingDisabled: true}
	client = &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, DynamicRecordSizingDisabled: true}
	return server, client, nil
}

func send(ctx context.Context, c net.Conn, q *queue, source string) error {
	var from holder
	buf := make([]byte, spanHead+unit)
	for part := q.take(); part != nil; part = q.take() {
		for i := range part {
			s := &part[i]
			f, err := from.open(filepath.Join(source, s.rel), os.O_RDONLY)
			if err != nil {
				return err
			}
			binary.BigEndian.PutUint64(buf, uint64(s.number))
			binary.BigEndian.PutUint32(buf[8:], uint32(s.len))
			if err := readFull(f, buf[spanHead:spanHead+s.len], s.off); err != nil {
				return err
			}
			if _, err := c.Write(buf[:spanHead+s.len]); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	// TLS says goodbye by itself; TCP by the end of the stream.
	return c.Close()
}

func receive(c net.Conn, all []span, target string) error {
	var to holder
	head, buf := make([]byte, spanHead), make([]byte, unit)
	for {
		if _, err := io.ReadFull(c, head); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		i, n := binary.BigEndian.Uint64(head), binary.BigEndian.Uint32(head[8:])
		if i >= uint64(len(all)) || int64(n) != all[i].len {
			return fmt.Errorf("pipe files: internal error: piece %d of %d bytes", i, n)
		}
		if _, err := io.ReadFull(c, buf[:n]); err != nil {
			return err
		}
		f, err := to.open(filepath.Join(target, all[i].rel), os.O_WRONLY|os.O_CREATE)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(buf[:n], all[i].off); err != nil {
			return err
		}
	}
}

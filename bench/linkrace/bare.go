package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/quic-go/quic-go"

	"trireme/wire/identity"
)

// The other program of a race over QUIC is this one, called by itself with one of these words: a stream of quic-go as its
// documentation shows it, between two processes, from memory to memory.
const (
	bareReceive = "bare-receive" // and how many bytes; prints its address
	bareSend    = "bare-send"    // the same, and where to
)

// errNotBare is that the words ask for something else.
var errNotBare = errors.New("no end of a bare stream")

const bareProtocol = "linkrace"

func bare(ctx context.Context, words []string) error {
	if len(words) < 2 || words[0] != bareReceive && words[0] != bareSend {
		return errNotBare
	}
	n, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil {
		return fmt.Errorf("number of bytes: %w", err)
	}
	if words[0] == bareReceive {
		return bareJoiner(ctx, n)
	}
	return bareDonor(ctx, n, words[2])
}

func bareJoiner(ctx context.Context, n int64) error {
	m, err := identity.Ephemeral(time.Now())
	if err != nil {
		return err
	}
	l, err := quic.ListenAddr("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{m.Certificate}, NextProtos: []string{bareProtocol}}, nil)
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Println(l.Addr())
	conn, err := l.Accept(ctx)
	if err != nil {
		return err
	}
	in, err := conn.AcceptUniStream(ctx)
	if err != nil {
		return err
	}
	got, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{in}, make([]byte, 1<<20))
	if err == nil && got != n {
		err = fmt.Errorf("%d of %d bytes arrived", got, n)
	}
	return errors.Join(err, conn.CloseWithError(0, ""))
}

func bareDonor(ctx context.Context, n int64, to string) error {
	// Whoever answers is welcome: nothing but zeroes travels.
	conn, err := quic.DialAddr(ctx, to, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{bareProtocol}}, nil)
	if err != nil {
		return err
	}
	out, err := conn.OpenUniStreamSync(ctx)
	if err != nil {
		return err
	}
	for unit := make([]byte, 1<<20); n > 0; n -= int64(len(unit)) {
		if _, err := out.Write(unit[:min(n, int64(len(unit)))]); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	<-conn.Context().Done() // the receiver closes when it has everything
	return nil
}

// bareTransfer is a transfer by the bare stream.
func bareTransfer(ctx context.Context, r result) (result, error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	n := strconv.FormatInt(r.Bytes, 10)
	var errs strings.Builder
	receiver := exec.CommandContext(ctx, self, bareReceive, n)
	receiver.Stderr = &errs
	out, err := receiver.StdoutPipe()
	if err != nil {
		return r, err
	}
	if err := receiver.Start(); err != nil {
		return r, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return r, errors.Join(fmt.Errorf("the receiver gave no address: %w", err), receiver.Wait())
	}
	if _, _, err := net.SplitHostPort(strings.TrimSpace(line)); err != nil {
		return r, errors.Join(err, receiver.Process.Kill(), receiver.Wait())
	}
	sender := exec.CommandContext(ctx, self, bareSend, n, strings.TrimSpace(line))
	sender.Stderr = &errs
	began := time.Now()
	if err := sender.Run(); err != nil {
		return r, errors.Join(fmt.Errorf("the sender: %w: %s", err, errs.String()), receiver.Process.Kill(), receiver.Wait())
	}
	if err := receiver.Wait(); err != nil {
		return r, fmt.Errorf("the receiver: %w: %s", err, errs.String())
	}
	r.Seconds = time.Since(began).Seconds()
	r.Donor, r.Joiner = cpu(sender), cpu(receiver)
	r.Sent, r.Wire = r.Bytes, r.Bytes // it does not say
	return r, nil
}

package wire

import (
	"errors"
	"fmt"
	"net"
	"testing"
)

// sink stands for a socket and takes whatever is sent, or keeps it.
type sink struct {
	net.Conn
	keep []byte
}

func (s *sink) Write(p []byte) (int, error) {
	if s.keep != nil {
		s.keep = append(s.keep, p...)
	}
	return len(p), nil
}

// spring stands for a socket from which what was kept can be read.
type spring struct {
	net.Conn
	left []byte
}

func (s *spring) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		return 0, errors.New("wire: test: read beyond what was sent")
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

// BenchmarkFrame is a frame's way to the system call: with TLS gathering, sealing and coalescing, without it what is left of that.
func BenchmarkFrame(b *testing.B) {
	for _, transport := range []string{"tls", "plain"} {
		for _, size := range []int{16 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("stage=seal/transport=%s/size=%dKiB", transport, size>>10), func(b *testing.B) {
				d, _ := connected(b, transport == "plain")
				d.socket.direct = &sink{Conn: d.socket.Conn}
				head, body := make([]byte, 24), make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := errors.Join(d.Send(1, head, body), d.Flush()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkUnframe is the way back, from the system call to the frame.
func BenchmarkUnframe(b *testing.B) {
	const batch = 64 // frames that are sealed at a time, while the clock stands still: TLS numbers its records
	for _, transport := range []string{"tls", "plain"} {
		for _, size := range []int{16 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("stage=open/transport=%s/size=%dKiB", transport, size>>10), func(b *testing.B) {
				d, j := connected(b, transport == "plain")
				out, in := &sink{Conn: d.socket.Conn, keep: make([]byte, 0, batch*(size+size/64+4096))}, &spring{Conn: j.socket.Conn}
				d.socket.direct, j.socket.direct = out, in
				head, body, buf := make([]byte, 24), make([]byte, size), make([]byte, MaxFrame)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if i%batch == 0 {
						b.StopTimer()
						out.keep = out.keep[:0]
						for range batch {
							if err := errors.Join(d.Send(1, head, body), d.Flush()); err != nil {
								b.Fatal(err)
							}
						}
						in.left = out.keep
						b.StartTimer()
					}
					if _, got, err := j.Recv(buf); err != nil || len(got) != len(head)+size {
						b.Fatal(len(got), err)
					}
				}
			})
		}
	}
}

package netlab

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const tunPath = "/dev/net/tun"

// newTun makes a TUN device on a host, as its way to a peer. Packets that the host sends there are read from the file, one at a
// time, and what is written to it arrives at the host. The device goes with the file.
func newTun(own, peer *Host, mtu int) (*os.File, error) {
	name := fmt.Sprintf("to%d", peer.number)
	var fd int
	err := own.Do(func() error {
		var err error
		if fd, err = unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
			return fmt.Errorf("open %s: %w", tunPath, err)
		}
		req, err := unix.NewIfreq(name)
		if err == nil {
			req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
		}
		if err != nil {
			unix.Close(fd)
			return fmt.Errorf("make TUN device %s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Only now: the runtime's poller must not see a file that is not a device yet.
	f := os.NewFile(uintptr(fd), tunPath)
	dev, err := own.net.LinkByName(name)
	if err == nil {
		err = own.net.LinkSetMTU(dev, mtu)
	}
	if err == nil {
		// What waits here has left the host already; the queue that counts is the relay's.
		err = own.net.LinkSetTxQLen(dev, tunQueue)
	}
	if err == nil {
		err = up(own.net, dev, own.number, peer.number)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("set up TUN device %s: %w", name, err)
	}
	return f, nil
}

// tunQueue is how many packets may wait for the relay to read them: enough for the time in which it does not get a processor.
const tunQueue = 2000

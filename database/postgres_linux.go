package database

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unanswered is how long sent bytes may go without an acknowledgement.
const unanswered = 30 * time.Second

// noEndlessWaiting breaks a connection whose other end is silently gone; by
// itself the system would try for a quarter of an hour.
func noEndlessWaiting(network, _ string, conn syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var failed error
	err := conn.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unanswered.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}

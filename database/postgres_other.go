//go:build !linux

package database

import "syscall"

// noEndlessWaiting does nothing here: keep-alives and the time limit of a
// transaction must do.
func noEndlessWaiting(string, string, syscall.RawConn) error { return nil }

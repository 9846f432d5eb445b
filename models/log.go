package models

import "time"

// ClosedLog is a log that a forced restore ended, as far as it was restored.
type ClosedLog struct {
	Number int
	Size   int64
	Root   [32]byte // RFC 6962 tree hash
	Time   time.Time
	// Checkpoint is the last one known of the log, which may cover entries that
	// were lost; empty when none is.
	Checkpoint []byte
	ClosedAt   time.Time
}

// Suspended counts what a forced restore suspended.
type Suspended struct {
	Recipients int64
	Keys       int64
	Provisions int64
	Requests   int64
	Links      int64
	Sessions   int64
	Tokens     int64
	Accounts   int64
	Jobs       int64
	Webhooks   int64
}

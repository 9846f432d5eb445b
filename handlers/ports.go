package handlers

import "context"

// Health answers the probes of a load balancer.
type Health interface {
	// Ready returns nil when the server may get requests, else why not, in words
	// without internals.
	Ready(ctx context.Context) error
}

// LedgerReader is the read side of the ledger.
type LedgerReader interface{}

package handlers

import (
	"context"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
	"teikyo/models"
)

// Health answers the probes of a load balancer.
type Health interface {
	// Ready says whether the server may get requests, in words without
	// internals.
	Ready(ctx context.Context) Readiness
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Ready    bool             `json:"ready"`
	Checks   []ReadinessCheck `json:"checks"`
	Warnings []string         `json:"warnings,omitempty"` // what is risky, but no reason to stop
}

// ReadinessCheck is one thing that must be well.
type ReadinessCheck struct {
	Name    string `json:"name"` // database, clock, second_place, disk
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
}

// LedgerReader is the read side of the ledger; *database.DB.
type LedgerReader interface {
	// Entries lists by index; the cursor is the last index seen.
	Entries(ctx context.Context, f models.EntryFilter, page models.Page) ([]ledger.Record, error)
	// Receipt proves an entry once the second place covers it.
	Receipt(ctx context.Context, index int64) ([]byte, error)
	// HashReader reads the stored hashes, of which tiles are made.
	HashReader(ctx context.Context) tlog.HashReader
}

// Answers keeps answers for requests that are repeated; *database.DB.
type Answers interface {
	// BeginAnswer takes the key of a request for its account, or returns what is
	// kept under it, after removing what is older than before.
	BeginAnswer(ctx context.Context, a models.KeptAnswer, before time.Time) (found models.KeptAnswer, taken bool, err error)
	// EndAnswer keeps the answer under the key that was taken.
	EndAnswer(ctx context.Context, a models.KeptAnswer) error
	// ForgetAnswer gives the key free again.
	ForgetAnswer(ctx context.Context, a models.KeptAnswer) error
}

// Issuer is what the organisation publishes about itself and its ledger.
type Issuer interface {
	// IssuerFile is the issuer file, canonical JSON.
	IssuerFile() ([]byte, error)
	// Checkpoint is the newest signed checkpoint that the second place holds;
	// nil when there is none yet.
	Checkpoint() []byte
}

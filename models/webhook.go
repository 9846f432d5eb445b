package models

import "time"

// WebhookState is where a webhook stands.
type WebhookState string

// The states of a webhook. A disabled one gets nothing until somebody enables it;
// then it goes on where it stopped.
const (
	WebhookActive   WebhookState = "active"
	WebhookDisabled WebhookState = "disabled"
)

// Webhook is an address that is told of events.
type Webhook struct {
	ID          string
	URL         string // may hold a token of the receiver: never in logs or jobs
	Description string
	Kinds       []string // of events; empty: every kind
	RecipientID string   // empty: events of all recipients
	State       WebhookState
	Reason      string // why it is disabled
	// NextIndex is the ledger entry that it gets next.
	NextIndex    int64
	FailingSince time.Time // zero while it works
	LastSuccess  time.Time
	LastError    string
	CreatedBy    string
	CreatedAt    time.Time
}

// WebhookSecret is a wrapped signing secret of a webhook.
type WebhookSecret struct {
	ID        string // of the webhook, a dot and the version
	WebhookID string
	Version   int64
	KEKID     string
	Wrapped   []byte
	ExpiresAt time.Time // zero: it does not end
}

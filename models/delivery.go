package models

import "time"

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states of a delivery. Sent means that the target took every byte, confirmed
// that it was asked afterwards and holds them.
const (
	DeliveryQueued    DeliveryState = "queued"
	DeliverySending   DeliveryState = "sending"
	DeliverySent      DeliveryState = "sent"
	DeliveryConfirmed DeliveryState = "confirmed"
	DeliveryFailed    DeliveryState = "failed"
	DeliveryCancelled DeliveryState = "cancelled"
)

// DeliveryStates are all states.
func DeliveryStates() []DeliveryState {
	return []DeliveryState{DeliveryQueued, DeliverySending, DeliverySent, DeliveryConfirmed, DeliveryFailed, DeliveryCancelled}
}

// Ended reports whether nothing more happens by itself.
func (s DeliveryState) Ended() bool {
	return s == DeliverySent || s == DeliveryConfirmed || s == DeliveryFailed || s == DeliveryCancelled
}

// Delivery is the carrying of a provision's parcel to a destination.
type Delivery struct {
	ID            string
	ProvisionID   string
	RecipientID   string
	DestinationID string
	Method        Method
	JobID         string
	State         DeliveryState
	Paused        bool // a person stopped it for now
	// ManifestSHA256 is of the parcel that FilesDone speaks of.
	ManifestSHA256 string

	Files     int // of the parcel; 0 until the first attempt
	FilesDone int // in the order in which they are sent
	Bytes     int64
	BytesDone int64 // that the target acknowledged
	Rate      int64 // bytes a second, of late
	Attempts  int

	LastError string // in words, without secrets
	Reason    string // of a person who cancelled it
	QueuedAt  time.Time
	StartedAt time.Time
	UpdatedAt time.Time
	EndedAt   time.Time
}

// DeliveryFilter chooses deliveries; empty fields choose all.
type DeliveryFilter struct {
	RecipientID   string
	ProvisionID   string
	DestinationID string
	State         DeliveryState
}

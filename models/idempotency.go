package models

import "time"

// KeptAnswer is the answer to a request that was sent with an Idempotency-Key,
// so that a repetition gets it again instead of doing the work twice.
type KeptAnswer struct {
	Actor       string // account that sent the request
	Key         string // chosen by the client, unique for the account
	Route       string // method and pattern of the address
	RequestHash string // SHA-256 of address and body, hex
	Status      int    // HTTP status; 0 while there is no answer
	ContentType string
	Body        []byte // empty when the answer held a secret
	At          time.Time
}

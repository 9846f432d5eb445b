// Package events tells other programs what happened: a feed that they read at
// their own pace, signed webhooks, and syslog. All three are views of the ledger,
// so nothing can be in one and not in the other, and all three carry identifiers
// alone: who is allowed to asks the API for the rest.
//
// The durable queue that webhooks and syslog run on is package jobs; the rows are
// in package database.
package events

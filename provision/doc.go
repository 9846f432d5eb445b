// Package provision gives data to recipients: the public notice, requests,
// their approval by a second person, and the provision that an approval makes.
//
// The way of a provision: request.go (somebody asks; gate.go says what may go to
// whom) → approve.go (another person) → fulfil.go, one path for every method:
// new headers and a signed manifest are made durable, then the row and its
// ledger entries are committed together, then the receipt is fetched. parcel.go
// is the one reader of parcels, and nothing passes it without a ledger receipt.
//
// The way of a download, all of it in Links: link.go (somebody makes a link) →
// session.go (its holder redeems it) → open.go (every request asks for all rights
// again) → watch.go (what ended early is cut) → transfer.go (what went out is
// summed up in the ledger).
//
// What a parcel is made of stands in package provision/parcel, data and their
// versions in package dataset, recipients, agreements and keys in package
// recipient.
package provision

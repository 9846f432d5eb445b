// Package disposal destroys what must not be kept any longer, by two people: the
// contents of dataset versions with their keys, the details of ledger entries, the
// personal data of organisations that are no partners any more, and the records of
// provisions whose retention has ended. One person proposes, an independent second
// one confirms, each thing can be held back with a reason, and what is confirmed is
// carried out whatever happens: after a crash the next start goes on with it. In
// the end there is a signed certificate of destruction.
//
// It also knows how long each kind of records stays (retention.go), and removes by
// itself what nobody needs any more and no record speaks of (purge.go).
package disposal

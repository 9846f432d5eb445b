// Package evidence is the form of an evidence pack and its check: everything
// that shows how a few provisions came about, chosen by a rule that anybody can
// repeat, in a folder that verifies without a network and without the server.
// Packs are made by package audit.
//
// Three things hold a pack together. SHA256SUMS names every file, and the
// issuer's manifest key signed it. Every ledger entry in it comes with its proof
// up to a signed checkpoint. And what the entries vouch for (the record, the
// facts that were approved, the agreement's document, the notice of that day,
// the manifest) is compared with them, so that not even a signer could put
// another document beside them. The population that a sample was drawn from
// (population.txt) is the issuer's word alone: an auditor compares it with the
// register of provisions of the period.
package evidence

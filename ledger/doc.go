// Package ledger is the tamper-evident record of everything that was done with
// a dataset, a recipient or a key: a Merkle tree (RFC 6962, computed by
// golang.org/x/mod/sumdb/tlog) whose checkpoints are signed and leave the
// machine before the act they speak of takes effect.
//
// The package is pure. It knows leaves, hashes, checkpoints and proofs; package
// database keeps them and appends an entry in the transaction of the row it
// speaks of. Verify needs neither a server nor a network.
//
// An entry has two parts. The leaf is hashed into the tree and stays for ever:
// it holds ids, times and the salted digest of the details. The details, which
// may name people, stand beside it and may be redacted after their retention
// has ended, by an entry that says who did it and why.
//
// Callers keep one order: commit, then Publisher.Wait, then let the receipt or
// the first byte go.
package ledger

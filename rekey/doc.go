// Package rekey keeps the keys under which identifiers are replaced, one for
// each named domain (a recipient, a project, a release), and the list of people
// who objected (DOMAIN.md 1.1; docs/deidentification.md).
//
// A key is 32 random bytes under the key-encryption key. It stays the same for
// all releases of its domain, differs from that of every other, and can be
// destroyed: the pseudonyms that were made with it can then neither be made
// again nor traced, and its domain is used up.
//
// Who transforms files away from the server gets keys and objections in a
// Bundle, sealed to an age key; each such export is in the ledger. A Bundle made
// without a server works too. Of people who objected only keyed hashes of their
// source keys are kept, here and in a Bundle.
package rekey

// Package dataset holds the use cases around datasets: make a draft, stream
// files into it, register it (after which it is frozen), read and search,
// withdraw, recall, waive findings of the gate, and sweep what is left over.
//
// The way of a file: package intake seals it in one pass into write-once
// segments while the de-identification gate looks at it; register.go turns the reports into
// passes and freezes the version together with its ledger entry. Who receives a
// version is the business of package provision.
package dataset

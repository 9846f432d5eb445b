// Package intake brings files into drafts of package dataset: it streams a body
// once, seals it into write-once segments (packages crypto and storage), keeps
// what is needed to go on after a break, and feeds the same bytes to the
// de-identification gate (package deid). desk.go says what it needs, upload.go
// is the pass, rows.go what it writes down, source.go the body that is held to
// its announcement, gate.go the check beside it.
package intake

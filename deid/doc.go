// Package deid is the de-identification gate: no dataset enters with an
// identifier in it (DESIGN.md, the sentence at the top; DOMAIN.md 4).
//
// Check streams one file and makes a Report; NewPass turns a stored Report, the
// live waivers and the hash of the file into a Pass, without which nothing is
// registered. CheckText looks at words that people type: titles, descriptions,
// file paths.
//
// The formats that the gate reads stand in formats.go. Every other one, recognised
// by its contents and never by its file name, gets the verdict WaiverRequired.
//
// Its neighbours: deid/table turns bytes into cells (encoding, dialect,
// quoting); deid/recognise knows what an identifier looks like, by the name of
// a column and by value, one file per recogniser. A new format is one file here
// that feeds columns; a new recogniser is one file there.
//
// What the gate cannot see is listed in each report (NotLookedAt): it scans
// free text for forms, it does not understand it.
package deid

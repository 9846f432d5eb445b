// Package archive looks into ZIP and tar archives and into gzip and Zstandard
// files. Each file inside is checked as if it stood alone, by the formats of the
// gate, and what is found carries its place: "!/data/claims.csv". Limits hold for
// an archive with everything inside it, archives in archives included: the number
// of files, the bytes they unfold to, how many times the packed size that is, and
// how deep they are nested.
//
// Refused by their contents are programs (package program), entries that need a
// password, links and devices, names that leave the folder or mean two files, and
// archives whose directory says something else than their entries (package
// zipfile). Archives are checked, not transformed.
package archive

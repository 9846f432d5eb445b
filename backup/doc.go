// Package backup writes and reads the one file that holds everything of a server
// but its objects: every row of the database in one state, the ledger with it,
// the issuer file, checkpoints, settings without secrets, and the list of
// objects. Keys are in it only when they are sealed to a key that is kept
// elsewhere.
//
// The file is a tar archive that stock tools open. Rows are JSON lines, the same
// whichever database they come from, so that a backup of one is restored into
// another. What fills a database and what reads one stands in database; who may
// ask for it stands in cmd/teikyo.
package backup

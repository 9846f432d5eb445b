// Package database keeps everything that is not an object or a key: the only
// importer of GORM. It runs on SQLite (the embedded default) and PostgreSQL
// with the same code. Every change goes through Update, which appends the
// ledger entries of the change in the same transaction, head row last.
//
// Rows have their own types here (unexported, one per table) and are translated
// from and to package models; times are stored as UTC microseconds, 0 for none.
package database

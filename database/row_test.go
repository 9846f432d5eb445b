package database

import (
	"context"
	"testing"
)

// What reads one row must give an error, and not panic, when it comes too late.
func TestOneRowTooLate(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.RevocationCounter(gone); err == nil {
		t.Error("no error after the context ended")
	}
	db.Close()
	if _, err := db.RevocationCounter(t.Context()); err == nil {
		t.Error("no error after the database was closed")
	}
	if _, err := db.EntryIndex(t.Context(), "link", "l-1", "link.issued"); err == nil {
		t.Error("no error after the database was closed")
	}
}

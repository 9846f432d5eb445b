package rekey_test

import (
	"testing"

	"teikyo/database/dbtest"
)

// What holds on SQLite holds on PostgreSQL.
func TestOnPostgres(t *testing.T) {
	t.Parallel()
	dbtest.Again(t)
}

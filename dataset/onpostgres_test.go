package dataset_test

import (
	"testing"

	"teikyo/database/dbtest"
	"teikyo/storage/s3/s3test"
)

// What holds on SQLite holds on PostgreSQL; what survives faults there has its
// objects in a bucket.
func TestOnPostgres(t *testing.T) {
	t.Parallel()
	if dbtest.OnPostgres() {
		return
	}
	dbtest.Again(t, s3test.Lend(t))
}

package database

import "context"

// Revoke counts an early end in the transaction of ctx, so that every node
// notices within its polling interval (DESIGN decision 12).
func (db *DB) Revoke(ctx context.Context) error {
	err := db.mutate(ctx).Exec("UPDATE revocation SET counter = counter + 1 WHERE id = 1").Error
	return db.fault(err, "the end could not be recorded")
}

// RevocationCounter is the number of early ends so far.
func (db *DB) RevocationCounter(ctx context.Context) (int64, error) {
	var n int64
	err := db.conn(ctx).Raw("SELECT counter FROM revocation WHERE id = 1").Row().Scan(&n)
	return n, translate(err, "the revocation counter cannot be read")
}

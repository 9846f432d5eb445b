package database

import (
	"context"
	"time"
)

// takeTurn moves the time when all turns of a key are free again one turn on, unless
// that would be further ahead than all turns together; excluded.due is one turn from
// now. The clock is the database's: those of nodes differ. A row that lies further
// ahead than turns can is of a clock that was wrong.
const takeTurn = `INSERT INTO redeem_turns AS t (key, due)
	VALUES (?, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + ?)
	ON CONFLICT (key) DO UPDATE
	SET due = CASE WHEN t.due > excluded.due + ? THEN excluded.due ELSE greatest(t.due + ?, excluded.due) END
	WHERE t.due + ? <= excluded.due + ? OR t.due > excluded.due + ?`

// turnFree says in how many microseconds a turn that was refused becomes free.
const turnFree = `SELECT due - ? - (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM redeem_turns WHERE key = ?`

// TakeTurn counts an attempt of key for all nodes of the database and says how
// long it has to wait, zero when it may go on: burst attempts at once, then one
// every interval. An attempt that has to wait does not count. On SQLite this
// process is the only one and counts for itself: the wait is always zero.
//
// It changes no record, so it waits for no other change of the database.
func (db *DB) TakeTurn(ctx context.Context, key string, every time.Duration, burst int) (wait time.Duration, err error) {
	const failed = "the server cannot count attempts now; try again"
	if !db.isPostgres() {
		return 0, nil
	}
	if err := db.dead.check(); err != nil {
		return 0, err
	}
	one, most := every.Microseconds(), every.Microseconds()*int64(burst)
	done := db.write.WithContext(ctx).Exec(takeTurn, key, one, most, one, 2*one, most, most)
	if done.Error != nil || done.RowsAffected == 1 {
		return 0, translate(done.Error, failed)
	}
	left := one
	err = db.write.WithContext(ctx).Raw(turnFree, most-one, key).Scan(&left).Error
	return time.Duration(max(left, 1000)) * time.Microsecond, translate(err, failed)
}

package database

import (
	"database/sql"

	"gorm.io/gorm"
)

// scanRow reads the one row of a query, or gives sql.ErrNoRows. GORM's own Row
// panics when its statement cannot be prepared, because the context has ended or
// the database is closed (gorm 1.31, prepare_stmt.go).
func scanRow(query *gorm.DB, dest ...any) error {
	rows, err := query.Rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := rows.Scan(dest...); err != nil {
		return err
	}
	return rows.Close()
}

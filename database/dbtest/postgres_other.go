//go:build !unix

package dbtest

import "testing"

// Postgres skips: the throw-away cluster needs Unix sockets.
func Postgres(t testing.TB) string {
	t.Skip("the throw-away PostgreSQL needs Unix sockets")
	return ""
}

func shared(t testing.TB) string { return Postgres(t) }

// SQL skips, as Postgres does.
func SQL(t testing.TB, _ string, _ ...string) string { return Postgres(t) }

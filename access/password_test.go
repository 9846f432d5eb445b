package access_test

import (
	"testing"

	"teikyo/access"
	"teikyo/database/dbtest"
	"teikyo/models"
)

func TestChangePassword(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.first(t)
	manager := b.join(t, first, "m@example.jp", models.Manager)
	const next = "another long pass phrase of theirs"
	refused(t, b.ChangePassword(t.Context(), access.Actor{}, password, next), models.Denied, "")
	refused(t, b.ChangePassword(t.Context(), manager, "not the present one", next), models.Denied, "present password is wrong")
	refused(t, b.ChangePassword(t.Context(), manager, password, "short"), models.Invalid, "")
	check(t, b.try(t, "m@example.jp", password, ""))
	b.pass(access.SessionLife)
	held := b.signIn(t, "m@example.jp")
	check(t, b.ChangePassword(t.Context(), manager, password, next))
	if !dbtest.OnPostgres() && b.holds(t, next) { // those files are another program's
		t.Error("the password stands in the database")
	}
	if _, err := b.Authenticate(t.Context(), held.Secret); !models.IsKind(err, models.Denied) {
		t.Errorf("a token of before still works: %v", err)
	}
	if err := b.try(t, "m@example.jp", password, ""); err == nil {
		t.Error("the old password still works")
	}
	b.pass(access.SessionLife)
	check(t, b.try(t, "m@example.jp", next, ""))
	if whats := b.whats(t); whats[len(whats)-1] != "password changed" {
		t.Errorf("the ledger says %v", whats)
	}
}

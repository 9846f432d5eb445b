package access_test

import (
	"strings"
	"testing"

	"teikyo/access"
	"teikyo/models"
)

func TestDisableShutsOutAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.first(t)
	manager := b.join(t, admin, "m@example.jp", models.Manager)
	secret := b.signIn(t, "m@example.jp").Secret
	before, err := b.db.RevocationCounter(t.Context())
	check(t, err)

	_, err = b.Disable(t.Context(), admin, manager.UserID)
	check(t, err)
	after, err := b.db.RevocationCounter(t.Context())
	check(t, err)
	if after == before {
		t.Error("nodes are not told")
	}
	_, err = b.Authenticate(t.Context(), secret)
	refused(t, err, models.Denied, "not valid")
	_, err = b.SignIn(t.Context(), access.Actor{Address: "192.0.2.7"}, access.Credentials{Email: "m@example.jp", Password: password})
	refused(t, err, models.Denied, "wrong")
	_, err = b.Disable(t.Context(), admin, manager.UserID)
	refused(t, err, models.Conflict, "disabled")

	_, err = b.Enable(t.Context(), admin, manager.UserID)
	check(t, err)
	_, err = b.Enable(t.Context(), admin, manager.UserID)
	refused(t, err, models.Conflict, "only a disabled one")
	_, err = b.Authenticate(t.Context(), secret)
	refused(t, err, models.Denied, "not valid")
	b.signIn(t, "m@example.jp")
	want := "set up, invited, accepted, disabled, enabled"
	if got := strings.Join(b.whats(t), ", "); got != want {
		t.Errorf("ledger: %s", got)
	}
}

func TestResetDropsPasswordTokensAndConfirmation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.first(t)
	manager := b.join(t, admin, "m@example.jp", models.Manager)
	b.confirm(t, admin, manager)
	secret := b.signIn(t, "m@example.jp").Secret
	user, code, err := b.Reset(t.Context(), admin, manager.UserID)
	check(t, err)
	if user.Confirmed() || !user.ConfirmedAt.IsZero() || user.PasswordHash != "" || user.State != models.UserInvited {
		t.Errorf("%+v", user)
	}
	_, err = b.Authenticate(t.Context(), secret)
	refused(t, err, models.Denied, "not valid")
	_, err = b.Accept(t.Context(), code, "another long password")
	check(t, err)
	_, err = b.SignIn(t.Context(), access.Actor{}, access.Credentials{Email: "m@example.jp", Password: password})
	refused(t, err, models.Denied, "wrong")
}

func TestNobodyChangesThemselves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.first(t)
	_, err := b.Disable(t.Context(), admin, admin.UserID)
	refused(t, err, models.Denied, "own account")
	_, _, err = b.Reset(t.Context(), admin, admin.UserID)
	refused(t, err, models.Denied, "own account")
	_, err = b.SetRole(t.Context(), admin, admin.UserID, models.Auditor, "")
	refused(t, err, models.Denied, "own account")
	if got := len(b.whats(t)); got != 1 {
		t.Errorf("%d entries", got)
	}
}

func TestOneConfirmedAdministratorStays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.first(t)
	second := b.join(t, first, "second@example.jp", models.Administrator)
	for name, act := range map[string]func() error{
		"disable": func() error { _, err := b.Disable(t.Context(), second, first.UserID); return err },
		"reset":   func() error { _, _, err := b.Reset(t.Context(), second, first.UserID); return err },
		"role": func() error {
			_, err := b.SetRole(t.Context(), second, first.UserID, models.Manager, "")
			return err
		},
	} {
		if err := act(); !models.IsKind(err, models.Conflict) || !strings.Contains(err.Error(), "would be left") {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.confirm(t, first, second)
	wins := inParallel(2, func(i int) error {
		pair := []access.Actor{first, second}
		_, err := b.Disable(t.Context(), pair[i], pair[1-i].UserID)
		return err
	}, func(err error) { refused(t, err, models.Conflict, "would be left") })
	if wins != 1 {
		t.Errorf("%d of two administrators disabled the other", wins)
	}
}

func TestSetRole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.first(t)
	person := b.join(t, admin, "r@example.ac.jp", models.RecipientUser)
	secret := b.signIn(t, "r@example.ac.jp").Secret
	entries := len(b.whats(t))
	_, err := b.SetRole(t.Context(), admin, person.UserID, models.RecipientUser, person.RecipientID) // as it is
	check(t, err)
	if len(b.whats(t)) != entries {
		t.Error("no change was recorded as one")
	}
	_, err = b.SetRole(t.Context(), admin, person.UserID, models.Auditor, person.RecipientID)
	refused(t, err, models.Invalid, "only the role recipient")
	_, err = b.SetRole(t.Context(), admin, person.UserID, models.Auditor, "")
	check(t, err)
	if a := b.actor(t, secret); a.Role != models.Auditor || a.RecipientID != "" {
		t.Errorf("the token still has the old role: %+v", a)
	}
}

// Every use case about accounts, by role, on an absent account: who has no right
// learns nothing.
func TestAbsentAccounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.first(t)
	acts := map[string]func(access.Actor) error{
		"show":    func(a access.Actor) error { _, err := b.User(t.Context(), a, "u-nobody"); return err },
		"confirm": func(a access.Actor) error { _, err := b.Confirm(t.Context(), a, "u-nobody"); return err },
		"disable": func(a access.Actor) error { _, err := b.Disable(t.Context(), a, "u-nobody"); return err },
		"enable":  func(a access.Actor) error { _, err := b.Enable(t.Context(), a, "u-nobody"); return err },
		"reset":   func(a access.Actor) error { _, _, err := b.Reset(t.Context(), a, "u-nobody"); return err },
		"role": func(a access.Actor) error {
			_, err := b.SetRole(t.Context(), a, "u-nobody", models.Auditor, "")
			return err
		},
	}
	person := access.Actor{UserID: "u-x", Role: models.RecipientUser, RecipientID: "r-x"}
	manager := access.Actor{UserID: "u-x", Role: models.Manager}
	for name, act := range acts {
		for _, tt := range []struct {
			actor access.Actor
			want  models.ErrorKind
		}{{admin, models.NotFound}, {person, models.NotFound}, {manager, models.Denied}, {access.Actor{}, models.Denied}} {
			if err := act(tt.actor); !models.IsKind(err, tt.want) {
				t.Errorf("%s by %s: %v, want %s", name, tt.actor.Role, err, tt.want)
			}
		}
	}
	_, err := b.User(t.Context(), person, admin.UserID)
	refused(t, err, models.NotFound, "not found")
}

func TestUsersPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.first(t)
	for _, name := range []string{"a", "b", "c", "d"} { // all at the same instant
		_, _, err := b.Invite(t.Context(), admin, access.Invitation{Email: name + "@example.jp", Name: name, Role: models.Auditor})
		check(t, err)
	}
	seen := map[string]bool{}
	page := models.Page{Limit: 2}
	for {
		users, err := b.Users(t.Context(), admin, page)
		check(t, err)
		for _, u := range users {
			if seen[u.ID] {
				t.Fatalf("%s twice", u.ID)
			}
			seen[u.ID] = true
			page.After = models.TimeCursor(u.CreatedAt, u.ID)
		}
		if len(users) < 2 {
			break
		}
	}
	if len(seen) != 5 {
		t.Errorf("%d accounts", len(seen))
	}
	_, err := b.Users(t.Context(), admin, models.Page{After: "' OR 1=1"})
	refused(t, err, models.Invalid, "cursor")
}

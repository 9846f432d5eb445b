package access_test

import (
	"testing"

	"teikyo/access"
	"teikyo/models"
)

// pair wants an answer of Pair: "shown", "not shown", or words of the refusal.
func (b *bench) pair(t *testing.T, requester, approver access.Actor, want string) {
	t.Helper()
	got, err := b.Pair(t.Context(), requester.UserID, approver.UserID)
	if err != nil {
		refused(t, err, models.Denied, want)
		return
	}
	if string(got) != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func (b *bench) confirm(t *testing.T, by, who access.Actor) models.User {
	t.Helper()
	u, err := b.Confirm(t.Context(), by, who.UserID)
	check(t, err)
	return u
}

func TestPairWhileFewAdministrators(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.first(t)
	manager := b.join(t, first, "m@example.jp", models.Manager)
	b.pair(t, first, first, "themselves")
	b.pair(t, manager, first, "not shown") // the first one is confirmed alone
	b.pair(t, first, manager, "not confirmed")
	if u := b.confirm(t, first, manager); !u.SoleConfirmed {
		t.Fatal("confirmed by its inviter, and not marked so")
	}
	b.pair(t, first, manager, "not shown")

	second := b.join(t, first, "second@example.jp", models.Administrator)
	_, err := b.Confirm(t.Context(), second, manager.UserID)
	refused(t, err, models.Denied, "your own account is not confirmed")
	_, err = b.Confirm(t.Context(), second, second.UserID)
	refused(t, err, models.Denied, "their own account")
	b.confirm(t, first, second)
	if u := b.confirm(t, second, manager); u.SoleConfirmed {
		t.Fatal("an independent confirmation did not replace the other")
	}
	b.pair(t, first, manager, "not shown") // two administrators are not enough
	entries := len(b.whats(t))
	b.confirm(t, first, second) // again: nothing changes
	b.confirm(t, first, manager)
	if len(b.whats(t)) != entries {
		t.Fatal("a repeated confirmation was recorded")
	}
}

// three is a server with three administrators who confirmed each other.
func three(t *testing.T) (b *bench, a1, a2, a3 access.Actor) {
	t.Helper()
	b = setup(t)
	a1 = b.first(t)
	a2 = b.join(t, a1, "second@example.jp", models.Administrator)
	b.confirm(t, a1, a2)
	a3 = b.join(t, a1, "third@example.jp", models.Administrator)
	if u := b.confirm(t, a2, a3); u.SoleConfirmed {
		t.Fatal("the second did not count as another administrator")
	}
	return b, a1, a2, a3
}

func TestPairWithThreeAdministrators(t *testing.T) {
	t.Parallel()
	b, a1, a2, a3 := three(t)
	b.pair(t, a1, a3, "shown")
	b.pair(t, a3, a2, "must confirm it") // alone until now
	b.pair(t, a3, a1, "must confirm it")
	b.confirm(t, a3, a2)
	b.confirm(t, a3, a1)
	b.pair(t, a3, a2, "shown")
	b.pair(t, a2, a1, "shown")

	manager := b.join(t, a1, "m@example.jp", models.Manager)
	b.pair(t, a2, manager, "not confirmed")
	b.pair(t, manager, a2, "shown")           // nobody of the two touched the other
	b.pair(t, manager, a1, "must confirm it") // approval by whoever invited the requester
	_, err := b.Confirm(t.Context(), a1, manager.UserID)
	refused(t, err, models.Denied, "you invited")
	b.confirm(t, a2, manager)
	b.pair(t, manager, a1, "shown")
	b.pair(t, a1, manager, "shown")
}

func TestPairOfRecipientPeople(t *testing.T) {
	t.Parallel()
	b, a1, a2, a3 := three(t)
	b.confirm(t, a3, a1)
	person := b.join(t, a1, "r@example.ac.jp", models.RecipientUser)
	b.pair(t, person, a1, "must confirm it")
	b.pair(t, person, a3, "shown")
	b.pair(t, a1, person, "may not approve")
	b.confirm(t, a2, person)
	b.pair(t, person, a1, "shown")
	b.pair(t, a1, person, "may not approve")
}

// Whoever had a hand in an account stays known until somebody else confirms it,
// even when another person had one after them.
func TestPairAfterResetAndRoleChange(t *testing.T) {
	t.Parallel()
	b, a1, a2, a3 := three(t)
	b.confirm(t, a3, a1)
	b.confirm(t, a3, a2)
	a4 := b.join(t, a1, "fourth@example.jp", models.Administrator)
	b.confirm(t, a2, a4)
	manager := b.join(t, a4, "m@example.jp", models.Manager)
	b.confirm(t, a3, manager)
	b.pair(t, manager, a1, "shown")

	_, err := b.SetRole(t.Context(), a1, manager.UserID, models.Auditor, "")
	check(t, err)
	_, err = b.SetRole(t.Context(), a2, manager.UserID, models.Manager, "")
	check(t, err)
	b.pair(t, a3, manager, "not confirmed")
	b.pair(t, manager, a1, "must confirm it")
	b.pair(t, manager, a2, "must confirm it")
	b.pair(t, manager, a3, "shown")
	for _, touched := range []access.Actor{a1, a2, a4} {
		_, err = b.Confirm(t.Context(), touched, manager.UserID)
		refused(t, err, models.Denied, "you invited, reset or changed")
	}
	b.confirm(t, a3, manager)
	b.pair(t, manager, a1, "shown")
	b.pair(t, a1, manager, "shown")

	// A confirmation clears the slate: only who comes after it counts.
	_, code, err := b.Reset(t.Context(), a3, manager.UserID)
	check(t, err)
	b.pair(t, a1, manager, "may not approve") // invited again
	_, err = b.Confirm(t.Context(), a1, manager.UserID)
	refused(t, err, models.Conflict, "accepted")
	_, err = b.Accept(t.Context(), code, password)
	check(t, err)
	b.confirm(t, a1, manager)
	b.pair(t, a2, manager, "shown")
}

func TestPairOfUnknownAndDisabled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.first(t)
	manager := b.join(t, first, "m@example.jp", models.Manager)
	b.confirm(t, first, manager)
	b.pair(t, access.Actor{UserID: "u-nobody"}, manager, "no account")
	b.pair(t, manager, access.Actor{UserID: "u-nobody"}, "no account")
	b.pair(t, access.SystemActor(), manager, "no account")
	b.pair(t, access.Actor{}, access.Actor{}, "themselves")
	auditor := b.join(t, first, "a@example.jp", models.Auditor)
	b.confirm(t, first, auditor)
	b.pair(t, manager, auditor, "may not approve")
	_, err := b.Disable(t.Context(), first, manager.UserID)
	check(t, err)
	b.pair(t, first, manager, "may not approve")
	b.pair(t, manager, first, "not shown") // who asked and left still asked
}

// One administrator who takes a colleague out for a moment, and confirms an
// account of their own making alone, does not get a second one that counts as
// independent.
func TestOneAdministratorDoesNotMakeTwoPeople(t *testing.T) {
	t.Parallel()
	b, a1, a2, a3 := three(t)
	b.confirm(t, a3, a2)
	b.confirm(t, a3, a1)
	for _, other := range []access.Actor{a2, a3} {
		_, err := b.Disable(t.Context(), a1, other.UserID)
		check(t, err)
	}
	x := b.join(t, a1, "x@example.jp", models.Administrator)
	if u := b.confirm(t, a1, x); !u.SoleConfirmed {
		t.Fatal("confirmed by its inviter, and not marked so")
	}
	for _, other := range []access.Actor{a2, a3} {
		_, err := b.Enable(t.Context(), a1, other.UserID)
		check(t, err)
	}
	y := b.join(t, a1, "y@example.jp", models.Manager)
	if u := b.confirm(t, x, y); !u.SoleConfirmed {
		t.Fatal("an account confirmed alone vouches for another")
	}
	b.pair(t, a1, y, "must confirm it")
	b.confirm(t, a2, y) // somebody who had no hand in it
	b.pair(t, a1, y, "shown")
}

// Once three administrators were independent, one of them who resets the other two,
// and so can become the people behind their accounts, does not make a pair that is
// shown to be independent, however the accounts confirm each other.
func TestOneAdministratorCannotRebuildThePair(t *testing.T) {
	t.Parallel()
	b, a1, a2, a3 := three(t)
	b.confirm(t, a3, a2)
	b.confirm(t, a3, a1)
	for _, other := range []access.Actor{a2, a3} {
		_, code, err := b.Reset(t.Context(), a1, other.UserID)
		check(t, err)
		_, err = b.Accept(t.Context(), code, password)
		check(t, err)
	}
	for _, other := range []access.Actor{a2, a3} {
		if u := b.confirm(t, a1, other); !u.SoleConfirmed {
			t.Fatal("who reset an account confirmed it, and it is not marked so")
		}
	}
	b.pair(t, a2, a1, "not shown") // work goes on, and its records say so
	x := b.join(t, a2, "x@example.jp", models.Administrator)
	y := b.join(t, x, "y@example.jp", models.Administrator)
	for _, c := range []struct{ by, who access.Actor }{{a1, x}, {a3, x}, {a2, y}, {x, y}, {a1, y}, {y, x}, {x, a2}, {y, a3}, {a3, a2}} {
		if u := b.confirm(t, c.by, c.who); !u.SoleConfirmed {
			t.Fatalf("%s confirmed %s independently", c.by.UserID, c.who.UserID)
		}
	}
	for _, approver := range []access.Actor{a2, a3, x, y} {
		b.pair(t, a1, approver, "not shown")
	}
}

// Who stays independent confirms whom a colleague reset, as before.
func TestResetOfOneIsConfirmedByAnother(t *testing.T) {
	t.Parallel()
	b, a1, a2, a3 := three(t)
	b.confirm(t, a3, a2)
	b.confirm(t, a3, a1)
	_, code, err := b.Reset(t.Context(), a1, a2.UserID)
	check(t, err)
	_, err = b.Accept(t.Context(), code, password)
	check(t, err)
	_, err = b.Confirm(t.Context(), a1, a2.UserID)
	refused(t, err, models.Denied, "you invited, reset or changed")
	if u := b.confirm(t, a3, a2); u.SoleConfirmed {
		t.Fatal("an independent confirmation did not count")
	}
	b.pair(t, a1, a2, "shown")
}

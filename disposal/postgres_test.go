package disposal_test

import (
	"testing"

	"teikyo/database/dbtest"
	"teikyo/models"
)

// The same on PostgreSQL: every statement of destroying, of the yearly disposal and
// of what goes by itself.
func TestOnPostgres(t *testing.T) {
	t.Parallel()
	h := setupOn(t, dbtest.Postgres(t))
	h.db.KeepYears(h.s.Policy.EntryYears)
	p := h.pair()
	h.destroy(p.first)
	h.check()
	_, err := h.data.Withdraw(t.Context(), mia, p.second.DatasetID, 2, "old")
	h.must(err)
	if _, err := h.s.SetRetention(t.Context(), ana, models.SignInRecords, 1, "less"); err != nil {
		t.Error(err)
	}
	index := h.application("Sato")
	h.pass(7, 1)
	due, err := h.s.DueIn(t.Context(), aud, 2033)
	h.must(err)
	if want := 3; len(due.Items) != want { // the second version and both provisions
		t.Errorf("due: %s", names(due.Items))
	}
	d, err := h.s.ProposeYear(t.Context(), mia, 2033, "end of the year", nil)
	h.must(err)
	if d, err = h.s.Confirm(t.Context(), ben, d.ID, ""); err != nil || d.State != models.DisposalDone {
		t.Fatal(d.State, err)
	}
	if d, err = h.s.ProposeRedact(t.Context(), ana, index, "retention ended"); err != nil {
		t.Fatal(err)
	}
	if d, err = h.s.Confirm(t.Context(), ben, d.ID, ""); err != nil || d.State != models.DisposalDone {
		t.Fatal(d.State, err)
	}
	if state := h.version(p.second).State; state != models.VersionDestroyed {
		t.Error(state)
	}
	if _, err := h.s.Purge(t.Context()); err != nil {
		t.Error(err)
	}
	h.checkLedger()
}

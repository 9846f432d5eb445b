package provision_test

import (
	"context"
	"io"
	"testing"

	"teikyo/models"
	"teikyo/storage"
)

// meanwhile does something while a parcel is being stored.
type meanwhile struct {
	storage.Store
	do func()
}

func (m *meanwhile) Put(ctx context.Context, key string, r io.Reader, size int64) (int64, error) {
	n, err := m.Store.Put(ctx, key, r, size)
	m.do()
	return n, err
}

func TestThePeopleAreAskedAgainWhenTheParcelIsMade(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, part string
		kind       models.ErrorKind
		edit       func(u *models.User)
	}{
		{"disabled", "may not approve", models.Denied, func(u *models.User) { u.State = models.UserDisabled }},
		{"another role", "may not approve", models.Denied, func(u *models.User) { u.Role = models.Auditor }},
		{"reset", "not confirmed", models.Denied, func(u *models.User) { u.ConfirmedBy = "" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := w.provided()
			req, err := w.svc.Submit(t.Context(), w.mia, w.draft("ds-claims"))
			w.must(err)
			other, _ := w.addKey("k-second", true)
			w.svc.Objects = &meanwhile{w.svc.Objects, func() {
				ben, err := w.db.User(t.Context(), "u-ben")
				w.must(err)
				c.edit(&ben)
				w.save(func(ctx context.Context) error { return w.db.SaveUser(ctx, ben) })
			}}
			_, err = w.svc.Approve(t.Context(), w.ben, req.ID, "")
			wantError(t, err, c.kind, c.part)
			after, err := w.db.Request(t.Context(), req.ID)
			w.must(err)
			if after.State != models.RequestSubmitted {
				t.Errorf("the request is %s", after.State)
			}
			ben, err := w.db.User(t.Context(), "u-ben")
			w.must(err)
			ben.State, ben.Role, ben.ConfirmedBy = models.UserActive, models.Administrator, "u-other"
			w.save(func(ctx context.Context) error { return w.db.SaveUser(ctx, ben) })
			_, err = w.svc.Reissue(t.Context(), w.ben, d.Provision.ID, other.Fingerprint)
			wantError(t, err, c.kind, c.part)
			w.check()
		})
	}
}

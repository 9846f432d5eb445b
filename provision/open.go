package provision

import (
	"context"
	"io"
	"iter"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision/parcel"
)

// door is a download session that was found open: until its end, and as long as
// nobody ended anything early. It does not change; a later look makes a new one.
type door struct {
	session models.DownloadSession
	link    models.Link
	prov    models.Provision
	reader  *parcel.Reader
	end     time.Time // the earliest of all rights
	counter int64     // of revocations, read before the look
}

// stands reports whether what the look found is still true.
func (d *door) stands(counter int64, now time.Time) bool {
	return d != nil && d.counter == counter && now.Before(d.end)
}

func errNoSession() error {
	return models.Errorf(models.NotFound, "there is no such download; redeem the link again")
}

// Visit is one request of a download session, after all rights were asked.
type Visit struct {
	*door
	links *Links
}

// Enter opens a download session for one request. It asks, at every request,
// whether link, provision, recipient, agreement, key and account still stand,
// and waits until the second place knows that the session was opened. An
// unknown secret is NotFound, a session that has ended Expired.
func (s *Links) Enter(ctx context.Context, secret string) (*Visit, error) {
	if !wellFormedSecret(secret) {
		return nil, errNoSession()
	}
	counter, err := s.Store.RevocationCounter(ctx)
	if err != nil {
		return nil, err
	}
	hash := crypto.HashSecret(secret)
	doors := s.state().doors
	known := doors.known(hash)
	if known.stands(counter, s.now()) {
		return &Visit{door: known, links: s}, nil
	}
	session, err := s.Store.DownloadSessionByHash(ctx, hash)
	if models.IsKind(err, models.NotFound) {
		return nil, errNoSession()
	}
	if err != nil {
		return nil, err
	}
	d, err := s.look(ctx, session, counter, known)
	if err != nil {
		return nil, err
	}
	doors.keep(hash, d)
	return &Visit{door: d, links: s}, nil
}

// look asks everything that a session depends on. before, which may be nil,
// spares opening the same parcel again.
func (s *Links) look(ctx context.Context, session models.DownloadSession, counter int64, before *door) (*door, error) {
	d := &door{session: session, counter: counter}
	if err := s.rights(ctx, d); err != nil {
		return nil, err
	}
	if before != nil && before.prov.ManifestSHA256 == d.prov.ManifestSHA256 {
		d.reader = before.reader
		return d, nil
	}
	opened, err := s.Store.EntryIndex(ctx, "session", session.ID, ledger.DownloadOpened)
	if models.IsKind(err, models.NotFound) {
		err = models.Wrap(models.Integrity, err, "the ledger does not know this download; tell the issuer")
	}
	if err != nil {
		return nil, err
	}
	if _, err := s.Store.Published(ctx, opened); err != nil {
		return nil, err
	}
	d.reader, err = s.Parcels.Parcel(ctx, d.prov)
	return d, err
}

// rights fills in what the session stands on and until when, or says what ended.
func (s *Links) rights(ctx context.Context, d *door) error {
	var err error
	if d.link, err = s.Store.Link(ctx, d.session.LinkID); err != nil {
		return err
	}
	now := s.now()
	if err := s.usable(d.link, now); err != nil {
		return err
	}
	if d.prov, err = s.Store.Provision(ctx, d.session.ProvisionID); err != nil {
		return err
	}
	if d.end, err = s.Parcels.Live(ctx, d.prov, now); err != nil {
		return err
	}
	if d.link.ExpiresAt.Before(d.end) {
		d.end = d.link.ExpiresAt
	}
	switch d.link.Bind {
	case models.BindKey:
		if d.session.Holder != d.prov.KeyFingerprint {
			return models.Errorf(models.Expired, "the provision was reissued to another key; redeem the link again with that key")
		}
	case models.BindLogin:
		return s.stillMember(ctx, d.session)
	}
	return nil
}

// stillMember asks whether the account that redeemed a link could do it again.
func (s *Links) stillMember(ctx context.Context, session models.DownloadSession) error {
	user, err := s.Store.User(ctx, session.Holder)
	if err != nil {
		return err
	}
	actor := access.Actor{UserID: user.ID, Role: user.Role, RecipientID: user.RecipientID}
	if user.State != models.UserActive || access.Can(actor, access.RedeemLink, access.Of(session.RecipientID)) != nil {
		return models.Errorf(models.Expired, "the account that opened this download may not fetch it any more; ask the issuer")
	}
	return nil
}

// Provision is what is fetched.
func (v *Visit) Provision() models.Provision { return v.prov }

// Link is the link that was redeemed.
func (v *Visit) Link() models.Link { return v.link }

// Ends is when the session ends by itself.
func (v *Visit) Ends() time.Time { return v.end }

// Entries yields every file of the parcel by path.
func (v *Visit) Entries(ctx context.Context) iter.Seq2[parcel.Entry, error] {
	return v.reader.Entries(ctx)
}

// Stat finds the file at a path of the parcel; nothing but an exact match counts.
func (v *Visit) Stat(ctx context.Context, path string) (parcel.Entry, error) {
	return v.reader.Stat(ctx, path)
}

// Open reads length bytes of a file from offset.
func (v *Visit) Open(ctx context.Context, e parcel.Entry, offset, length int64) (io.ReadCloser, error) {
	return v.reader.Open(ctx, e, offset, length)
}

// Hold gives a context that ends when the right to these bytes does, whatever
// way it ends; its cause is then an Expired error. Call release when the bytes
// are out.
func (v *Visit) Hold(ctx context.Context) (held context.Context, release func()) {
	ended := models.Errorf(models.Expired, "the download ended at %s", v.end.Format(time.RFC3339))
	ctx, stopTimer := context.WithTimeoutCause(ctx, v.end.Sub(v.links.now()), ended)
	ctx, cancel := context.WithCancelCause(ctx)
	leave := v.links.state().doors.hold(v.door, cancel)
	return ctx, func() {
		leave()
		cancel(nil)
		stopTimer()
	}
}

// Record notes that n bytes of a file were sent from an offset. It is written
// down in a moment, together with others.
func (v *Visit) Record(ctx context.Context, path string, from, n int64) {
	v.links.record(ctx, models.Transfer{SessionID: v.session.ID, Path: path, From: from, Bytes: n, At: v.links.now()})
}

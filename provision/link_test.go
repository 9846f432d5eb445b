package provision_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
	"teikyo/provision"
)

// fetching is a world with a provision, and links to it.
type fetching struct {
	*world
	prov  models.Provision
	links *provision.Links
	stop  func() // of the links' loop
}

// newFetching makes the links, whose loop runs until the test ends.
func newFetching(t testing.TB) *fetching {
	t.Helper()
	f := &fetching{world: newWorld(t)}
	f.prov = f.provided().Provision
	f.links = f.newLinks()
	f.stop = f.run(f.links)
	return f
}

func (f *fetching) newLinks() *provision.Links {
	return &provision.Links{
		Store: f.db, Parcels: f.svc, Keys: f.keys, Texts: f.svc.Texts, PublicURL: "https://data.hospital.example",
		AllowUnbound: true, TTL: 72 * time.Hour, MaxTTL: 30 * 24 * time.Hour, Now: f.clock.now, Rand: rand.Reader,
		Failed: func(err error) {
			if !errors.Is(err, context.Canceled) {
				f.t.Errorf("in the background: %v", err)
			}
		},
	}
}

// run runs the loop of links; the result stops it and waits.
func (f *fetching) run(links *provision.Links) (stop func()) {
	f.db.OnRevoke(links.Wake)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = links.Run(ctx) })
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); wg.Wait() }) }
	f.t.Cleanup(stop)
	return stop
}

// check stops the loop, which must not write meanwhile, and verifies the ledger.
func (f *fetching) check() {
	f.t.Helper()
	f.stop()
	f.world.check()
}

// link makes a link of the provision and returns its token.
func (f *fetching) link(bind models.LinkBind, uses int) (models.Link, string) {
	f.t.Helper()
	made, err := f.links.Create(f.t.Context(), f.mia, provision.LinkDraft{ProvisionID: f.prov.ID, Bind: bind, Uses: uses})
	f.must(err)
	token, ok := strings.CutPrefix(made.URL, "https://data.hospital.example/d/")
	if !ok {
		f.t.Fatalf("the link is %q", made.URL)
	}
	return made.Link, token
}

// session redeems a new link that anybody can use.
func (f *fetching) session() (secret string, l models.Link) {
	f.t.Helper()
	l, token := f.link(models.BindNone, 1)
	got, err := f.links.Redeem(f.t.Context(), token, provision.Redeemer{Page: true})
	f.must(err)
	return secretOf(got.Path), l
}

func secretOf(path string) string {
	return strings.Trim(strings.TrimPrefix(path, provision.SessionPath), "/")
}

// entries are the ledger's entries of a kind about a thing.
func (f *fetching) entries(kind ledger.Kind, noun, id string) []ledger.Record {
	f.t.Helper()
	list, err := f.db.Entries(context.Background(), models.EntryFilter{Kind: string(kind), Noun: noun, ID: id}, models.Page{Limit: 500})
	f.must(err)
	return list
}

// await asks until it is so. Whatever waits for it runs on real time.
func (f *fetching) await(what string, so func() bool) {
	f.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !so() {
		select {
		case <-tick.C:
		case <-limit:
			f.t.Fatalf("never: %s", what)
		}
	}
}

func TestLinksThatAreRefused(t *testing.T) {
	t.Parallel()
	f := newFetching(t)
	f.links.AllowUnbound = false
	foreign := access.Actor{UserID: "u-other", Role: models.RecipientUser, RecipientID: "r-other"}
	auditor := access.Actor{UserID: "u-aud", Role: models.Auditor}
	for _, c := range []struct {
		name  string
		actor access.Actor
		draft provision.LinkDraft
		kind  models.ErrorKind
		part  string
	}{
		{"of no provision", f.mia, provision.LinkDraft{ProvisionID: "p-aaaaaaaaaaaaaaaa"}, models.NotFound, "not found"},
		{"by somebody unknown", access.Actor{}, provision.LinkDraft{ProvisionID: f.prov.ID}, models.Denied, "sign in"},
		{"by an auditor", auditor, provision.LinkDraft{ProvisionID: f.prov.ID}, models.Denied, "may not create a link"},
		{"by another recipient", foreign, provision.LinkDraft{ProvisionID: f.prov.ID}, models.NotFound, "not found"},
		{"for anybody", f.mia, provision.LinkDraft{ProvisionID: f.prov.ID, Bind: models.BindNone}, models.Invalid, "allow_unbound"},
		{"unknown binding", f.mia, provision.LinkDraft{ProvisionID: f.prov.ID, Bind: "face"}, models.Invalid, "key, login, none"},
		{"no use", f.mia, provision.LinkDraft{ProvisionID: f.prov.ID, Uses: -1}, models.Invalid, "1 to 1000"},
		{"too many uses", f.mia, provision.LinkDraft{ProvisionID: f.prov.ID, Uses: 1001}, models.Invalid, "1 to 1000"},
		{"too short", f.mia, provision.LinkDraft{ProvisionID: f.prov.ID, TTL: time.Millisecond}, models.Invalid, "one second"},
		{"backwards", f.mia, provision.LinkDraft{ProvisionID: f.prov.ID, TTL: -time.Hour}, models.Invalid, "one second"},
		{"too long", f.mia, provision.LinkDraft{ProvisionID: f.prov.ID, TTL: 31 * 24 * time.Hour}, models.Invalid, "links.max_ttl"},
	} {
		_, err := f.links.Create(t.Context(), c.actor, c.draft)
		if t.Logf("%s", c.name); err == nil {
			t.Error("it was made")
		}
		wantError(t, err, c.kind, c.part)
	}
	if _, err := f.svc.Revoke(t.Context(), f.mia, f.prov.ID, "wrong data"); err != nil {
		t.Fatal(err)
	}
	_, err := f.links.Create(t.Context(), f.mia, provision.LinkDraft{ProvisionID: f.prov.ID})
	wantError(t, err, models.Expired, "revoked")
	list, err := f.links.List(t.Context(), f.mia, models.LinkFilter{}, models.Page{})
	if err != nil || len(list) != 0 || len(f.entries(ledger.LinkIssued, "provision", f.prov.ID)) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
	f.check()
}

func TestALinkEndsWithItsProvision(t *testing.T) {
	t.Parallel()
	f := newFetching(t)
	f.links.MaxTTL = 10_000 * time.Hour
	made, err := f.links.Create(t.Context(), f.rex, provision.LinkDraft{ProvisionID: f.prov.ID, TTL: 9_000 * time.Hour})
	f.must(err)
	if !made.Link.ExpiresAt.Equal(f.prov.Until) || made.Link.Bind != models.BindKey || made.Link.MaxUses != 3 {
		t.Errorf("made %+v, the provision ends %s", made.Link, f.prov.Until)
	}
	if n := len(made.URL); n > 400 {
		t.Errorf("the link has %d characters; mail programs cut long ones", n)
	}
	f.clock.add(f.prov.Until.Sub(monday) - 1500*time.Millisecond)
	made, err = f.links.Create(t.Context(), f.mia, provision.LinkDraft{ProvisionID: f.prov.ID})
	if err != nil || !made.Link.ExpiresAt.Equal(f.prov.Until) {
		t.Errorf("made %+v, %v", made.Link, err)
	}
	f.clock.add(2 * time.Second)
	_, err = f.links.Create(t.Context(), f.mia, provision.LinkDraft{ProvisionID: f.prov.ID})
	wantError(t, err, models.Expired, "ended")
	f.check()
}

// The limit is exact however many try at once.
func TestALinkIsRedeemedExactlySoOften(t *testing.T) {
	t.Parallel()
	f := newFetching(t)
	l, token := f.link(models.BindKey, 3)
	var mu sync.Mutex
	var wg sync.WaitGroup
	kinds := map[models.ErrorKind]int{}
	for range 100 {
		wg.Go(func() {
			_, err := f.links.Redeem(context.Background(), token, provision.Redeemer{Agent: "curl"})
			mu.Lock()
			defer mu.Unlock()
			kinds[models.KindOf(err)]++
		})
	}
	wg.Wait()
	if kinds[""] != 3 || kinds[models.Expired] != 97 {
		t.Errorf("answers %v", kinds)
	}
	stored, err := f.db.Link(t.Context(), l.ID)
	if err != nil || stored.Uses != 3 {
		t.Errorf("uses %d, %v", stored.Uses, err)
	}
	sessions, err := f.db.OpenDownloadSessions(t.Context(), time.Time{}, models.Page{})
	if opened := f.entries(ledger.DownloadOpened, "link", l.ID); err != nil || len(opened) != 3 || len(sessions) != 3 {
		t.Errorf("%d entries, %d sessions, %v", len(opened), len(sessions), err)
	}
	_, err = f.links.Page(t.Context(), token)
	wantError(t, err, models.Expired, "used as often")
	f.check()
}

func TestLookingChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFetching(t)
	l, token := f.link(models.BindKey, 2)
	before, err := f.db.Head(t.Context())
	f.must(err)
	for range 5 {
		page, err := f.links.Page(t.Context(), token)
		f.must(err)
		if page.UsesLeft != 2 || page.Provider != origin || page.Record.DatasetTitle == "" || page.Statement["ja"] == "" || !page.Ends.Equal(l.ExpiresAt) {
			t.Fatalf("shown %+v", page)
		}
	}
	after, err := f.db.Head(t.Context())
	if err != nil || after.Size != before.Size {
		t.Errorf("the ledger grew from %d to %d, %v", before.Size, after.Size, err)
	}
}

// Only who can open the sealed answer learns the secret, which is nowhere else.
func TestTheSessionComesSealedToTheKey(t *testing.T) {
	t.Parallel()
	f := newFetching(t)
	l, token := f.link(models.BindKey, 3)
	_, err := f.links.Redeem(t.Context(), token, provision.Redeemer{Page: true})
	wantError(t, err, models.Conflict, "teikyo get")
	got, err := f.links.Redeem(t.Context(), token, provision.Redeemer{Actor: access.Actor{Address: "192.0.2.7"}, Agent: "teikyo\n/1"})
	f.must(err)
	if got.Path != "" {
		t.Error("the session is in clear")
	}
	text, err := crypto.OpenSmall(got.Sealed, f.identity, 1<<10)
	f.must(err)
	lines := strings.Split(string(text), "\n")
	if len(lines) != 6 || lines[0] != "teikyo-session-v1" || lines[1] != origin || lines[2] != l.ID || lines[3] != f.prov.ID || lines[5] != "" {
		t.Fatalf("sealed %q", lines)
	}
	_, other := f.addKey("k-other", false)
	if _, err := crypto.OpenSmall(got.Sealed, other, 1<<10); err == nil {
		t.Error("another key opens it")
	}
	_, err = f.links.Enter(t.Context(), secretOf(lines[4]))
	f.must(err)
	opened := f.entries(ledger.DownloadOpened, "link", l.ID)
	if len(opened) != 1 {
		t.Fatalf("%d entries", len(opened)) // the page's attempt spent no use
	}
	want := `{"address":"192.0.2.7","agent":"teikyo/1","bind":"key","holder":"` + f.key.Fingerprint + `"}`
	if string(opened[0].Details) != want || opened[0].IDs["actor"] != "anonymous" {
		t.Errorf("entry %v %s", opened[0].IDs, opened[0].Details)
	}
	f.check()
}

func TestLinksForPeopleOfTheRecipient(t *testing.T) {
	t.Parallel()
	f := newFetching(t)
	_, token := f.link(models.BindLogin, 3)
	for _, c := range []struct {
		actor access.Actor
		kind  models.ErrorKind
	}{
		{access.Actor{}, models.Denied},
		{f.mia, models.Denied},
		{access.Actor{UserID: "u-x", Role: models.RecipientUser, RecipientID: "r-other"}, models.NotFound},
	} {
		if _, err := f.links.Redeem(t.Context(), token, provision.Redeemer{Actor: c.actor}); !models.IsKind(err, c.kind) {
			t.Errorf("%+v: %v", c.actor, err)
		}
	}
	got, err := f.links.Redeem(t.Context(), token, provision.Redeemer{Actor: f.rex, Page: true})
	f.must(err)
	visit, err := f.links.Enter(t.Context(), secretOf(got.Path))
	f.must(err)
	held, release := visit.Hold(t.Context())
	defer release()
	f.save(func(ctx context.Context) error {
		rex, err := f.db.User(ctx, f.rex.UserID)
		rex.State = models.UserDisabled
		return errors.Join(err, f.db.SaveUser(ctx, rex), f.db.Revoke(ctx))
	})
	<-held.Done()
	wantError(t, context.Cause(held), models.Expired, "account")
	_, err = f.links.Enter(t.Context(), secretOf(got.Path))
	wantError(t, err, models.Expired, "account")
}

// Every token that is no genuine one of a link that can be used is refused,
// without a word about which links exist.
func TestTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	f := newFetching(t)
	l, token := f.link(models.BindNone, 1)
	claims := crypto.LinkClaims{
		Recipient: l.RecipientID, Link: l.ID, Provision: l.ProvisionID, IssuedAt: l.NotBefore, NotBefore: l.NotBefore, Expires: l.ExpiresAt,
	}
	signed := func(change func(*crypto.LinkClaims)) string {
		c := claims
		change(&c)
		text, err := crypto.SignLink(f.keys.LinkKey(), origin, "dl", c)
		f.must(err)
		return text
	}
	for name, bad := range map[string]string{
		"empty": "", "no token": "hello", "cut": token[:len(token)-1], "longer": token + "A",
		"changed":           strings.Replace(token, token[40:41], string(token[40]^1), 1),
		"unknown link":      signed(func(c *crypto.LinkClaims) { c.Link = "l-aaaaaaaaaaaaaaaa" }),
		"another provision": signed(func(c *crypto.LinkClaims) { c.Provision = "p-aaaaaaaaaaaaaaaa" }),
		"another recipient": signed(func(c *crypto.LinkClaims) { c.Recipient = "r-aaaaaaaaaaaaaaaa" }),
		"a later end":       signed(func(c *crypto.LinkClaims) { c.Expires = c.Expires.Add(time.Hour) }),
	} {
		_, err := f.links.Redeem(t.Context(), bad, provision.Redeemer{})
		if !models.IsKind(err, models.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.clock.add(-time.Hour)
	_, err := f.links.Redeem(t.Context(), token, provision.Redeemer{})
	wantError(t, err, models.Conflict, "not valid yet")
	f.clock.add(l.ExpiresAt.Sub(monday) + time.Hour)
	_, err = f.links.Redeem(t.Context(), token, provision.Redeemer{})
	wantError(t, err, models.Expired, "expired")
	f.clock.add(-time.Hour)
	_, err = f.links.Revoke(t.Context(), f.rex, l.ID)
	f.must(err)
	_, err = f.links.Redeem(t.Context(), token, provision.Redeemer{})
	wantError(t, err, models.Expired, "revoked")
	_, err = f.links.Revoke(t.Context(), f.mia, l.ID)
	wantError(t, err, models.Conflict, "revoked already")
	if n := len(f.entries(ledger.LinkRevoked, "link", l.ID)); n != 1 {
		t.Errorf("%d entries", n)
	}
	f.check()
}

// However a right ends, running transfers are told at once and new requests are
// refused.
func TestDownloadsEndWithEveryRight(t *testing.T) {
	t.Parallel()
	for name, end := range newWorld(t).ends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFetching(t)
			f.endsBy(end.part, func() {
				f.clock.add(time.Minute)
				f.save(func(ctx context.Context) error { return errors.Join(f.ends()[name].act(ctx), f.db.Revoke(ctx)) })
			})
		})
	}
	for name, c := range map[string]struct {
		part string
		act  func(f *fetching, l models.Link) error
	}{
		"link revoked": {"link was revoked", func(f *fetching, l models.Link) error {
			_, err := f.links.Revoke(t.Context(), f.mia, l.ID)
			return err
		}},
		"provision revoked": {"provision is revoked", func(f *fetching, _ models.Link) error {
			_, err := f.svc.Revoke(t.Context(), f.mia, f.prov.ID, "wrong data")
			return err
		}},
		"link expired": {"expired", func(f *fetching, l models.Link) error {
			f.clock.add(l.ExpiresAt.Sub(f.clock.now()))
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFetching(t)
			secret, l := f.session()
			f.endsFor(secret, c.part, func() { f.must(c.act(f, l)) })
		})
	}
}

func (f *fetching) endsBy(part string, act func()) {
	f.t.Helper()
	secret, _ := f.session()
	f.endsFor(secret, part, act)
}

// endsFor checks that an act ends a session: its transfers, its requests, and
// that its end is recorded once.
func (f *fetching) endsFor(secret, part string, act func()) {
	f.t.Helper()
	visit, err := f.links.Enter(f.t.Context(), secret)
	f.must(err)
	held, release := visit.Hold(f.t.Context())
	defer release()
	visit.Record(f.t.Context(), "README.txt", 0, 10)
	act()
	start := time.Now()
	<-held.Done()
	if took := time.Since(start); took > time.Second {
		f.t.Errorf("it took %s", took)
	}
	wantError(f.t, context.Cause(held), models.Expired, part)
	_, err = f.links.Enter(f.t.Context(), secret)
	wantError(f.t, err, models.Expired, part)
	release()
	closed := func() []ledger.Record { return f.entries(ledger.DownloadClosed, "provision", f.prov.ID) }
	f.await("the session is closed", func() bool { return len(closed()) > 0 })
	var d struct {
		Why      string `json:"why"`
		Sent     int64  `json:"bytes_sent"`
		Covered  int64  `json:"bytes_covered"`
		Complete bool   `json:"all_bytes_fetched"`
	}
	f.must(json.Unmarshal(closed()[0].Details, &d))
	if len(closed()) != 1 || d.Sent != 10 || d.Covered != 10 || d.Complete || !strings.Contains(d.Why, part) {
		f.t.Errorf("%d entries, the first %+v", len(closed()), d)
	}
	f.check()
}

// A reissue gives new headers for another key: who fetches the old ones stops.
func TestReissueEndsTheOldDownload(t *testing.T) {
	t.Parallel()
	f := newFetching(t)
	_, keyToken := f.link(models.BindKey, 3)
	got, err := f.links.Redeem(t.Context(), keyToken, provision.Redeemer{})
	f.must(err)
	text, err := crypto.OpenSmall(got.Sealed, f.identity, 1<<10)
	f.must(err)
	bound := secretOf(strings.Split(string(text), "\n")[4])
	open, _ := f.session()
	visit, err := f.links.Enter(t.Context(), open)
	f.must(err)
	held, release := visit.Hold(t.Context())
	defer release()
	key, _ := f.addKey("k-second", false)
	_, err = f.svc.Reissue(t.Context(), f.ana, f.prov.ID, key.Fingerprint)
	f.must(err)
	<-held.Done()
	wantError(t, context.Cause(held), models.Expired, "reissued")
	_, err = f.links.Enter(t.Context(), bound)
	wantError(t, err, models.Expired, "reissued to another key")
	if _, err = f.links.Enter(t.Context(), open); err != nil { // the new parcel
		t.Error(err)
	}
	f.check()
}

func TestSessionsOutliveTheServer(t *testing.T) {
	t.Parallel()
	f := newFetching(t)
	secret, _ := f.session()
	visit, err := f.links.Enter(t.Context(), secret)
	f.must(err)
	before := f.fetch(visit)
	f.stop()
	f.restart()
	f.links = f.newLinks()
	f.run(f.links)
	visit, err = f.links.Enter(t.Context(), secret)
	f.must(err)
	if after := f.fetch(visit); len(after) != len(before) || after["data/tests/blood.csv.age"] != before["data/tests/blood.csv.age"] {
		t.Error("the parcel is another one")
	}
	for _, bad := range []string{"", "x", secret[:42], secret + "A", strings.Repeat("A", 43), strings.Repeat("=", 43), "../" + secret[3:]} {
		_, err := f.links.Enter(t.Context(), bad)
		if !models.IsKind(err, models.NotFound) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// fetch reads every file of a visit and notes it, as the edge does.
func (f *fetching) fetch(visit *provision.Visit) map[string]string {
	f.t.Helper()
	got := map[string]string{}
	for e, err := range visit.Entries(f.t.Context()) {
		f.must(err)
		body, err := visit.Open(f.t.Context(), e, 0, -1)
		f.must(err)
		text, err := io.ReadAll(body)
		f.must(errors.Join(err, body.Close()))
		got[e.Path] = string(text)
		visit.Record(f.t.Context(), e.Path, 0, int64(len(text)))
	}
	return got
}

// When all bytes went out the session is closed in the ledger, once, and can
// still be used.
func TestAllBytesFetchedIsRecorded(t *testing.T) {
	t.Parallel()
	f := newFetching(t)
	secret, l := f.session()
	visit, err := f.links.Enter(t.Context(), secret)
	f.must(err)
	visit.Record(t.Context(), "manifest.json", 0, 5)
	var size, files int64
	for _, text := range f.fetch(visit) {
		size += int64(len(text))
		files++
	}
	closed := func() []ledger.Record { return f.entries(ledger.DownloadClosed, "link", l.ID) }
	f.await("the session is closed", func() bool { return len(closed()) > 0 })
	var d struct {
		Why       string `json:"why"`
		Files     int64  `json:"files"`
		FilesDone int64  `json:"files_whole"`
		Bytes     int64  `json:"bytes"`
		Covered   int64  `json:"bytes_covered"`
		Sent      int64  `json:"bytes_sent"`
		Complete  bool   `json:"all_bytes_fetched"`
	}
	f.must(json.Unmarshal(closed()[0].Details, &d))
	if !d.Complete || d.Files != files || d.FilesDone != files || d.Bytes != size || d.Covered != size || d.Sent != size+5 {
		t.Errorf("recorded %+v; %d files with %d bytes", d, files, size)
	}
	_, err = f.links.Enter(t.Context(), secret)
	f.must(err)
	_, err = f.links.Revoke(t.Context(), f.mia, l.ID)
	f.must(err)
	f.check()
	if n := len(closed()); n != 1 {
		t.Errorf("%d entries", n)
	}
}

// What is not recorded is not lost when the server stops.
func TestTransfersAreWrittenWhenTheServerStops(t *testing.T) {
	t.Parallel()
	f := &fetching{world: newWorld(t)}
	f.prov = f.provided().Provision
	f.links = f.newLinks()
	stop := f.run(f.links)
	secret, l := f.session()
	visit, err := f.links.Enter(t.Context(), secret)
	f.must(err)
	for i := range 700 {
		visit.Record(t.Context(), "NOTICE.txt", int64(i), 1)
	}
	stop()
	n := 0
	sessions, err := f.db.OpenDownloadSessions(t.Context(), time.Time{}, models.Page{})
	if err != nil || len(sessions) != 1 || sessions[0].LinkID != l.ID || strings.Contains(sessions[0].Hash, secret) {
		t.Fatalf("%+v, %v", sessions, err)
	}
	for _, err := range f.db.Transfers(t.Context(), sessions[0].ID) {
		f.must(err)
		n++
	}
	if n != 700 {
		t.Errorf("%d transfers", n)
	}
}

// No byte goes out before the second place knows that the download was opened.
func TestNoByteBeforeTheSecondPlace(t *testing.T) {
	t.Parallel()
	f := newFetching(t)
	_, token := f.link(models.BindNone, 1)
	f.place.Set(ledgertest.Fails)
	got, err := f.links.Redeem(t.Context(), token, provision.Redeemer{})
	f.must(err)
	soon, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = f.links.Enter(soon, secretOf(got.Path))
	wantError(t, err, models.Unavailable, "second place")
	f.place.Set(ledgertest.NoFault)
	_, err = f.links.Enter(t.Context(), secretOf(got.Path))
	f.must(err)
	f.check()
}

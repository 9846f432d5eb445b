package provision

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strings"
	"sync"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision/parcel"
	"teikyo/wording"
)

// linkAudience is the audience of link tokens, kept short: mail programs cut
// long links.
const linkAudience = "dl"

// Uses of a link, and its shortest life.
const (
	defaultUses = 3
	maxUses     = 1000
	minLinkLife = time.Second
)

// LinkStore is where links and download sessions are kept; *database.DB.
type LinkStore interface {
	Changes
	linkRows
	sessionRows
	Provision(ctx context.Context, id string) (models.Provision, error)
	RecipientKey(ctx context.Context, id string) (models.RecipientKey, error)
	User(ctx context.Context, id string) (models.User, error)
	// Published waits until the second place holds a checkpoint that covers the
	// entry.
	Published(ctx context.Context, index int64) ([]byte, error)
	RevocationCounter(ctx context.Context) (int64, error)
}

type linkRows interface {
	AddLink(ctx context.Context, l models.Link) error
	Link(ctx context.Context, id string) (models.Link, error)
	LinkList(ctx context.Context, f models.LinkFilter, page models.Page) ([]models.Link, error)
	UseLink(ctx context.Context, id string, now time.Time) (bool, error)
	RevokeLink(ctx context.Context, id, by string, at time.Time) (bool, error)
}

type sessionRows interface {
	AddDownloadSession(ctx context.Context, s models.DownloadSession) error
	DownloadSession(ctx context.Context, id string) (models.DownloadSession, error)
	DownloadSessionByHash(ctx context.Context, hash string) (models.DownloadSession, error)
	OpenDownloadSessions(ctx context.Context, endedBy time.Time, page models.Page) ([]models.DownloadSession, error)
	CloseDownloadSession(ctx context.Context, id string, at time.Time) (bool, error)
	AddTransfers(ctx context.Context, list []models.Transfer) error
	Transfers(ctx context.Context, sessionID string) iter.Seq2[models.Transfer, error]
}

// Parcels says whether a provision lasts, and reads its parcel; *Service.
type Parcels interface {
	Live(ctx context.Context, prov models.Provision, now time.Time) (time.Time, error)
	Parcel(ctx context.Context, prov models.Provision) (*parcel.Reader, error)
}

// Links lets recipients fetch what was provided: signed links, the sessions that
// redeeming one opens, and the bytes, which stop when any right ends. Every
// field must be set unless it says that it may be zero. Its Run must run.
type Links struct {
	Store   LinkStore
	Parcels Parcels
	Keys    *crypto.SigningKeys
	Texts   *wording.Texts
	// Organisation is the issuer's name for people; the origin of Keys when it
	// is empty.
	Organisation string
	// PublicURL is what links start with, without a slash at the end.
	PublicURL string
	// AllowUnbound permits links that anybody who holds them can redeem.
	AllowUnbound bool
	TTL          time.Duration // of a link when nobody says so
	MaxTTL       time.Duration // the longest
	Now          func() time.Time
	Rand         io.Reader
	// Failed hears of what went wrong in the background; may be nil.
	Failed func(error)
	// Keep is how long records of a class are kept after the end of the provision,
	// in years; nil means ledger.DefaultRetentionYears.
	Keep func(class models.DataClass) int

	once  sync.Once
	doors *doors
	log   *transferLog
}

// LinkDraft is a link that somebody asks for; zero fields take the default.
type LinkDraft struct {
	ProvisionID string
	TTL         time.Duration
	Uses        int
	Bind        models.LinkBind
}

// NewLink is a link with its URL, which is shown this once.
type NewLink struct {
	Link models.Link
	URL  string
}

type linkDetails struct {
	Bind      models.LinkBind `json:"bind"`
	Uses      int             `json:"uses"`
	NotBefore time.Time       `json:"not_before"`
	ExpiresAt time.Time       `json:"expires_at"`
}

type linkRevokedDetails struct {
	Bind models.LinkBind `json:"bind"`
	Used int             `json:"used"`
}

func (s *Links) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// Create makes a link. It ends at the latest when the provision does.
func (s *Links) Create(ctx context.Context, actor access.Actor, d LinkDraft) (NewLink, error) {
	prov, err := s.Store.Provision(ctx, d.ProvisionID)
	object := access.Of(prov.RecipientID)
	if models.IsKind(err, models.NotFound) {
		object, err = access.Absent(), nil
	}
	if can := access.Can(actor, access.CreateLink, object); can != nil {
		return NewLink{}, can
	}
	if err != nil {
		return NewLink{}, err
	}
	link, err := s.draft(d, prov)
	if err != nil {
		return NewLink{}, err
	}
	link.CreatedBy = actor.UserID
	ttl := link.ExpiresAt.Sub(link.NotBefore)
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		end, err := s.end(ctx, prov.ID, link.CreatedAt)
		if err != nil {
			return err
		}
		if link.ExpiresAt = link.NotBefore.Add(ttl); link.ExpiresAt.After(end) {
			link.ExpiresAt = end.Truncate(time.Second)
		}
		if link.ExpiresAt.Sub(link.NotBefore) < minLinkLife {
			return models.Errorf(models.Expired, "the provision ends within this second; nothing can be fetched any more")
		}
		if err := s.Store.AddLink(ctx, link); err != nil {
			return err
		}
		return s.Store.Append(ctx, s.linkEntry(ledger.LinkIssued, link, prov, actor.UserID,
			linkDetails{link.Bind, link.MaxUses, link.NotBefore, link.ExpiresAt}))
	})
	if err != nil {
		return NewLink{}, err
	}
	token, err := s.sign(link)
	return NewLink{Link: link, URL: s.URL(token)}, err
}

// URL is the address of a token's landing page.
func (s *Links) URL(token string) string { return s.PublicURL + "/d/" + token }

// end is when the provision ends, asked inside a transaction.
func (s *Links) end(ctx context.Context, provisionID string, now time.Time) (time.Time, error) {
	prov, err := s.Store.Provision(ctx, provisionID)
	if err != nil {
		return time.Time{}, err
	}
	return s.Parcels.Live(ctx, prov, now)
}

// draft checks what is asked for and fills in the rest. Times of links have
// whole seconds, because tokens do.
func (s *Links) draft(d LinkDraft, prov models.Provision) (models.Link, error) {
	link := models.Link{
		ProvisionID: prov.ID, RecipientID: prov.RecipientID, Bind: d.Bind, MaxUses: d.Uses,
		CreatedAt: s.now(), NotBefore: s.now().Truncate(time.Second),
	}
	if link.Bind == "" {
		link.Bind = models.BindKey
	}
	if link.MaxUses == 0 {
		link.MaxUses = defaultUses
	}
	if d.TTL == 0 {
		d.TTL = s.TTL
	}
	link.ExpiresAt = link.NotBefore.Add(d.TTL.Truncate(time.Second))
	binds := []models.LinkBind{models.BindKey, models.BindLogin, models.BindNone}
	if err := models.CheckCode("binding", link.Bind, binds); err != nil {
		return link, err
	}
	switch {
	case prov.Method != models.Download && prov.Method != models.Email:
		return link, models.Errorf(models.Conflict, "the provision goes by %s; a link is for the methods download and email", prov.Method)
	case link.Bind == models.BindNone && !s.AllowUnbound:
		return link, models.Errorf(models.Invalid, "the operator does not permit links that anybody can use; use --bind key or login, "+
			"or set links.allow_unbound")
	case link.MaxUses < 1 || link.MaxUses > maxUses:
		return link, models.Errorf(models.Invalid, "a link can have 1 to %d uses", maxUses)
	case d.TTL < minLinkLife:
		return link, models.Errorf(models.Invalid, "a link lasts at least one second")
	case d.TTL > s.MaxTTL:
		return link, models.Errorf(models.Invalid, "a link lasts at most %s here (links.max_ttl); choose a shorter --ttl", s.MaxTTL)
	}
	var err error
	link.ID, err = models.NewID(s.Rand, models.LinkID)
	return link, err
}

func (s *Links) sign(l models.Link) (string, error) {
	token, err := crypto.SignLink(s.Keys.LinkKey(), s.Keys.Issuer().Origin, linkAudience, crypto.LinkClaims{
		Recipient: l.RecipientID, Link: l.ID, Provision: l.ProvisionID,
		IssuedAt: l.NotBefore, NotBefore: l.NotBefore, Expires: l.ExpiresAt,
	})
	if err != nil {
		return "", models.Wrap(models.Internal, err, "the link could not be signed")
	}
	return token, nil
}

// linkEntry is an entry about a link; its details stay as long as those of the
// provision.
func (s *Links) linkEntry(kind ledger.Kind, l models.Link, prov models.Provision, actorID string, details any) *ledger.Entry {
	return &ledger.Entry{
		Kind: kind, Details: details, Retain: retention(s.Keep, prov.Class, prov.Until),
		IDs: map[string]string{"link": l.ID, "provision": l.ProvisionID, "recipient": l.RecipientID, "actor": actorID},
	}
}

// link finds a link that the actor may do the act to.
func (s *Links) link(ctx context.Context, actor access.Actor, act access.Act, id string) (models.Link, error) {
	l, err := s.Store.Link(ctx, id)
	object := access.Of(l.RecipientID)
	if models.IsKind(err, models.NotFound) {
		object, err = access.Absent(), nil
	}
	if can := access.Can(actor, act, object); can != nil {
		return models.Link{}, can
	}
	return l, err
}

// Get shows a link, without its URL.
func (s *Links) Get(ctx context.Context, actor access.Actor, id string) (models.Link, error) {
	return s.link(ctx, actor, access.ReadLink, id)
}

// List lists links, the newest first; people of a recipient see their own.
func (s *Links) List(ctx context.Context, actor access.Actor, f models.LinkFilter, page models.Page) ([]models.Link, error) {
	if err := access.Can(actor, access.ReadLink, access.Whole()); err != nil {
		return nil, err
	}
	if actor.Role == models.RecipientUser {
		if f.RecipientID = actor.RecipientID; f.RecipientID == "" {
			return nil, nil
		}
	}
	return s.Store.LinkList(ctx, f, page)
}

// Revoke ends a link and everything that is fetched through it, within a second.
func (s *Links) Revoke(ctx context.Context, actor access.Actor, id string) (models.Link, error) {
	if _, err := s.link(ctx, actor, access.RevokeLink, id); err != nil {
		return models.Link{}, err
	}
	var l models.Link
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		ended, err := s.Store.RevokeLink(ctx, id, actor.UserID, s.now())
		if err != nil {
			return err
		}
		if !ended {
			return models.Errorf(models.Conflict, "the link was revoked already")
		}
		if l, err = s.Store.Link(ctx, id); err != nil {
			return err
		}
		if err := s.Store.Revoke(ctx); err != nil {
			return err
		}
		prov, err := s.Store.Provision(ctx, l.ProvisionID)
		if err != nil {
			return err
		}
		return s.Store.Append(ctx, s.linkEntry(ledger.LinkRevoked, l, prov, actor.UserID, linkRevokedDetails{l.Bind, l.Uses}))
	})
	return l, err
}

// LinkPage is what the holder of a link may know before redeeming it.
type LinkPage struct {
	Link      models.Link
	Provision models.Provision
	Record    Record    // of the provision
	Ends      time.Time // the earliest end
	UsesLeft  int
	Provider  string
	Issuer    IssuerName
	// Statement says what class of information it is, by language.
	Statement map[string]string
}

// IssuerName is how programs know the issuer.
type IssuerName struct{ Origin, Fingerprint string }

// Page looks at a link without changing anything: mail scanners follow links.
// A token that is tampered with or unknown is NotFound, a genuine one that has
// expired, was revoked or is used up is Expired.
func (s *Links) Page(ctx context.Context, token string) (LinkPage, error) {
	p, err := s.open(ctx, token)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(p.Provision.Record, &p.Record); err != nil {
		return p, models.Wrap(models.Integrity, err, "the stored provision record is damaged; tell the issuer")
	}
	issuer := s.Keys.Issuer()
	p.Issuer = IssuerName{issuer.Origin, issuer.Fingerprint()}
	if p.Provider = s.Organisation; p.Provider == "" {
		p.Provider = issuer.Origin
	}
	p.Statement = map[string]string{}
	for _, lang := range wording.Languages() {
		p.Statement[lang] = s.Texts.ClassStatement(string(p.Provision.Class), lang)
	}
	return p, nil
}

func errNoLink() error {
	return models.Errorf(models.NotFound, "there is no such link; check that the address is whole, because mail programs cut long ones")
}

// open finds the link of a token and what it stands on, as far as it may still
// be redeemed.
func (s *Links) open(ctx context.Context, token string) (LinkPage, error) {
	claims, genuine := s.verify(token)
	if claims.Link == "" {
		return LinkPage{}, errNoLink()
	}
	l, err := s.Store.Link(ctx, claims.Link)
	if models.IsKind(err, models.NotFound) ||
		err == nil && (l.ProvisionID != claims.Provision || l.RecipientID != claims.Recipient || !l.ExpiresAt.Equal(claims.Expires)) {
		return LinkPage{}, errNoLink()
	}
	if err != nil {
		return LinkPage{}, err
	}
	if genuine != nil {
		return LinkPage{}, genuine
	}
	if err := s.usable(l, s.now()); err != nil {
		return LinkPage{}, err
	}
	p := LinkPage{Link: l, UsesLeft: l.MaxUses - l.Uses}
	if p.UsesLeft < 1 {
		return LinkPage{}, errUsedUp()
	}
	if p.Provision, err = s.Store.Provision(ctx, l.ProvisionID); err != nil {
		return LinkPage{}, err
	}
	if p.Ends, err = s.Parcels.Live(ctx, p.Provision, s.now()); err != nil {
		return LinkPage{}, err
	}
	if l.ExpiresAt.Before(p.Ends) {
		p.Ends = l.ExpiresAt
	}
	return p, nil
}

func errUsedUp() error {
	return models.Errorf(models.Expired, "the link was used as often as it can be; go on with the session you have, or ask the issuer for a new link")
}

// usable says whether the link itself still counts, for new and for running
// sessions.
func (s *Links) usable(l models.Link, now time.Time) error {
	switch {
	case !l.RevokedAt.IsZero():
		return models.Errorf(models.Expired, "the link was revoked; ask the issuer")
	case !now.Before(l.ExpiresAt):
		return models.Errorf(models.Expired, "the link expired on %s; ask the issuer for a new one", l.ExpiresAt.Format(time.RFC3339))
	case l.Bind == models.BindNone && !s.AllowUnbound:
		return models.Errorf(models.Expired, "links that anybody can use are not permitted any more; ask the issuer for a new one")
	default:
		return nil
	}
}

// verify checks a token's signature and its times. Nothing of a token that is
// not ours is returned.
func (s *Links) verify(token string) (crypto.LinkClaims, error) {
	issuer := s.Keys.Issuer()
	claims, err := crypto.LinkVerifier{
		Keys: issuer.LinkKeys(), Issuer: issuer.Origin, Audience: linkAudience, Now: s.now,
	}.Verify(token)
	switch {
	case err == nil:
		return claims, nil
	case errors.Is(err, crypto.ErrTokenExpired):
		return claims, models.Errorf(models.Expired, "the link expired on %s; ask the issuer for a new one", claims.Expires.Format(time.RFC3339))
	case errors.Is(err, crypto.ErrTokenNotYet):
		return claims, models.Errorf(models.Conflict, "the link is not valid yet; try again later, or ask the issuer about its clock")
	default:
		return crypto.LinkClaims{}, err
	}
}

// clip keeps what a client says about itself within n bytes, on one line.
func clip(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(text) > n {
		text = strings.ToValidUTF8(text[:n], "")
	}
	return text
}

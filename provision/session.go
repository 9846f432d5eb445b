package provision

import (
	"context"
	"encoding/base64"
	"strings"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
)

// SessionPath is where the downloads of a session stand: SessionPath, secret,
// slash, path in the parcel.
const SessionPath = "/dl/"

// linkHolder is who redeemed a link that anybody can use.
const linkHolder = "link holder"

// maxAgent is how much of a client's own name is kept, in bytes.
const maxAgent = 200

// secretLength is the length of a session's secret: 256 bits in base64url.
const secretLength = 43

// sessionTag begins the text that is sealed to the recipient's key.
const sessionTag = "teikyo-session-v1"

// Redeemer is who redeems a link, and how.
type Redeemer struct {
	Actor access.Actor
	Agent string // User-Agent
	// Page says that a browser's form asks, which cannot open what is sealed to
	// a key.
	Page bool
}

// Redeemed is a new download session.
type Redeemed struct {
	LinkPage
	// Path is where to fetch; empty when only the holder of the key may know it.
	Path string
	// Sealed is an age file to the recipient's key with the path in it.
	Sealed []byte
}

type openedDetails struct {
	Holder  string          `json:"holder"`
	Bind    models.LinkBind `json:"bind"`
	Address string          `json:"address,omitempty"`
	Agent   string          `json:"agent,omitempty"`
}

// Redeem spends one use of a link and opens a download session, which lasts as
// long as the link. Use, session and ledger entry are one transaction, so a
// limit cannot be passed however many try at once. The first byte waits until
// the entry is durable in the second place.
func (s *Links) Redeem(ctx context.Context, token string, by Redeemer) (Redeemed, error) {
	page, err := s.Page(ctx, token)
	if err != nil {
		return Redeemed{}, err
	}
	holder, err := redeemer(page, by)
	if err != nil {
		return Redeemed{}, err
	}
	secret, err := crypto.NewSecret(s.Rand)
	if err != nil {
		return Redeemed{}, models.Wrap(models.Internal, err, "no randomness for a session")
	}
	made := Redeemed{LinkPage: page, Path: SessionPath + secret + "/"}
	if page.Link.Bind == models.BindKey {
		if made.Sealed, err = s.sealSession(ctx, page, made.Path); err != nil {
			return Redeemed{}, err
		}
		made.Path = ""
	}
	session := models.DownloadSession{
		LinkID: page.Link.ID, ProvisionID: page.Link.ProvisionID, RecipientID: page.Link.RecipientID,
		Hash: crypto.HashSecret(secret), Holder: holder, OpenedAt: s.now(), Address: by.Actor.Address, Agent: clip(by.Agent, maxAgent),
	}
	if session.ID, err = models.NewID(s.Rand, models.SessionID); err != nil {
		return Redeemed{}, err
	}
	if err := s.spend(ctx, page, session, by.Actor); err != nil {
		return Redeemed{}, err
	}
	made.Link.Uses++
	made.UsesLeft--
	return made, nil
}

// redeemer is who will be known as the holder of the session, when they may
// have it.
func redeemer(p LinkPage, by Redeemer) (string, error) {
	switch p.Link.Bind {
	case models.BindLogin:
		if err := access.Can(by.Actor, access.RedeemLink, access.Of(p.Link.RecipientID)); err != nil {
			return "", err
		}
		return by.Actor.UserID, nil
	case models.BindNone:
		return linkHolder, nil
	default:
		if by.Page {
			return "", models.Errorf(models.Conflict, "this link is bound to a key; fetch it with teikyo get, which can open it")
		}
		return p.Provision.KeyFingerprint, nil
	}
}

// sealSession seals the session's path to the recipient's key: who cannot open
// it cannot fetch. The lines before it say what it is, for whoever opens it.
func (s *Links) sealSession(ctx context.Context, p LinkPage, path string) ([]byte, error) {
	key, err := s.Store.RecipientKey(ctx, p.Provision.KeyID)
	if err != nil {
		return nil, err
	}
	r, err := crypto.ParseRecipient(key.Public)
	if err != nil || r.Fingerprint() != p.Provision.KeyFingerprint {
		return nil, models.Wrap(models.Integrity, err, "the stored recipient key does not have its fingerprint; tell the issuer")
	}
	lines := []string{sessionTag, s.Keys.Issuer().Origin, p.Link.ID, p.Provision.ID, path, ""}
	sealed, err := crypto.SealSmall([]byte(strings.Join(lines, "\n")), r)
	if err != nil {
		return nil, models.Wrap(models.Internal, err, "the session could not be sealed")
	}
	return sealed, nil
}

// spend takes a use and writes session and entry, when all rights still stand.
func (s *Links) spend(ctx context.Context, p LinkPage, session models.DownloadSession, actor access.Actor) error {
	actorID := actor.UserID
	if actorID == "" {
		actorID = "anonymous"
	}
	return s.Store.Update(ctx, func(ctx context.Context) error {
		prov, err := s.Store.Provision(ctx, p.Provision.ID)
		if err != nil {
			return err
		}
		if prov.KeyID != p.Provision.KeyID {
			return models.Errorf(models.Unavailable, "the provision was reissued to another key just now; try again")
		}
		now := s.now()
		if _, err := s.Parcels.Live(ctx, prov, now); err != nil {
			return err
		}
		used, err := s.Store.UseLink(ctx, p.Link.ID, now)
		if err != nil {
			return err
		}
		if !used {
			return s.whyNot(ctx, p.Link.ID)
		}
		if err := s.Store.AddDownloadSession(ctx, session); err != nil {
			return err
		}
		entry := s.linkEntry(ledger.DownloadOpened, p.Link, prov, actorID,
			openedDetails{session.Holder, p.Link.Bind, session.Address, session.Agent})
		entry.IDs["session"] = session.ID
		return s.Store.Append(ctx, entry)
	})
}

// whyNot says why a link that was usable a moment ago is not any more.
func (s *Links) whyNot(ctx context.Context, id string) error {
	l, err := s.Store.Link(ctx, id)
	if err != nil {
		return err
	}
	if err := s.usable(l, s.now()); err != nil {
		return err
	}
	return errUsedUp()
}

// wellFormedSecret keeps what cannot be a secret away from the database.
func wellFormedSecret(secret string) bool {
	_, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	return err == nil && len(secret) == secretLength
}

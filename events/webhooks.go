package events

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
)

// Limits of webhooks.
const (
	MaxWebhooks    = 100
	maxURL         = 500 // bytes
	maxDescription = 200
	maxOverlap     = 30 * 24 * time.Hour
	// DefaultOverlap is how long the old secret signs beside a new one.
	DefaultOverlap = 24 * time.Hour
	// disableAfter is how long a webhook may fail before it is switched off.
	disableAfter = 5 * 24 * time.Hour
)

// WebhookStore keeps webhooks and their jobs; *database.DB.
type WebhookStore interface {
	Ledger
	Update(ctx context.Context, fn func(ctx context.Context) error) error
	Append(ctx context.Context, e *ledger.Entry) error
	AddWebhook(ctx context.Context, w models.Webhook) error
	SaveWebhookState(ctx context.Context, w models.Webhook) error
	AdvanceWebhook(ctx context.Context, id string, from, to int64) (bool, error)
	RemoveWebhook(ctx context.Context, id string) error
	Webhook(ctx context.Context, id string) (models.Webhook, error)
	WebhookList(ctx context.Context, page models.Page) ([]models.Webhook, error)
	WebhooksBehind(ctx context.Context, size int64) ([]models.Webhook, error)
	WebhookSecrets(ctx context.Context, id string, now time.Time) ([]models.WebhookSecret, error)
	AddWebhookSecret(ctx context.Context, s models.WebhookSecret, oldEnd, now time.Time) error
	WebhookJobs
}

// WebhookJobs are the jobs that carry messages.
type WebhookJobs interface {
	AddJob(ctx context.Context, j models.Job) error
	JobList(ctx context.Context, f models.JobFilter, page models.Page) ([]models.Job, error)
	OpenJobs(ctx context.Context, destination string) (int, error)
	CancelJobs(ctx context.Context, destination string, at time.Time) error
	RetryJobs(ctx context.Context, destination string, at time.Time) error
}

// Webhooks tells addresses of events. Every field must be set unless it says that
// it may be zero.
type Webhooks struct {
	Store WebhookStore
	KEK   crypto.KEK
	// Client goes through package egress and follows no redirects.
	Client *http.Client
	Now    func() time.Time
	Rand   io.Reader
	// Recipient says whether there is one with that id.
	Recipient func(ctx context.Context, id string) error
	// Queued is called after messages were queued; may be nil.
	Queued func()
	// Agent is the User-Agent of requests.
	Agent string
	// Failed hears of trouble with queueing; may be nil.
	Failed func(error)
}

// WebhookDraft is a webhook that somebody asks for.
type WebhookDraft struct {
	URL         string
	Description string
	Kinds       []string
	RecipientID string
}

// NewWebhook is a webhook with a secret that is shown this once.
type NewWebhook struct {
	models.Webhook
	Secret string
}

var kindPattern = regexp.MustCompile(`^[a-z]+(\.[a-z]*)?$`)

// Add makes a webhook, which gets what happens from now on.
func (s *Webhooks) Add(ctx context.Context, actor access.Actor, in WebhookDraft) (NewWebhook, error) {
	if err := access.Can(actor, access.ManageWebhook, access.Whole()); err != nil {
		return NewWebhook{}, err
	}
	if err := s.check(ctx, in); err != nil {
		return NewWebhook{}, err
	}
	id, err := models.NewID(s.Rand, models.WebhookID)
	if err != nil {
		return NewWebhook{}, err
	}
	text, secret, err := s.secret(ctx, id, 1)
	if err != nil {
		return NewWebhook{}, err
	}
	w := models.Webhook{
		ID: id, URL: in.URL, Description: in.Description, Kinds: in.Kinds, RecipientID: in.RecipientID,
		State: models.WebhookActive, CreatedBy: actor.UserID, CreatedAt: s.Now(),
	}
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.checkRoom(ctx); err != nil {
			return err
		}
		head, err := s.Store.Head(ctx)
		if err != nil {
			return err
		}
		w.NextIndex = head.Size
		if err := s.Store.AddWebhook(ctx, w); err != nil {
			return err
		}
		if err := s.Store.AddWebhookSecret(ctx, secret, s.Now(), s.Now()); err != nil {
			return err
		}
		return s.Store.Append(ctx, webhookEntry(w, actor.UserID, "webhook.added", ""))
	})
	return NewWebhook{w, text}, err
}

func (s *Webhooks) checkRoom(ctx context.Context) error {
	list, err := s.Store.WebhookList(ctx, models.Page{Limit: MaxWebhooks})
	if err == nil && len(list) >= MaxWebhooks {
		err = models.Errorf(models.Conflict, "there are %d webhooks already; remove one first", len(list))
	}
	return err
}

// check refuses a draft that cannot work. What the address resolves to is looked
// at when it is dialled, each time.
func (s *Webhooks) check(ctx context.Context, in WebhookDraft) error {
	u, err := url.Parse(in.URL)
	switch {
	case err != nil || u.Scheme != "https" || u.Hostname() == "" || len(in.URL) > maxURL || strings.ContainsAny(in.URL, " \t\r\n"):
		return models.Errorf(models.Invalid, "the address must start with https:// and have at most %d bytes", maxURL)
	case u.User != nil || u.Fragment != "":
		return models.Errorf(models.Invalid, "the address must hold no user name, password or #; messages are signed instead")
	case len(in.Description) > maxDescription:
		return models.Errorf(models.Invalid, "the description has at most %d bytes", maxDescription)
	case len(in.Kinds) > 50:
		return models.Errorf(models.Invalid, "name at most 50 kinds; provision. stands for all that begin so")
	}
	for _, kind := range in.Kinds {
		if !kindPattern.MatchString(kind) || !strings.HasSuffix(kind, ".") && !ledger.Kind(kind).Known() {
			return models.Errorf(models.Invalid, "there is no kind %q; see teikyo events list", kind)
		}
	}
	if in.RecipientID == "" {
		return nil
	}
	return s.Recipient(ctx, in.RecipientID)
}

// secret makes a secret and wraps it for its row.
func (s *Webhooks) secret(ctx context.Context, id string, version int64) (string, models.WebhookSecret, error) {
	secret, err := newSecret(s.Rand)
	if err != nil {
		return "", models.WebhookSecret{}, err
	}
	row := models.WebhookSecret{ID: id + "." + itoa(version), WebhookID: id, Version: version}
	row.KEKID, row.Wrapped, err = s.KEK.Wrap(ctx, secret, models.WebhookContext(row.ID))
	if err != nil {
		return "", row, models.Wrap(models.Unavailable, err, "the secret could not be sealed; check the server's keys")
	}
	return secretText(secret), row, nil
}

// webhook finds a webhook that the actor may do the act to.
func (s *Webhooks) webhook(ctx context.Context, actor access.Actor, act access.Act, id string) (models.Webhook, error) {
	w, err := s.Store.Webhook(ctx, id)
	object := access.Of("")
	if models.IsKind(err, models.NotFound) {
		object, err = access.Absent(), nil
	}
	if can := access.Can(actor, act, object); can != nil {
		return models.Webhook{}, can
	}
	return w, err
}

// Show shows a webhook.
func (s *Webhooks) Show(ctx context.Context, actor access.Actor, id string) (models.Webhook, error) {
	return s.webhook(ctx, actor, access.ReadWebhook, id)
}

// List lists webhooks, the newest first.
func (s *Webhooks) List(ctx context.Context, actor access.Actor, page models.Page) ([]models.Webhook, error) {
	if err := access.Can(actor, access.ReadWebhook, access.Whole()); err != nil {
		return nil, err
	}
	return s.Store.WebhookList(ctx, page)
}

// Deliveries lists what was and is to be sent to a webhook, the newest first.
func (s *Webhooks) Deliveries(ctx context.Context, actor access.Actor, id string, state models.JobState, page models.Page) ([]models.Job, error) {
	if _, err := s.webhook(ctx, actor, access.ReadWebhook, id); err != nil {
		return nil, err
	}
	return s.Store.JobList(ctx, models.JobFilter{Destination: destination(id), State: state}, page)
}

// Rotate makes a new secret; the old one signs beside it for a while.
func (s *Webhooks) Rotate(ctx context.Context, actor access.Actor, id string, overlap time.Duration) (NewWebhook, error) {
	w, err := s.webhook(ctx, actor, access.ManageWebhook, id)
	if err != nil {
		return NewWebhook{}, err
	}
	if overlap < 0 || overlap > maxOverlap {
		return NewWebhook{}, models.Errorf(models.Invalid, "the old secret may sign for 30 days at most")
	}
	text := ""
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		now := s.Now()
		secrets, err := s.Store.WebhookSecrets(ctx, id, now)
		if err != nil {
			return err
		}
		version := int64(1)
		if len(secrets) > 0 {
			version = secrets[0].Version + 1
		}
		var row models.WebhookSecret
		if text, row, err = s.secret(ctx, id, version); err != nil {
			return err
		}
		if err := s.Store.AddWebhookSecret(ctx, row, now.Add(overlap), now); err != nil {
			return err
		}
		return s.Store.Append(ctx, webhookEntry(w, actor.UserID, "webhook.rotated", ""))
	})
	return NewWebhook{w, text}, err
}

// Enable lets a disabled webhook go on where it stopped: what failed meanwhile is
// sent again.
func (s *Webhooks) Enable(ctx context.Context, actor access.Actor, id string) (models.Webhook, error) {
	w, err := s.webhook(ctx, actor, access.ManageWebhook, id)
	if err != nil {
		return w, err
	}
	w.State, w.Reason, w.FailingSince, w.LastError = models.WebhookActive, "", time.Time{}, ""
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.Store.SaveWebhookState(ctx, w); err != nil {
			return err
		}
		if err := s.Store.RetryJobs(ctx, destination(id), s.Now()); err != nil {
			return err
		}
		return s.Store.Append(ctx, webhookEntry(w, actor.UserID, "webhook.enabled", ""))
	})
	s.queued()
	return w, err
}

// Remove ends a webhook for good.
func (s *Webhooks) Remove(ctx context.Context, actor access.Actor, id string) error {
	w, err := s.webhook(ctx, actor, access.ManageWebhook, id)
	if err != nil {
		return err
	}
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.Store.RemoveWebhook(ctx, id); err != nil {
			return err
		}
		if err := s.Store.CancelJobs(ctx, destination(id), s.Now()); err != nil {
			return err
		}
		return s.Store.Append(ctx, webhookEntry(w, actor.UserID, "webhook.removed", ""))
	})
	s.queued()
	return err
}

func (s *Webhooks) queued() {
	if s.Queued != nil {
		s.Queued()
	}
}

type webhookDetails struct {
	Change    string   `json:"change"`
	Host      string   `json:"host"` // not the whole address: its path may hold a token
	Kinds     []string `json:"kinds,omitempty"`
	Recipient string   `json:"recipient,omitempty"`
	Reason    string   `json:"reason,omitempty"`
}

func webhookEntry(w models.Webhook, actorID, change, reason string) *ledger.Entry {
	host := ""
	if u, err := url.Parse(w.URL); err == nil {
		host = u.Host
	}
	return &ledger.Entry{
		Kind: ledger.ConfigChanged, IDs: map[string]string{"webhook": w.ID, "actor": actorID},
		Details: webhookDetails{change, host, w.Kinds, w.RecipientID, reason},
	}
}

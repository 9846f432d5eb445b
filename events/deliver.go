package events

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"teikyo/access"
	"teikyo/egress"
	"teikyo/jobs"
	"teikyo/ledger"
	"teikyo/models"
)

// WebhookKind is the kind of jobs that carry a message to a webhook.
const WebhookKind = "webhook"

// Limits of one delivery. The attempts of a message go on for about a day and a
// half, with the pauses of package jobs.
const (
	deliveryTimeout = 15 * time.Second
	maxAnswer       = 64 << 10 // bytes that are read of an answer
	maxAttempts     = 16
	maxRetryAfter   = time.Hour
	maxOpen         = 500 // messages that wait for one webhook; the others wait in the ledger
	spreadBatch     = 100
)

func destination(webhookID string) string { return "webhook:" + webhookID }

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// Run queues messages for what happens, until ctx ends. Several nodes may do it
// at once.
func (s *Webhooks) Run(ctx context.Context, feed *Feed) error {
	look := time.NewTicker(otherNodes)
	defer look.Stop()
	for {
		news := feed.next()
		if err := s.spread(ctx); err != nil && ctx.Err() == nil && s.Failed != nil {
			s.Failed(err)
		}
		select {
		case <-news:
		case <-look.C:
		case <-ctx.Done():
			s.Client.CloseIdleConnections()
			return nil
		}
	}
}

// spread queues what is new for every webhook.
func (s *Webhooks) spread(ctx context.Context) error {
	head, err := s.Store.Head(ctx)
	if err != nil {
		return err
	}
	behind, err := s.Store.WebhooksBehind(ctx, head.Size)
	for _, w := range behind {
		for more := true; more && err == nil; {
			more, err = s.spreadOne(ctx, &w)
		}
	}
	return err
}

// spreadOne queues some messages for a webhook and moves its cursor with them, in
// one transaction: each event is queued once, however many nodes try.
func (s *Webhooks) spreadOne(ctx context.Context, w *models.Webhook) (more bool, err error) {
	r := reader{ledger: s.Store, scope: scope{w.RecipientID}, kinds: w.Kinds, limit: spreadBatch}
	found, next, more, err := r.from(ctx, w.NextIndex)
	if err != nil || next == w.NextIndex {
		return false, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		open, err := s.Store.OpenJobs(ctx, destination(w.ID))
		if err != nil {
			return err
		}
		if len(found) > 0 && open >= maxOpen {
			more = false
			return nil
		}
		moved, err := s.Store.AdvanceWebhook(ctx, w.ID, w.NextIndex, next)
		if err != nil || !moved {
			more = false
			return err
		}
		w.NextIndex = next
		return s.enqueue(ctx, w.ID, found)
	})
	if err == nil && len(found) > 0 {
		s.queued()
	}
	return more, err
}

func (s *Webhooks) enqueue(ctx context.Context, id string, found []Event) error {
	now := s.Now()
	for i, e := range found {
		jobID, err := models.NewID(s.Rand, models.JobID)
		if err != nil {
			return err
		}
		err = s.Store.AddJob(ctx, models.Job{
			ID: jobID, Kind: WebhookKind, Destination: destination(id),
			IDs:   map[string]string{"webhook": id, "entry": itoa(e.Index)},
			RunAt: now.Add(time.Duration(i) * time.Microsecond), MaxFailures: maxAttempts, CreatedAt: now,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Work sends the message of a job (jobs.Worker).
func (s *Webhooks) Work(ctx context.Context, j models.Job) jobs.Result {
	w, err := s.Store.Webhook(ctx, j.IDs["webhook"])
	if models.IsKind(err, models.NotFound) || err == nil && w.State != models.WebhookActive {
		return jobs.Result{Cancelled: true}
	}
	if err != nil {
		return jobs.Result{Err: err}
	}
	e, err := s.event(ctx, w, j.IDs["entry"])
	if err != nil {
		return jobs.Result{Err: err, Final: true}
	}
	body, err := e.body()
	if err != nil {
		return jobs.Result{Err: err, Final: true}
	}
	answer := s.post(ctx, w, j.ID, body)
	if ctx.Err() != nil { // stopped: nobody is to blame
		return jobs.Result{Err: ctx.Err()}
	}
	return jobs.Result{
		Err: answer.err, Final: answer.gone, After: answer.after,
		Record: func(ctx context.Context, _ models.JobState) error { return s.record(ctx, w.ID, answer) },
	}
}

// event is the event of a job, read again: a job holds nothing but its index.
func (s *Webhooks) event(ctx context.Context, w models.Webhook, entry string) (Event, error) {
	index, err := strconv.ParseInt(entry, 10, 64)
	if err != nil || index < 0 {
		return Event{}, models.Errorf(models.Internal, "the job names no ledger entry")
	}
	records, err := s.Store.Entries(ctx, models.EntryFilter{}, models.Page{After: lastSeen(index), Limit: 1})
	if err != nil {
		return Event{}, err
	}
	if len(records) == 0 || records[0].Index != index {
		return Event{}, models.Errorf(models.Integrity, "the ledger has no entry %d; run teikyo ledger verify", index)
	}
	e, ok := scope{w.RecipientID}.view(records[0])
	if !ok {
		return Event{}, models.Errorf(models.Denied, "the entry is not for this webhook")
	}
	return e, nil
}

// answer is what a receiver said.
type answer struct {
	status int
	err    error
	gone   bool          // it wants nothing more
	after  time.Duration // it asked to wait so long
}

// post sends one signed message; what the receiver answers is read to a limit
// and forgotten.
func (s *Webhooks) post(ctx context.Context, w models.Webhook, id string, body []byte) answer {
	secrets, err := s.open(ctx, w.ID)
	if err != nil {
		return answer{err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return answer{err: models.Errorf(models.Invalid, "the stored address is not valid; remove the webhook and add it again")}
	}
	at := s.Now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.Agent)
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", itoa(at.Unix()))
	req.Header.Set("webhook-signature", sign(secrets, id, at, body))
	resp, err := s.Client.Do(req)
	if err != nil {
		return answer{err: unreached(ctx, err)}
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection can be used again
	return judge(resp)
}

// open unwraps the secrets that sign now, the newest first.
func (s *Webhooks) open(ctx context.Context, id string) ([][]byte, error) {
	rows, err := s.Store.WebhookSecrets(ctx, id, s.Now())
	if err != nil {
		return nil, err
	}
	var secrets [][]byte
	for _, row := range rows {
		secret, err := s.KEK.Unwrap(ctx, row.KEKID, row.Wrapped, models.WebhookContext(row.ID))
		if err != nil {
			return nil, models.Wrap(models.Integrity, err, "the secret of the webhook cannot be opened; check the server's keys")
		}
		secrets = append(secrets, secret)
	}
	if len(secrets) == 0 {
		return nil, models.Errorf(models.Internal, "the webhook has no secret; rotate it")
	}
	return secrets, nil
}

// unreached says why no answer came; the cause, which names the address, stays
// out.
func unreached(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, egress.ErrRefused):
		return models.Errorf(models.Denied, "the address is not a public one; a target in the own network must be in egress.allow_private")
	case errors.Is(err, egress.ErrRedirect):
		return models.Errorf(models.Unavailable, "the receiver redirects elsewhere, which is not followed; give the final address")
	case ctx.Err() != nil:
		return models.Errorf(models.Unavailable, "the receiver did not answer within %s", deliveryTimeout)
	default:
		return models.Errorf(models.Unavailable, "the receiver cannot be reached, or its certificate is not trusted")
	}
}

func judge(resp *http.Response) answer {
	a := answer{status: resp.StatusCode, gone: resp.StatusCode == http.StatusGone}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return a
	}
	a.err = models.Errorf(models.Unavailable, "the receiver answered %d", resp.StatusCode)
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		a.after = min(time.Duration(min(seconds, 1e6))*time.Second, maxRetryAfter)
	}
	return a
}

// record notes how the receiver does, and switches the webhook off when it wants
// nothing more or has failed for too long.
func (s *Webhooks) record(ctx context.Context, id string, a answer) error {
	w, err := s.Store.Webhook(ctx, id)
	if models.IsKind(err, models.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	now := s.Now()
	if a.err == nil {
		w.FailingSince, w.LastError, w.LastSuccess = time.Time{}, "", now
		return s.Store.SaveWebhookState(ctx, w)
	}
	var known *models.Error
	if errors.As(a.err, &known) {
		w.LastError = known.Msg
	}
	if w.FailingSince.IsZero() {
		w.FailingSince = now
	}
	switch {
	case a.gone:
		return s.disable(ctx, w, "the receiver answered 410: it wants nothing more")
	case now.Sub(w.FailingSince) >= disableAfter:
		return s.disable(ctx, w, "nothing arrived for five days; last: "+w.LastError)
	}
	return s.Store.SaveWebhookState(ctx, w)
}

func (s *Webhooks) disable(ctx context.Context, w models.Webhook, reason string) error {
	if w.State != models.WebhookActive {
		return nil
	}
	w.State, w.Reason = models.WebhookDisabled, reason
	if err := s.Store.SaveWebhookState(ctx, w); err != nil {
		return err
	}
	if err := s.Store.CancelJobs(ctx, destination(w.ID), s.Now()); err != nil {
		return err
	}
	return s.Store.Append(ctx, webhookEntry(w, access.SystemActor().UserID, "webhook.disabled", reason))
}

// Tried is what came of a test message.
type Tried struct {
	Delivered bool
	Status    int    // of HTTP; 0 when there was no answer
	Problem   string // why it was not delivered
}

// Test sends a message of kind webhook.test at once, once, also to a disabled
// webhook.
func (s *Webhooks) Test(ctx context.Context, actor access.Actor, id string) (Tried, error) {
	w, err := s.webhook(ctx, actor, access.ManageWebhook, id)
	if err != nil {
		return Tried{}, err
	}
	messageID, err := models.NewID(s.Rand, models.JobID)
	if err != nil {
		return Tried{}, err
	}
	e := Event{Kind: ledger.Kind("webhook.test"), Time: s.Now(), IDs: map[string]string{"webhook": w.ID}}
	body, err := e.testBody()
	if err != nil {
		return Tried{}, err
	}
	a := s.post(ctx, w, messageID, body)
	tried := Tried{Delivered: a.err == nil, Status: a.status}
	var known *models.Error
	if errors.As(a.err, &known) {
		tried.Problem = known.Msg
	}
	return tried, nil
}

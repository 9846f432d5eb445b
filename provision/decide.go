package provision

import (
	"context"
	"strconv"
	"strings"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

func itoa(n int) string { return strconv.Itoa(n) }

// request finds a request that the actor may do the act to.
func (s *Service) request(ctx context.Context, actor access.Actor, act access.Act, id string) (models.Request, error) {
	req, err := s.Store.Request(ctx, id)
	object := access.Of(req.RecipientID)
	if models.IsKind(err, models.NotFound) {
		object, err = access.Absent(), nil
	}
	if can := access.Can(actor, act, object); can != nil {
		return models.Request{}, can
	}
	return req, err
}

// Request shows a request and the remarks on it.
func (s *Service) Request(ctx context.Context, actor access.Actor, id string) (models.Request, []models.Comment, error) {
	req, err := s.request(ctx, actor, access.ReadRequest, id)
	if err != nil {
		return models.Request{}, nil, err
	}
	comments, err := s.Store.Comments(ctx, id)
	return req, comments, err
}

// Requests lists requests, the newest first; people of a recipient see their own.
func (s *Service) Requests(ctx context.Context, actor access.Actor, f models.RequestFilter, page models.Page) ([]models.Request, error) {
	if err := access.Can(actor, access.ReadRequest, access.Whole()); err != nil {
		return nil, err
	}
	if actor.Role == models.RecipientUser {
		f.RecipientID = actor.RecipientID
		if f.RecipientID == "" {
			return nil, nil
		}
	}
	return s.Store.RequestList(ctx, f, page)
}

// Comment adds a remark to a request.
func (s *Service) Comment(ctx context.Context, actor access.Actor, id, text string) (models.Comment, error) {
	if _, err := s.request(ctx, actor, access.CommentRequest, id); err != nil {
		return models.Comment{}, err
	}
	if strings.TrimSpace(text) == "" {
		return models.Comment{}, models.Errorf(models.Invalid, "the remark is empty")
	}
	if err := checkText("remark", text, maxReason, true); err != nil {
		return models.Comment{}, err
	}
	c := models.Comment{RequestID: id, UserID: actor.UserID, Text: text, At: s.now()}
	return c, s.Store.Update(ctx, func(ctx context.Context) error { return s.Store.SaveComment(ctx, c) })
}

// Return gives a request back to the requester, who can change it and submit it
// again.
func (s *Service) Return(ctx context.Context, actor access.Actor, id, reason string) (models.Request, error) {
	return s.end(ctx, actor, access.DecideRequest, id, reason, models.RequestReturned, ledger.RequestReturned)
}

// Reject says no for good.
func (s *Service) Reject(ctx context.Context, actor access.Actor, id, reason string) (models.Request, error) {
	return s.end(ctx, actor, access.DecideRequest, id, reason, models.RequestRejected, ledger.RequestRejected)
}

// Withdraw takes a request back. A reason may be given.
func (s *Service) Withdraw(ctx context.Context, actor access.Actor, id, reason string) (models.Request, error) {
	return s.end(ctx, actor, access.ChangeRequest, id, reason, models.RequestWithdrawn, ledger.RequestWithdrawn)
}

type reasonDetails struct {
	Reason string `json:"reason,omitempty"`
	Frozen string `json:"frozen"`
}

// end moves a request to a state in which it is not open any more.
func (s *Service) end(
	ctx context.Context, actor access.Actor, act access.Act, id, reason string, state models.RequestState, kind ledger.Kind,
) (models.Request, error) {
	if _, err := s.request(ctx, actor, act, id); err != nil {
		return models.Request{}, err
	}
	if err := checkReason(reason, state != models.RequestWithdrawn); err != nil {
		return models.Request{}, err
	}
	var req models.Request
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		var err error
		if req, err = s.Store.Request(ctx, id); err != nil {
			return err
		}
		if err := models.CheckTransition(req.State, state); err != nil {
			return err
		}
		req.State, req.Reason, req.DecidedBy, req.DecidedAt = state, reason, actor.UserID, s.now()
		if err := s.Store.SaveRequest(ctx, req); err != nil {
			return err
		}
		return s.Store.Append(ctx, requestEntry(kind, req, actor, reasonDetails{reason, req.Frozen}))
	})
	return req, err
}

func checkReason(reason string, needed bool) error {
	if needed && strings.TrimSpace(reason) == "" {
		return models.Errorf(models.Invalid, "say why (--reason)")
	}
	return checkText("reason", reason, maxReason, true)
}

// Resubmit changes a returned request and submits it again: what it asked for
// before does not count any more. It stays with its recipient.
func (s *Service) Resubmit(ctx context.Context, actor access.Actor, id string, d Draft) (models.Request, error) {
	old, err := s.request(ctx, actor, access.ChangeRequest, id)
	if err != nil {
		return models.Request{}, err
	}
	if err := models.CheckTransition(old.State, models.RequestSubmitted); err != nil {
		return models.Request{}, err
	}
	if d.RecipientID == "" {
		d.RecipientID = old.RecipientID
	}
	if d.RecipientID != old.RecipientID {
		return models.Request{}, models.Errorf(models.Invalid, "a request stays with its recipient; make a new one for %s", d.RecipientID)
	}
	req, g, err := s.prepare(ctx, actor, access.ChangeRequest, d)
	if err != nil {
		return models.Request{}, err
	}
	req.ID = old.ID
	err = s.submit(ctx, actor, &req, g, old.Frozen)
	return req, err
}

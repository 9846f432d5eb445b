package recipient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
)

// MaxDocument is the largest agreement document, in bytes.
const MaxDocument = 700 << 10

// AgreementInput is what people enter about a contract. Dates are days,
// inclusive.
type AgreementInput struct {
	RecipientID  string
	Number       string
	DocumentName string
	Document     []byte
	Purposes     []models.Purpose
	Methods      []models.Method
	Classes      []models.DataClass
	Handlers     []string
	Places       []string
	From, Until  string
	Review       string
}

// agreementDetails is the details of agreement.added.
type agreementDetails struct {
	Number         string             `json:"number"`
	DocumentName   string             `json:"document_name"`
	DocumentSHA256 string             `json:"document_sha256"`
	Purposes       []models.Purpose   `json:"purposes"`
	Methods        []models.Method    `json:"methods"`
	Classes        []models.DataClass `json:"classes"`
	Handlers       []string           `json:"handlers,omitempty"`
	Places         []string           `json:"places,omitempty"`
	ValidFrom      time.Time          `json:"valid_from"`
	ValidUntil     time.Time          `json:"valid_until"`
	ReviewAt       time.Time          `json:"review_at,omitzero"`
}

// AddAgreement enters a contract under a recipient. The document is kept sealed
// and its digest goes into the ledger.
func (s *Service) AddAgreement(ctx context.Context, actor access.Actor, in AgreementInput) (models.Agreement, error) {
	if _, err := s.load(ctx, actor, access.AddAgreement, in.RecipientID); err != nil {
		return models.Agreement{}, err
	}
	a, err := s.newAgreement(actor, in)
	if err != nil {
		return models.Agreement{}, err
	}
	kekID, sealed, err := s.KEK.Wrap(ctx, in.Document, DocumentContext(a.ID))
	if err != nil {
		return models.Agreement{}, models.Wrap(models.Unavailable, err, "the document could not be sealed; try again")
	}
	return a, s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.Store.SaveAgreement(ctx, a); err != nil {
			if models.IsKind(err, models.Conflict) {
				return models.Wrap(models.Conflict, err, "the recipient has an agreement with this number already")
			}
			return err
		}
		if err := s.Store.SaveAgreementDocument(ctx, a.ID, kekID, sealed); err != nil {
			return err
		}
		return s.Store.Append(ctx, entry(ledger.AgreementAdded, actor,
			map[string]string{"recipient": a.RecipientID, "agreement": a.ID}, detailsOf(a)))
	})
}

// DocumentContext is what the wrap of an agreement's document is bound to.
func DocumentContext(agreementID string) []byte { return []byte("agreement-document " + agreementID) }

func detailsOf(a models.Agreement) agreementDetails {
	return agreementDetails{
		a.Number, a.DocumentName, a.DocumentSHA256, a.Purposes, a.Methods, a.Classes, a.Handlers, a.Places,
		a.ValidFrom, a.ValidUntil, a.ReviewAt,
	}
}

func (s *Service) newAgreement(actor access.Actor, in AgreementInput) (models.Agreement, error) {
	if err := in.check(); err != nil {
		return models.Agreement{}, err
	}
	from, err := models.StartOfDay(in.From, s.Zone)
	if err != nil {
		return models.Agreement{}, err
	}
	until, err := s.futureEnd(in.Until)
	if err != nil {
		return models.Agreement{}, err
	}
	if !from.Before(until) {
		return models.Agreement{}, models.Errorf(models.Invalid, "the agreement would end (%s) before it begins (%s)", in.Until, in.From)
	}
	var review time.Time
	if in.Review != "" {
		if review, err = models.StartOfDay(in.Review, s.Zone); err != nil {
			return models.Agreement{}, err
		}
	}
	id, err := models.NewID(s.Rand, models.AgreementID)
	if err != nil {
		return models.Agreement{}, err
	}
	sum := sha256.Sum256(in.Document)
	return models.Agreement{
		ID: id, RecipientID: in.RecipientID, Number: in.Number, DocumentName: in.DocumentName,
		DocumentSHA256: hex.EncodeToString(sum[:]), Purposes: in.Purposes, Methods: in.Methods, Classes: in.Classes,
		Handlers: in.Handlers, Places: in.Places, ValidFrom: from, ValidUntil: until, ReviewAt: review,
		AddedBy: actor.UserID, AddedAt: s.now(),
	}, nil
}

func (in AgreementInput) check() error {
	if strings.TrimSpace(in.Number) == "" || len(in.Number) > 100 || strings.ContainsFunc(in.Number, isControl) {
		return models.Errorf(models.Invalid, "the agreement needs its number (--number), at most 100 bytes")
	}
	if len(in.Document) == 0 {
		return models.Errorf(models.Invalid, "the agreement needs its document (--document FILE), which is not empty")
	}
	if len(in.Document) > MaxDocument {
		return models.Errorf(models.TooLarge, "the document has %d bytes, the limit is %d; give a smaller scan", len(in.Document), MaxDocument)
	}
	if len(in.DocumentName) > 255 || strings.ContainsFunc(in.DocumentName, isControl) {
		return models.Errorf(models.Invalid, "the name of the document is too long or holds control characters")
	}
	if err := models.CheckCodes("purpose", in.Purposes, models.Purposes()); err != nil {
		return err
	}
	if err := models.CheckCodes("method", in.Methods, models.Methods()); err != nil {
		return err
	}
	if err := models.CheckCodes("data class", in.Classes, models.DataClasses()); err != nil {
		return err
	}
	for _, text := range append(append([]string{}, in.Handlers...), in.Places...) {
		if strings.TrimSpace(text) == "" || len(text) > 300 || strings.ContainsFunc(text, isControl) {
			return models.Errorf(models.Invalid, "handlers and places are names of at most 300 bytes")
		}
	}
	return nil
}

// EndAgreement ends a contract early and cuts what runs under it.
func (s *Service) EndAgreement(ctx context.Context, actor access.Actor, id, reason string) (models.Agreement, error) {
	var a models.Agreement
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		var err error
		if a, err = s.loadAgreement(ctx, actor, access.EndAgreement, id); err != nil {
			return err
		}
		if err := needReason(reason); err != nil {
			return err
		}
		if !a.EndedAt.IsZero() {
			return models.Errorf(models.Conflict, "the agreement has been ended already")
		}
		a.EndedBy, a.EndedAt, a.EndReason = actor.UserID, s.now(), reason
		if err := s.Store.SaveAgreement(ctx, a); err != nil {
			return err
		}
		if err := s.Store.Revoke(ctx); err != nil {
			return err
		}
		return s.Store.Append(ctx, entry(ledger.AgreementEnded, actor,
			map[string]string{"recipient": a.RecipientID, "agreement": a.ID}, decision{Reason: reason}))
	})
	return a, err
}

func (s *Service) loadAgreement(ctx context.Context, actor access.Actor, act access.Act, id string) (models.Agreement, error) {
	a, err := s.Store.Agreement(ctx, id)
	if models.IsKind(err, models.NotFound) {
		return a, access.Can(actor, act, access.Absent())
	}
	if err != nil {
		return a, err
	}
	return a, access.Can(actor, act, access.Of(a.RecipientID))
}

// Agreement shows one contract.
func (s *Service) Agreement(ctx context.Context, actor access.Actor, id string) (models.Agreement, error) {
	return s.loadAgreement(ctx, actor, access.ReadRecipient, id)
}

// Agreements shows the contracts of a recipient, of all when recipientID is
// empty.
func (s *Service) Agreements(ctx context.Context, actor access.Actor, recipientID string, page models.Page) ([]models.Agreement, error) {
	if actor.Role == models.RecipientUser && recipientID == "" {
		recipientID = actor.RecipientID
	}
	if recipientID == "" {
		if err := access.Can(actor, access.ReadRecipient, access.Whole()); err != nil {
			return nil, err
		}
	} else if _, err := s.load(ctx, actor, access.ReadRecipient, recipientID); err != nil {
		return nil, err
	}
	return s.Store.Agreements(ctx, recipientID, page)
}

// Document gives the agreement's document as it was entered.
func (s *Service) Document(ctx context.Context, actor access.Actor, id string) (models.Agreement, []byte, error) {
	a, err := s.loadAgreement(ctx, actor, access.ReadRecipient, id)
	if err != nil {
		return a, nil, err
	}
	kekID, sealed, err := s.Store.AgreementDocument(ctx, id)
	if err != nil {
		return a, nil, err
	}
	document, err := s.KEK.Unwrap(ctx, kekID, sealed, DocumentContext(id))
	if err != nil {
		if errors.Is(err, crypto.ErrProvider) {
			return a, nil, models.Wrap(models.Unavailable, err, "the provider of the server's keys does not answer; try again")
		}
		return a, nil, models.Wrap(models.Integrity, err, "the document cannot be opened; restore its row and keys")
	}
	return a, document, nil
}

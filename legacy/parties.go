package legacy

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/recipient"
)

func recipientColumns() []column {
	return []column{
		{"reference", "管理番号/提供先番号", true}, {"name", "名称/提供先名称", true}, {"country", "国/国コード", true},
		{"address", "所在地/住所", true}, {"representative", "代表者/代表者名", true}, {"email", "メールアドレス/連絡先", true},
	}
}

// takeRecipient enters an organisation as somebody does by hand: it may receive
// nothing until another person approves it.
func (s *Service) takeRecipient(ctx context.Context, actor access.Actor, r row) (string, error) {
	country := strings.ToUpper(r.get("country"))
	if country == "日本" {
		country = "JP"
	}
	rcpt, err := s.Recipients.Apply(ctx, actor, recipient.Profile{
		Name: r.get("name"), Country: country, Address: r.get("address"), Representative: r.get("representative"), Email: r.get("email"),
	})
	return rcpt.ID, err
}

func agreementColumns() []column {
	return []column{
		{"reference", "管理番号/契約管理番号", true}, {"recipient", "提供先/提供先番号", true}, {"number", "契約番号", true},
		{"document_sha256", "契約書ハッシュ/契約書SHA-256", true}, {"document_name", "契約書名", false},
		{"purposes", "利用目的", true}, {"methods", "提供の方法/提供方法", true}, {"classes", "情報の区分/区分", true},
		{"handlers", "取扱者", false}, {"places", "利用場所", false}, {"valid_from", "開始日/契約開始日", true}, {"valid_until", "終了日/契約終了日", true},
	}
}

// importedAgreement is the details of agreement.added for one that was taken
// over: its document is known by its digest alone.
type importedAgreement struct {
	Imported       string             `json:"imported"` // its reference
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
}

func (s *Service) takeAgreement(ctx context.Context, actor access.Actor, r row) (string, error) {
	a, err := s.agreement(ctx, r)
	if err != nil {
		return "", err
	}
	if a.ID, err = models.NewID(s.Rand, models.AgreementID); err != nil {
		return "", err
	}
	a.AddedBy, a.AddedAt = actor.UserID, s.now()
	if err := s.Store.SaveAgreement(ctx, a); err != nil {
		if models.IsKind(err, models.Conflict) {
			return "", wrong("number", "the recipient has an agreement with this number already")
		}
		return "", err
	}
	return a.ID, s.Store.Append(ctx, &ledger.Entry{
		Kind: ledger.AgreementAdded, IDs: map[string]string{"recipient": a.RecipientID, "agreement": a.ID, "actor": actor.UserID},
		Details: importedAgreement{
			r.get("reference"), a.Number, a.DocumentName, a.DocumentSHA256, a.Purposes, a.Methods, a.Classes, a.Handlers, a.Places,
			a.ValidFrom, a.ValidUntil,
		},
	})
}

func (s *Service) agreement(ctx context.Context, r row) (a models.Agreement, err error) {
	a = models.Agreement{
		Number: r.get("number"), DocumentName: r.get("document_name"), DocumentSHA256: strings.ToLower(r.get("document_sha256")),
		Handlers: r.list("handlers"), Places: r.list("places"),
	}
	if sum, err := hex.DecodeString(a.DocumentSHA256); err != nil || len(sum) != 32 {
		return a, wrong("document_sha256", "is no SHA-256 (64 hexadecimal digits); sha256sum prints the one of the contract")
	}
	if a.RecipientID, err = s.resolve(ctx, "recipient", models.RecipientID, "recipient", r.get("recipient")); err != nil {
		return a, err
	}
	if _, err := s.Store.Recipient(ctx, a.RecipientID); err != nil {
		return a, missing(err, "recipient")
	}
	if a.Purposes, err = codes(r, "purposes", models.Purposes(), s.Texts.Purpose); err != nil {
		return a, err
	}
	if a.Methods, err = codes(r, "methods", models.Methods(), s.Texts.Method); err != nil {
		return a, err
	}
	if a.Classes, err = codes(r, "classes", models.DataClasses(), s.Texts.Class); err != nil {
		return a, err
	}
	if a.ValidFrom, err = s.date(r, "valid_from", false); err != nil {
		return a, err
	}
	if a.ValidUntil, err = s.date(r, "valid_until", true); err == nil && !a.ValidFrom.Before(a.ValidUntil) {
		err = wrong("valid_until", "lies before valid_from")
	}
	return a, err
}

func missing(err error, column string) error {
	if models.IsKind(err, models.NotFound) {
		return wrong(column, "there is none with this id")
	}
	return err
}

func datasetColumns() []column {
	return []column{
		{"reference", "管理番号/データセット番号", true}, {"title", "名称/データセット名", true}, {"class", "情報の区分/区分", true},
		{"description", "説明", false}, {"source", "取得元", false}, {"language", "言語", false},
	}
}

// takeDataset makes a dataset without a version: nothing of it can be provided
// until one is registered here.
func (s *Service) takeDataset(ctx context.Context, actor access.Actor, r row) (string, error) {
	class, err := code(r, "class", models.DataClasses(), s.Texts.Class)
	if err != nil {
		return "", err
	}
	id, err := models.NewID(s.Rand, models.DatasetID)
	if err != nil {
		return "", err
	}
	ds := models.Dataset{
		ID: id, Title: r.get("title"), Description: r.get("description"), Class: class, SourceKind: r.get("source"),
		Language: r.get("language"), CreatedBy: actor.UserID, CreatedAt: s.now(),
	}
	if err := s.Store.CreateDataset(ctx, ds); err != nil {
		return "", err
	}
	return id, s.Store.Append(ctx, &ledger.Entry{
		Kind: ledger.DatasetImported, IDs: map[string]string{"dataset": id, "actor": actor.UserID},
		Details: map[string]string{"imported": r.get("reference"), "title": ds.Title, "class": string(class), "source_kind": ds.SourceKind},
	})
}

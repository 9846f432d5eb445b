package legacy

import (
	"context"
	"encoding/json"
	"time"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision"
)

func provisionColumns() []column {
	return []column{
		{"reference", "管理番号/提供番号", true}, {"date", "提供日/提供年月日", true}, {"recipient", "提供先/提供先番号", true},
		{"dataset", "データセット/データセット番号", true}, {"version", "版", false}, {"items", "情報の項目/項目", true},
		{"purpose", "利用目的区分", false}, {"purpose_text", "利用目的", true}, {"method", "提供の方法/提供方法", true},
		{"basis", "提供の根拠/根拠", false}, {"agreement", "契約/契約管理番号", false}, {"until", "利用期限", false},
		{"record_count", "件数/レコード数", false}, {"subject_count", "人数/対象者数", false}, {"publication_day", "公表日", false},
		{"operator", "担当者", false}, {"approver", "承認者", false},
	}
}

// importedRecord is the record of a provision of the earlier register, as the
// ledger keeps it.
type importedRecord struct {
	provision.Record
	Imported   string    `json:"imported"` // its reference
	ImportedBy string    `json:"imported_by"`
	ImportedAt time.Time `json:"imported_at"`
}

// takeProvision writes down a provision that was made before this program. It is
// no provision of ours: it gets an id of another form, and rows of its own.
func (s *Service) takeProvision(ctx context.Context, actor access.Actor, r row) (string, error) {
	rec, err := s.record(ctx, r)
	if err != nil {
		return "", err
	}
	if rec.ID, err = models.NewID(s.Rand, models.ImportedID); err != nil {
		return "", err
	}
	full := importedRecord{rec, r.get("reference"), actor.UserID, s.now()}
	text, err := json.Marshal(full)
	if err != nil {
		return "", models.Wrap(models.Internal, err, "the record could not be written")
	}
	err = s.Store.SaveImportedProvision(ctx, models.Provision{
		ID: rec.ID, Number: rec.Number, DatasetID: rec.DatasetID, Version: rec.DatasetVersion, RecipientID: rec.RecipientID,
		AgreementID: rec.AgreementID, Method: rec.Method, Class: rec.Class, Until: rec.Until, IssuedAt: rec.OccurredAt, Record: text,
	}, actor.UserID, s.now())
	if err != nil {
		return "", err
	}
	ids := map[string]string{"provision": rec.ID, "recipient": rec.RecipientID, "dataset": rec.DatasetID, "actor": actor.UserID}
	if rec.AgreementID != "" {
		ids["agreement"] = rec.AgreementID
	}
	return rec.ID, s.Store.Append(ctx, &ledger.Entry{Kind: ledger.ProvisionImported, IDs: ids, Details: full})
}

func (s *Service) record(ctx context.Context, r row) (rec provision.Record, err error) {
	rec = provision.Record{
		Number: r.get("reference"), Zone: s.Zone.String(), Jurisdictions: []string{}, PurposeText: r.get("purpose_text"),
		NoticeDay: r.get("publication_day"), Operator: r.get("operator"), Approver: r.get("approver"),
	}
	for _, part := range []func(context.Context, row, *provision.Record) error{s.recordWhen, s.recordWho, s.recordWhat, s.recordHow} {
		if err := part(ctx, r, &rec); err != nil {
			return rec, err
		}
	}
	return rec, nil
}

func (s *Service) recordWhen(_ context.Context, r row, rec *provision.Record) (err error) {
	if rec.OccurredAt, err = s.past(r, "date"); err != nil {
		return err
	}
	if rec.Until, err = s.date(r, "until", true); err != nil {
		return err
	}
	end := rec.OccurredAt
	if rec.Until.After(end) {
		end = rec.Until
	}
	rec.RetentionUntil = end.AddDate(ledger.DefaultRetentionYears, 0, 0)
	if _, err := s.date(r, "publication_day", false); err != nil {
		return err
	}
	return nil
}

func (s *Service) recordWho(ctx context.Context, r row, rec *provision.Record) error {
	id, err := s.resolve(ctx, "recipient", models.RecipientID, "recipient", r.get("recipient"))
	if err != nil {
		return err
	}
	rcpt, err := s.Store.Recipient(ctx, id)
	if err != nil {
		return missing(err, "recipient")
	}
	rec.RecipientID, rec.RecipientOrg, rec.RecipientAddress = rcpt.ID, rcpt.Name, rcpt.Address
	rec.RecipientRepresentative, rec.RecipientContact, rec.Country = rcpt.Representative, rcpt.Email, rcpt.Country
	if r.get("agreement") == "" {
		return nil
	}
	if id, err = s.resolve(ctx, "agreement", models.AgreementID, "agreement", r.get("agreement")); err != nil {
		return err
	}
	a, err := s.Store.Agreement(ctx, id)
	if err != nil {
		return missing(err, "agreement")
	}
	if a.RecipientID != rcpt.ID {
		return wrong("agreement", "is an agreement of another recipient")
	}
	rec.AgreementID, rec.AgreementNumber = a.ID, a.Number
	return nil
}

func (s *Service) recordWhat(ctx context.Context, r row, rec *provision.Record) error {
	id, err := s.resolve(ctx, "dataset", models.DatasetID, "dataset", r.get("dataset"))
	if err != nil {
		return err
	}
	ds, err := s.Store.Dataset(ctx, id)
	if err != nil {
		return missing(err, "dataset")
	}
	rec.DatasetID, rec.DatasetTitle, rec.Class, rec.Source, rec.Test = ds.ID, ds.Title, ds.Class, ds.SourceKind, ds.Class == models.Test
	version, err := number(r, "version")
	if err != nil {
		return err
	}
	if version > 1<<30 {
		return wrong("version", "is no number of a version")
	}
	rec.DatasetVersion = int(version)
	if rec.Items, err = codes(r, "items", models.Items(), s.Texts.Item); err != nil {
		return err
	}
	if rec.RecordCount, err = number(r, "record_count"); err != nil {
		return err
	}
	rec.SubjectCount, err = number(r, "subject_count")
	return err
}

func (s *Service) recordHow(_ context.Context, r row, rec *provision.Record) (err error) {
	if rec.Method, err = code(r, "method", models.Methods(), s.Texts.Method); err != nil {
		return err
	}
	rec.Purpose, rec.Basis = models.OtherPurpose, models.DefaultBasis(rec.Class)
	if r.get("purpose") != "" {
		if rec.Purpose, err = code(r, "purpose", models.Purposes(), s.Texts.Purpose); err != nil {
			return err
		}
	}
	if r.get("basis") != "" {
		rec.Basis, err = code(r, "basis", models.Bases(), s.Texts.Basis)
	}
	return err
}

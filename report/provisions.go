package report

import (
	"context"
	"strconv"
	"strings"

	"teikyo/access"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/report/sheet"
)

// RegisterQuery says which provisions are reported.
type RegisterQuery struct {
	Period
	RecipientID string
	DatasetID   string
	// Tests asks for the rehearsals instead, which legal reports leave out.
	Tests bool
	Part  *models.Part // nil: all
}

func (q RegisterQuery) rows() provision.ReportQuery {
	return provision.ReportQuery{From: q.From, To: q.To, RecipientID: q.RecipientID, DatasetID: q.DatasetID, Tests: q.Tests, Part: q.Part}
}

// Register is the register of provisions of a period, the newest first: of each,
// the union of what APPI Art. 29 and 43(4) and 45 CFR 164.528 want to be known.
func (s *Service) Register(ctx context.Context, actor access.Actor, q RegisterQuery) (sheet.Document, error) {
	rows, err := s.Provisions.Report(ctx, actor, q.rows())
	if err != nil {
		return nil, err
	}
	facts, err := s.facts(ctx, actor, q.fact())
	if err != nil {
		return nil, err
	}
	title := sheet.Words{EN: "Register of provisions", JA: "データ提供記録簿"}
	if q.Tests {
		title = sheet.Words{EN: "Rehearsals, without legal effect", JA: "予行（法的効力なし）の記録"}
	}
	return sheet.Sheet[provision.ReportRow]{
		Name: "provisions", Title: title, Issuer: s.Provisions.Provider(), Facts: facts, Rows: rows, Next: next(q.Part),
		Columns: registerColumns(), Prints: s.registerPrints(s.names(ctx)), Signatures: signatures(),
		Notes: []sheet.Words{
			{
				EN: "Anonymously processed information: items and method were published and the recipient was told its class before each provision (APPI Art. 43(4)).",
				JA: "匿名加工情報については、提供に先立ち、情報の項目及び提供の方法を公表し、提供先に対して匿名加工情報である旨を明示しています（個人情報の保護に関する法律第43条第4項）。",
			},
			importedNote(),
		},
	}, nil
}

func importedNote() sheet.Words {
	return sheet.Words{
		EN: `Rows marked "imported" were taken over from an earlier register: no manifest and no receipt of this system vouches for them.`,
		JA: "「移行」と表示された行は、従前の記録簿から移行したものです。本システムのマニフェスト及び受領証による証明はありません。",
	}
}

// registerColumns are the columns of the CSV table, in the order of DOMAIN 2.4.
func registerColumns() []sheet.Column[provision.ReportRow] {
	type row = provision.ReportRow
	return []sheet.Column[row]{
		{Name: "number", Value: func(r row) string { return r.Number }},
		{Name: "id", Value: func(r row) string { return r.ID }},
		{Name: "state", Value: func(r row) string { return string(r.State) }},
		{Name: "occurred_at", Value: func(r row) string { return sheet.Time(r.OccurredAt) }},
		{Name: "dataset_id", Value: func(r row) string { return r.DatasetID }},
		{Name: "dataset_title", Value: func(r row) string { return r.DatasetTitle }},
		{Name: "dataset_version", Value: func(r row) string { return strconv.Itoa(r.DatasetVersion) }},
		{Name: "package_sha256", Value: func(r row) string { return r.PackageSHA256 }},
		{Name: "legal_class", Value: func(r row) string { return string(r.Class) }},
		{Name: "basis", Value: func(r row) string { return string(r.Basis) }},
		{Name: "jurisdictions", Value: func(r row) string { return strings.Join(r.Jurisdictions, " ") }},
		{Name: "recipient_id", Value: func(r row) string { return r.RecipientID }},
		{Name: "recipient_org", Value: func(r row) string { return r.RecipientOrg }},
		{Name: "recipient_address", Value: func(r row) string { return r.RecipientAddress }},
		{Name: "recipient_representative", Value: func(r row) string { return r.RecipientRepresentative }},
		{Name: "recipient_contact", Value: func(r row) string { return r.RecipientContact }},
		{Name: "country", Value: func(r row) string { return r.Country }},
		{Name: "method", Value: func(r row) string { return string(r.Method) }},
		{Name: "items", Value: func(r row) string { return joined(r.Items) }},
		{Name: "files", Value: func(r row) string { return strconv.Itoa(r.Files) }},
		{Name: "record_count", Value: func(r row) string { return sheet.Count(r.RecordCount) }},
		{Name: "subject_count", Value: func(r row) string { return sheet.Count(r.SubjectCount) }},
		{Name: "purpose", Value: func(r row) string { return string(r.Purpose) }},
		{Name: "purpose_text", Value: func(r row) string { return r.PurposeText }},
		{Name: "duo_codes", Value: func(r row) string { return joined(r.DUO) }},
		{Name: "agreement_number", Value: func(r row) string { return r.AgreementNumber }},
		{Name: "publication_ref", Value: func(r row) string { return r.NoticeID }},
		{Name: "publication_day", Value: func(r row) string { return r.NoticeDay }},
		{Name: "notice_copy_sha256", Value: func(r row) string { return r.NoticeCopy }},
		{Name: "acquisition_source", Value: func(r row) string { return r.Source }},
		{Name: "operator", Value: func(r row) string { return r.Operator }},
		{Name: "approver", Value: func(r row) string { return r.Approver }},
		{Name: "independence", Value: func(r row) string { return string(r.Independence) }},
		{Name: "until", Value: func(r row) string { return sheet.Time(r.Until) }},
		{Name: "retention_until", Value: func(r row) string { return sheet.Time(r.RetentionUntil) }},
		{Name: "revoked_at", Value: func(r row) string { return sheet.Time(r.RevokedAt) }},
		{Name: "acknowledged_at", Value: func(r row) string { return sheet.Time(r.AcknowledgedAt) }},
		{Name: "ledger_index", Value: func(r row) string { return indexText(r.LedgerIndex) }},
	}
}

// indexText is empty for what has no entry that vouches for a parcel.
func indexText(index int64) string {
	if index < 0 {
		return ""
	}
	return strconv.FormatInt(index, 10)
}

func joined[T ~string](codes []T) string {
	parts := make([]string, len(codes))
	for i, c := range codes {
		parts[i] = string(c)
	}
	return strings.Join(parts, " ")
}

// registerPrints are the columns of the printed register.
func (s *Service) registerPrints(name func(string) string) []sheet.Print[provision.ReportRow] {
	return []sheet.Print[provision.ReportRow]{
		{Label: sheet.Words{EN: "No., day", JA: "番号・提供日"}, Width: 12, Lines: s.whenLines},
		{Label: sheet.Words{EN: "Recipient", JA: "提供先"}, Width: 20, Lines: recipientLines},
		{Label: sheet.Words{EN: "Information", JA: "提供した情報"}, Width: 26, Lines: s.dataLines},
		{Label: sheet.Words{EN: "Purpose", JA: "利用目的"}, Width: 18, Lines: s.purposeLines},
		{Label: sheet.Words{EN: "Method, basis", JA: "提供の方法・根拠"}, Width: 12, Lines: s.methodLines},
		{Label: sheet.Words{EN: "Decision, state", JA: "承認・状態"}, Width: 12, Lines: func(r provision.ReportRow, lang sheet.Lang) []string {
			return s.stateLines(r, lang, name)
		}},
	}
}

func (s *Service) whenLines(r provision.ReportRow, lang sheet.Lang) []string {
	return []string{
		r.Number, s.day(r.OccurredAt), label(lang, "until", "期限", s.lastDay(r.Until)),
		label(lang, "ledger entry", "台帳", indexText(r.LedgerIndex)),
	}
}

func recipientLines(r provision.ReportRow, lang sheet.Lang) []string {
	return []string{
		r.RecipientOrg, r.RecipientAddress + " (" + r.Country + ")",
		label(lang, "representative", "代表者", r.RecipientRepresentative), label(lang, "agreement", "契約", r.AgreementNumber),
	}
}

func (s *Service) dataLines(r provision.ReportRow, lang sheet.Lang) []string {
	title := r.DatasetTitle
	if r.DatasetVersion > 0 {
		title += " v" + strconv.Itoa(r.DatasetVersion)
	}
	items := make([]string, len(r.Items))
	for i, item := range r.Items {
		items[i] = s.Texts.Item(string(item), string(lang))
	}
	return []string{
		title, s.Texts.Class(string(r.Class), string(lang)), label(lang, "items", "項目", strings.Join(items, " / ")),
		label(lang, "records", "件数", sheet.Count(r.RecordCount)), label(lang, "source", "取得元", r.Source),
	}
}

func (s *Service) purposeLines(r provision.ReportRow, lang sheet.Lang) []string {
	return []string{r.PurposeText, s.Texts.Purpose(string(r.Purpose), string(lang)), joined(r.DUO)}
}

func (s *Service) methodLines(r provision.ReportRow, lang sheet.Lang) []string {
	return []string{
		s.Texts.Method(string(r.Method), string(lang)), s.Texts.Basis(string(r.Basis), string(lang)),
		label(lang, "published", "公表日", r.NoticeDay),
	}
}

func (s *Service) stateLines(r provision.ReportRow, lang sheet.Lang, name func(string) string) []string {
	return []string{
		stateName(r.State).In(lang), label(lang, "approved by", "承認", name(r.Approver)), label(lang, "asked by", "申請", name(r.Operator)),
		label(lang, "independence", "独立性", independenceName(r.Independence).In(lang)),
		label(lang, "revoked", "取消", s.day(r.RevokedAt)), label(lang, "acknowledged", "受領確認", s.day(r.AcknowledgedAt)),
	}
}

func independenceName(i models.Independence) sheet.Words {
	switch i {
	case models.IndependenceShown:
		return sheet.Words{EN: "shown", JA: "確認済"}
	case models.IndependenceNotShown:
		return sheet.Words{EN: "not shown", JA: "未確認"}
	default:
		return sheet.Words{}
	}
}

func stateName(state models.ProvisionState) sheet.Words {
	switch state {
	case models.ProvisionRevoked:
		return sheet.Words{EN: "revoked", JA: "取消済"}
	case models.ProvisionSuspended:
		return sheet.Words{EN: "suspended", JA: "停止中"}
	case models.ProvisionIssued:
		return sheet.Words{EN: "issued", JA: "提供済"}
	default:
		return sheet.Words{EN: string(state), JA: "移行"}
	}
}

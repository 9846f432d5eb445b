package report

import (
	"context"
	"strconv"

	"teikyo/access"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/report/sheet"
)

// StatementQuery says of whom and when. An empty RecipientID is the actor's own.
type StatementQuery struct {
	Period
	RecipientID string
	Tests       bool
	Part        *models.Part // nil: all
}

// StatementRow is one provision as its recipient sees it: nothing of how the
// provider came to its decision.
type StatementRow struct {
	Number         string                `json:"number"`
	ID             string                `json:"id"`
	Day            string                `json:"day"`
	DatasetID      string                `json:"dataset_id"`
	DatasetTitle   string                `json:"dataset_title"`
	DatasetVersion int                   `json:"dataset_version"`
	Class          models.DataClass      `json:"legal_class"`
	Items          []models.Item         `json:"items"`
	Files          int                   `json:"files"`
	Purpose        models.Purpose        `json:"purpose"`
	PurposeText    string                `json:"purpose_text"`
	Method         models.Method         `json:"method"`
	Agreement      string                `json:"agreement_number"`
	Until          string                `json:"last_day"`
	State          models.ProvisionState `json:"state"`
	RevokedDay     string                `json:"revoked_day,omitempty"`
	Acknowledged   string                `json:"acknowledged_day,omitempty"`
	KeyFingerprint string                `json:"key_fingerprint"`
	PackageSHA256  string                `json:"package_sha256"`
	LedgerIndex    int64                 `json:"ledger_index"`

	row provision.ReportRow
}

// Statement is what one recipient has been given. People of a recipient get
// their own, the company's people that of anybody.
func (s *Service) Statement(ctx context.Context, actor access.Actor, q StatementQuery) (sheet.Document, error) {
	if q.RecipientID == "" {
		q.RecipientID = actor.RecipientID
	}
	if q.RecipientID == "" && actor.SignedIn() {
		return nil, models.Errorf(models.Invalid, "say of which recipient (teikyo recipient list shows them)")
	}
	if err := access.Can(actor, access.ReadStatement, access.Of(q.RecipientID)); err != nil {
		return nil, err
	}
	rcpt, err := s.Store.Recipient(ctx, q.RecipientID)
	if models.IsKind(err, models.NotFound) {
		return nil, access.Can(actor, access.ReadStatement, access.Absent())
	}
	if err != nil {
		return nil, err
	}
	rows, err := s.Provisions.Statement(ctx, actor, provision.ReportQuery{From: q.From, To: q.To, RecipientID: q.RecipientID, Tests: q.Tests, Part: q.Part})
	if err != nil {
		return nil, err
	}
	facts, err := s.facts(ctx, actor, recipientFacts(rcpt, q.Period)...)
	if err != nil {
		return nil, err
	}
	return sheet.Sheet[StatementRow]{
		Name: "statement", Title: sheet.Words{EN: "Statement of data provided", JA: "データ提供明細書"}, Issuer: s.Provisions.Provider(),
		Facts: facts, Rows: mapped(rows, s.statementRow), Next: next(q.Part), Columns: statementColumns(), Prints: s.statementPrints(),
		Notes: []sheet.Words{{
			EN: "The recipient must not match anonymously processed information with other information to identify a person, nor acquire what was deleted or the method of processing (APPI Art. 45).",
			JA: "匿名加工情報の提供を受けた者は、本人を識別するために、加工方法等情報を取得し、又は当該匿名加工情報を他の情報と照合してはなりません（個人情報の保護に関する法律第45条）。",
		}, importedNote()},
		Signatures: []sheet.Words{{EN: "Provider", JA: "提供元"}, {EN: "Recipient", JA: "提供先"}},
	}, nil
}

func recipientFacts(r models.Recipient, p Period) []sheet.Fact {
	return []sheet.Fact{
		{Name: "recipient", Label: sheet.Words{EN: "Recipient", JA: "提供先"}, Value: sheet.Same(r.Name)},
		{Name: "recipient_id", Label: sheet.Words{EN: "Identifier", JA: "識別番号"}, Value: sheet.Same(r.ID)},
		{Name: "address", Label: sheet.Words{EN: "Address", JA: "所在地"}, Value: sheet.Same(r.Address + " (" + r.Country + ")")},
		{Name: "representative", Label: sheet.Words{EN: "Representative", JA: "代表者"}, Value: sheet.Same(r.Representative)},
		p.fact(),
	}
}

func (s *Service) statementRow(r provision.ReportRow) StatementRow {
	return StatementRow{
		Number: r.Number, ID: r.ID, Day: s.day(r.OccurredAt), DatasetID: r.DatasetID, DatasetTitle: r.DatasetTitle,
		DatasetVersion: r.DatasetVersion, Class: r.Class, Items: r.Items, Files: r.Files, Purpose: r.Purpose, PurposeText: r.PurposeText,
		Method: r.Method, Agreement: r.AgreementNumber, Until: s.lastDay(r.Until), State: r.State, RevokedDay: s.day(r.RevokedAt),
		Acknowledged: s.day(r.AcknowledgedAt), KeyFingerprint: r.KeyFingerprint, PackageSHA256: r.PackageSHA256,
		LedgerIndex: r.LedgerIndex, row: r,
	}
}

func statementColumns() []sheet.Column[StatementRow] {
	type row = StatementRow
	return []sheet.Column[row]{
		{Name: "number", Value: func(r row) string { return r.Number }},
		{Name: "id", Value: func(r row) string { return r.ID }},
		{Name: "day", Value: func(r row) string { return r.Day }},
		{Name: "dataset_id", Value: func(r row) string { return r.DatasetID }},
		{Name: "dataset_title", Value: func(r row) string { return r.DatasetTitle }},
		{Name: "dataset_version", Value: func(r row) string { return strconv.Itoa(r.DatasetVersion) }},
		{Name: "legal_class", Value: func(r row) string { return string(r.Class) }},
		{Name: "items", Value: func(r row) string { return joined(r.Items) }},
		{Name: "files", Value: func(r row) string { return strconv.Itoa(r.Files) }},
		{Name: "purpose", Value: func(r row) string { return string(r.Purpose) }},
		{Name: "purpose_text", Value: func(r row) string { return r.PurposeText }},
		{Name: "method", Value: func(r row) string { return string(r.Method) }},
		{Name: "agreement_number", Value: func(r row) string { return r.Agreement }},
		{Name: "last_day", Value: func(r row) string { return r.Until }},
		{Name: "state", Value: func(r row) string { return string(r.State) }},
		{Name: "revoked_day", Value: func(r row) string { return r.RevokedDay }},
		{Name: "acknowledged_day", Value: func(r row) string { return r.Acknowledged }},
		{Name: "key_fingerprint", Value: func(r row) string { return r.KeyFingerprint }},
		{Name: "package_sha256", Value: func(r row) string { return r.PackageSHA256 }},
		{Name: "ledger_index", Value: func(r row) string { return indexText(r.LedgerIndex) }},
	}
}

func (s *Service) statementPrints() []sheet.Print[StatementRow] {
	on := func(lines func(provision.ReportRow, sheet.Lang) []string) func(StatementRow, sheet.Lang) []string {
		return func(r StatementRow, lang sheet.Lang) []string { return lines(r.row, lang) }
	}
	return []sheet.Print[StatementRow]{
		{Label: sheet.Words{EN: "No., day", JA: "番号・提供日"}, Width: 14, Lines: on(s.whenLines)},
		{Label: sheet.Words{EN: "Information", JA: "提供した情報"}, Width: 32, Lines: on(s.dataLines)},
		{Label: sheet.Words{EN: "Purpose", JA: "利用目的"}, Width: 20, Lines: on(s.purposeLines)},
		{Label: sheet.Words{EN: "Method, agreement", JA: "提供の方法・契約"}, Width: 16, Lines: func(r StatementRow, lang sheet.Lang) []string {
			return []string{s.Texts.Method(string(r.Method), string(lang)), label(lang, "agreement", "契約", r.Agreement)}
		}},
		{Label: sheet.Words{EN: "State, digest", JA: "状態・ダイジェスト"}, Width: 18, Lines: func(r StatementRow, lang sheet.Lang) []string {
			return []string{
				stateName(r.State).In(lang), label(lang, "revoked", "取消", r.RevokedDay),
				label(lang, "acknowledged", "受領確認", r.Acknowledged), label(lang, "manifest", "マニフェスト", r.PackageSHA256),
			}
		}},
	}
}

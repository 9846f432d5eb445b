package report

import (
	"context"
	"iter"
	"strconv"
	"strings"

	"teikyo/access"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/report/sheet"
)

// accountingYears is how far an accounting reaches back (45 CFR 164.528(a)(1)).
const accountingYears = 6

// maxSummaries bounds the groups of a summarised accounting, which are held in
// memory.
const maxSummaries = 20_000

// DisclosuresQuery says which disclosures are accounted for. Without From it
// reaches six years back.
type DisclosuresQuery struct {
	Period
	RecipientID string
	// Summarize joins repeated disclosures to one recipient for one purpose, as
	// 45 CFR 164.528(b)(3) allows.
	Summarize bool
	// Every lists also those that need no accounting, and says why.
	Every bool
	// Part limits the provisions that are looked at; the totals are theirs.
	Part *models.Part
}

// Disclosure is one line of the accounting: exactly what 45 CFR 164.528(b)(2)
// asks for, and the reference to our own record.
type Disclosure struct {
	Date        string `json:"date"`
	Recipient   string `json:"recipient_name"`
	Address     string `json:"recipient_address"`
	Description string `json:"description"`
	Purpose     string `json:"purpose"`
	// Times and LastDate stand in a summary (164.528(b)(3)).
	Times    int    `json:"times,omitempty"`
	LastDate string `json:"last_date,omitempty"`
	// LeftOut says why the law does not ask for this one.
	LeftOut string `json:"not_required_because,omitempty"`
	Number  string `json:"number"`

	row provision.ReportRow
}

// exemptions counts the disclosures that need no accounting, by their reason.
type exemptions map[string]int

// Why a disclosure needs no accounting.
const (
	limitedDataSet    = "limited data set, 45 CFR 164.528(a)(1)(viii)"
	notIdentifiable   = "not identifiable health information, 45 CFR 164.502(d)(2)"
	withAuthorization = "with authorization, 45 CFR 164.528(a)(1)(iv)"
)

// leftOut is such a reason for the printed report.
func leftOut(reason string) sheet.Words {
	switch reason {
	case limitedDataSet:
		return sheet.Words{EN: reason, JA: "限定データセット（45 CFR 164.528(a)(1)(viii)）"}
	case notIdentifiable:
		return sheet.Words{EN: reason, JA: "個人を識別できない健康情報（45 CFR 164.502(d)(2)）"}
	case withAuthorization:
		return sheet.Words{EN: reason, JA: "本人の承認によるもの（45 CFR 164.528(a)(1)(iv)）"}
	}
	return sheet.Same(reason)
}

// exempt says why a provision needs no accounting; empty when it does.
func exempt(r provision.ReportRow) string {
	switch {
	case r.Class == models.USLimitedDataSet:
		return limitedDataSet
	case r.Class != models.Personal:
		return notIdentifiable
	case r.Basis == models.Consent:
		return withAuthorization
	}
	return ""
}

// Disclosures is the accounting of disclosures.
func (s *Service) Disclosures(ctx context.Context, actor access.Actor, q DisclosuresQuery) (sheet.Document, error) {
	if q.Summarize && q.Part != nil {
		return nil, models.Errorf(models.Invalid, "a summary needs all rows; ask for it without a limit")
	}
	if q.From == "" {
		q.From = s.day(s.Now().AddDate(-accountingYears, 0, 0))
	}
	rows, err := s.Provisions.Report(ctx, actor, provision.ReportQuery{From: q.From, To: q.To, RecipientID: q.RecipientID, Part: q.Part})
	if err != nil {
		return nil, err
	}
	facts, err := s.facts(ctx, actor, q.fact())
	if err != nil {
		return nil, err
	}
	left := exemptions{}
	lines := s.disclosures(rows, q.Every, left)
	if q.Summarize {
		lines = summarized(lines)
	}
	return sheet.Sheet[Disclosure]{
		Name: "disclosures", Title: sheet.Words{EN: "Accounting of disclosures (45 CFR 164.528)", JA: "開示の記録（45 CFR 164.528）"},
		Issuer: s.Provisions.Provider(), Facts: facts, Rows: lines, Next: next(q.Part), Columns: disclosureColumns(), Prints: s.disclosurePrints(),
		Totals: func() []sheet.Fact { return left.facts(q.Every) }, Signatures: signatures(),
		Notes: []sheet.Words{{
			EN: "Repeated disclosures to one recipient for one purpose may stand in one line with the first date, their number and the last date (45 CFR 164.528(b)(3)). Documents of an accounting are kept for six years (164.530(j)).",
			JA: "同一の提供先に対する同一目的の反復した開示は、初回の日付、回数及び最終の日付をもって一行にまとめることができます（45 CFR 164.528(b)(3)）。記録は6年間保存します（164.530(j)）。",
		}, importedNote()},
	}, nil
}

func (e exemptions) facts(listed bool) []sheet.Fact {
	var facts []sheet.Fact
	for _, f := range []struct {
		name, reason string
		label        sheet.Words
	}{
		{"limited_data_sets", limitedDataSet, sheet.Words{EN: "Limited data sets", JA: "限定データセット"}},
		{"not_identifiable", notIdentifiable, sheet.Words{EN: "Not identifiable", JA: "非識別化情報等"}},
		{"with_authorization", withAuthorization, sheet.Words{EN: "With authorization", JA: "本人の承認によるもの"}},
	} {
		n := e[f.reason]
		value := sheet.Words{EN: strconv.Itoa(n) + " left out", JA: strconv.Itoa(n) + "件（記載省略）"}
		if listed {
			value = sheet.Words{EN: strconv.Itoa(n) + " listed", JA: strconv.Itoa(n) + "件（記載）"}
		}
		facts = append(facts, sheet.Fact{Name: f.name, Label: f.label, Value: value})
	}
	return facts
}

// disclosures turns provisions into lines of the accounting and counts in left
// those that need none.
func (s *Service) disclosures(rows iter.Seq2[provision.ReportRow, error], every bool, left exemptions) iter.Seq2[Disclosure, error] {
	return func(yield func(Disclosure, error) bool) {
		for r, err := range rows {
			if err != nil {
				yield(Disclosure{}, err)
				return
			}
			reason := exempt(r)
			if reason != "" {
				left[reason]++
			}
			if reason != "" && !every {
				continue
			}
			if !yield(s.disclosure(r, reason), nil) {
				return
			}
		}
	}
}

func (s *Service) disclosure(r provision.ReportRow, reason string) Disclosure {
	return Disclosure{
		Date: s.day(r.OccurredAt), Recipient: r.RecipientOrg, Address: r.RecipientAddress + " (" + r.Country + ")",
		Description: s.described(r, sheet.English), Purpose: s.purposeOf(r, sheet.English), LeftOut: reason, Number: r.Number, row: r,
	}
}

// described is the brief description of what was disclosed (45 CFR
// 164.528(b)(2)(iii)).
func (s *Service) described(r provision.ReportRow, lang sheet.Lang) string {
	items := make([]string, len(r.Items))
	for i, item := range r.Items {
		items[i] = s.Texts.Item(string(item), string(lang))
	}
	if lang == sheet.Japanese {
		return r.DatasetTitle + "：" + strings.Join(items, "、")
	}
	return r.DatasetTitle + ": " + strings.Join(items, "; ")
}

func (s *Service) purposeOf(r provision.ReportRow, lang sheet.Lang) string {
	name := s.Texts.Purpose(string(r.Purpose), string(lang))
	if lang == sheet.Japanese {
		return name + "：" + r.PurposeText
	}
	return name + ": " + r.PurposeText
}

// summarized joins the lines to one recipient for one purpose. Lines come the
// newest first.
func summarized(lines iter.Seq2[Disclosure, error]) iter.Seq2[Disclosure, error] {
	return func(yield func(Disclosure, error) bool) {
		groups := map[[4]string]int{}
		var list []Disclosure
		for d, err := range lines {
			if err != nil {
				yield(d, err)
				return
			}
			key := [4]string{d.Recipient, d.Address, d.Purpose, d.LeftOut}
			i, known := groups[key]
			if known {
				list[i].Date, list[i].Number, list[i].Times = d.Date, d.Number, list[i].Times+1
				continue
			}
			if len(list) == maxSummaries {
				yield(d, models.Errorf(models.TooLarge, "there are more than %d recipients and purposes; choose a shorter period", maxSummaries))
				return
			}
			groups[key] = len(list)
			d.Times, d.LastDate = 1, d.Date
			list = append(list, d)
		}
		for _, d := range list {
			if !yield(d, nil) {
				return
			}
		}
	}
}

func disclosureColumns() []sheet.Column[Disclosure] {
	return []sheet.Column[Disclosure]{
		{Name: "date", Value: func(d Disclosure) string { return d.Date }},
		{Name: "recipient_name", Value: func(d Disclosure) string { return d.Recipient }},
		{Name: "recipient_address", Value: func(d Disclosure) string { return d.Address }},
		{Name: "description", Value: func(d Disclosure) string { return d.Description }},
		{Name: "purpose", Value: func(d Disclosure) string { return d.Purpose }},
		{Name: "times", Value: func(d Disclosure) string { return sheet.Count(int64(d.Times)) }},
		{Name: "last_date", Value: func(d Disclosure) string { return d.LastDate }},
		{Name: "not_required_because", Value: func(d Disclosure) string { return d.LeftOut }},
		{Name: "number", Value: func(d Disclosure) string { return d.Number }},
	}
}

func (s *Service) disclosurePrints() []sheet.Print[Disclosure] {
	return []sheet.Print[Disclosure]{
		{Label: sheet.Words{EN: "Date", JA: "開示日"}, Width: 14, Lines: func(d Disclosure, lang sheet.Lang) []string {
			return []string{d.Date, label(lang, "times", "回数", sheet.Count(int64(d.Times))), label(lang, "last", "最終", d.LastDate), d.Number}
		}},
		{Label: sheet.Words{EN: "Recipient and address", JA: "開示先の名称及び所在地"}, Width: 26, Lines: func(d Disclosure, _ sheet.Lang) []string {
			return []string{d.Recipient, d.Address}
		}},
		{Label: sheet.Words{EN: "Description of what was disclosed", JA: "開示した情報の概要"}, Width: 34, Lines: func(d Disclosure, lang sheet.Lang) []string {
			return []string{s.described(d.row, lang)}
		}},
		{Label: sheet.Words{EN: "Purpose", JA: "開示の目的"}, Width: 26, Lines: func(d Disclosure, lang sheet.Lang) []string {
			return []string{s.purposeOf(d.row, lang), label(lang, "no accounting needed", "記録不要", leftOut(d.LeftOut).In(lang))}
		}},
	}
}

package handlers

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"html/template"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"teikyo/access"
	"teikyo/provision"
)

func (a *api) reportRoutes() {
	add(a, route{get, "/reports/provisions", "report-provisions", "Report of the provisions of a period", "reports", 0, false, 0}, a.reportProvisions)
}

type reportInput struct {
	From      string `query:"from" maxLength:"40" doc:"First day."`
	To        string `query:"to" maxLength:"40" doc:"Last day."`
	Recipient string `query:"recipient" maxLength:"40"`
	Tests     bool   `query:"tests" doc:"The rehearsals, which are left out otherwise."`
	Format    string `query:"format" enum:"json,csv,html" default:"json"`
}

// reportProvisions streams the report row by row. An error in the middle breaks
// the connection off, so that half a report never looks whole.
func (a *api) reportProvisions(ctx context.Context, actor access.Actor, in *reportInput) (*huma.StreamResponse, error) {
	rows, err := a.Provisions.Report(ctx, actor, provision.ReportQuery{
		From: in.From, To: in.To, RecipientID: in.Recipient, Tests: in.Tests,
	})
	if err != nil {
		return nil, err
	}
	media, write := "application/json", writeJSONReport
	switch in.Format {
	case "csv":
		media, write = "text/csv; charset=utf-8", writeCSVReport
	case "html":
		media, write = "text/html; charset=utf-8", writeHTMLReport
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", media)
		if err := write(out.BodyWriter(), rows); err != nil {
			recordError(ctx, err)
			breakOff()
		}
	}}, nil
}

func writeJSONReport(w io.Writer, rows iter.Seq2[provision.ReportRow, error]) error {
	separator := `{"items":[`
	for row, err := range rows {
		if err != nil {
			return err
		}
		line, err := json.Marshal(row)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, separator+"\n"+string(line)); err != nil {
			return err
		}
		separator = ","
	}
	if separator != "," {
		_, err := io.WriteString(w, separator+"]}\n")
		return err
	}
	_, err := io.WriteString(w, "\n]}\n")
	return err
}

// reportColumns are the columns of the tables, in the order of DOMAIN 2.4.
var reportColumns = []struct {
	name  string
	value func(provision.ReportRow) string
}{
	{"number", func(r provision.ReportRow) string { return r.Number }},
	{"id", func(r provision.ReportRow) string { return r.ID }},
	{"state", func(r provision.ReportRow) string { return string(r.State) }},
	{"occurred_at", func(r provision.ReportRow) string { return timeText(r.OccurredAt) }},
	{"dataset_id", func(r provision.ReportRow) string { return r.DatasetID }},
	{"dataset_title", func(r provision.ReportRow) string { return r.DatasetTitle }},
	{"dataset_version", func(r provision.ReportRow) string { return strconv.Itoa(r.DatasetVersion) }},
	{"package_sha256", func(r provision.ReportRow) string { return r.PackageSHA256 }},
	{"legal_class", func(r provision.ReportRow) string { return string(r.Class) }},
	{"basis", func(r provision.ReportRow) string { return string(r.Basis) }},
	{"jurisdictions", func(r provision.ReportRow) string { return strings.Join(r.Jurisdictions, " ") }},
	{"recipient_id", func(r provision.ReportRow) string { return r.RecipientID }},
	{"recipient_org", func(r provision.ReportRow) string { return r.RecipientOrg }},
	{"recipient_address", func(r provision.ReportRow) string { return r.RecipientAddress }},
	{"recipient_representative", func(r provision.ReportRow) string { return r.RecipientRepresentative }},
	{"recipient_contact", func(r provision.ReportRow) string { return r.RecipientContact }},
	{"country", func(r provision.ReportRow) string { return r.Country }},
	{"method", func(r provision.ReportRow) string { return string(r.Method) }},
	{"items", func(r provision.ReportRow) string { return joinText(r.Items) }},
	{"files", func(r provision.ReportRow) string { return strconv.Itoa(r.Files) }},
	{"record_count", func(r provision.ReportRow) string { return countText(r.RecordCount) }},
	{"subject_count", func(r provision.ReportRow) string { return countText(r.SubjectCount) }},
	{"purpose", func(r provision.ReportRow) string { return string(r.Purpose) }},
	{"purpose_text", func(r provision.ReportRow) string { return r.PurposeText }},
	{"duo_codes", func(r provision.ReportRow) string { return joinText(r.DUO) }},
	{"agreement_number", func(r provision.ReportRow) string { return r.AgreementNumber }},
	{"publication_ref", func(r provision.ReportRow) string { return r.NoticeID }},
	{"publication_day", func(r provision.ReportRow) string { return r.NoticeDay }},
	{"notice_copy_sha256", func(r provision.ReportRow) string { return r.NoticeCopy }},
	{"acquisition_source", func(r provision.ReportRow) string { return r.Source }},
	{"operator", func(r provision.ReportRow) string { return r.Operator }},
	{"approver", func(r provision.ReportRow) string { return r.Approver }},
	{"independence", func(r provision.ReportRow) string { return string(r.Independence) }},
	{"until", func(r provision.ReportRow) string { return timeText(r.Until) }},
	{"retention_until", func(r provision.ReportRow) string { return timeText(r.RetentionUntil) }},
	{"revoked_at", func(r provision.ReportRow) string { return timeText(r.RevokedAt) }},
	{"acknowledged_at", func(r provision.ReportRow) string { return timeText(r.AcknowledgedAt) }},
	{"ledger_index", func(r provision.ReportRow) string { return strconv.FormatInt(r.LedgerIndex, 10) }},
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func countText(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func joinText[T ~string](codes []T) string {
	parts := make([]string, len(codes))
	for i, c := range codes {
		parts[i] = string(c)
	}
	return strings.Join(parts, " ")
}

// writeCSVReport writes RFC 4180 with a byte order mark, without which
// spreadsheets take UTF-8 for something else.
func writeCSVReport(w io.Writer, rows iter.Seq2[provision.ReportRow, error]) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	cells := make([]string, len(reportColumns))
	for i, c := range reportColumns {
		cells[i] = c.name
	}
	if err := out.Write(cells); err != nil {
		return err
	}
	for row, err := range rows {
		if err != nil {
			return err
		}
		for i, c := range reportColumns {
			cells[i] = safeCell(c.value(row))
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// safeCell keeps a spreadsheet from running what people wrote as a formula
// (OWASP, CSV injection): such a cell gets an apostrophe in front.
func safeCell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(text)[0]) {
		return "'" + text
	}
	return text
}

var (
	reportHead = template.Must(template.New("head").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Provisions / 提供の記録</title></head>
<body><h1>Provisions / 提供の記録</h1><table border="1"><thead><tr>{{range .}}<th scope="col">{{.}}</th>{{end}}</tr></thead><tbody>
`))
	reportLine = template.Must(template.New("line").Parse(`<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>
`))
)

func writeHTMLReport(w io.Writer, rows iter.Seq2[provision.ReportRow, error]) error {
	cells := make([]string, len(reportColumns))
	for i, c := range reportColumns {
		cells[i] = c.name
	}
	if err := reportHead.Execute(w, cells); err != nil {
		return err
	}
	for row, err := range rows {
		if err != nil {
			return err
		}
		for i, c := range reportColumns {
			cells[i] = c.value(row)
		}
		if err := reportLine.Execute(w, cells); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "</tbody></table></body></html>\n")
	return err
}

// breakOff ends the connection without the end of the body; the server knows
// this panic (net/http.ErrAbortHandler).
func breakOff() { panic(http.ErrAbortHandler) }

package handlers

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"teikyo/access"
	"teikyo/audit"
	"teikyo/models"
	"teikyo/report"
	"teikyo/report/sheet"
)

func (a *api) reportRoutes() {
	const tag = "reports"
	add(a, route{get, "/reports/provisions", "report-provisions", "Register of the provisions of a period", tag, 0, false, 0}, a.reportProvisions)
	add(a, route{get, "/reports/statement", "report-statement", "Statement of what one recipient was given", tag, 0, false, 0}, a.reportStatement)
	add(a, route{get, "/reports/disclosures", "report-disclosures", "Accounting of disclosures (45 CFR 164.528)", tag, 0, false, 0}, a.reportDisclosures)
	add(a, route{get, "/reports/access", "report-access", "Review of access: who had which role when", tag, 0, false, 0}, a.reportAccess)
	add(a, route{get, "/reports/open", "report-open", "What waits for somebody, or ends soon", tag, 0, false, 0}, a.reportOpen)
	add(a, route{get, "/reports/sample", "report-sample", "Evidence for a sample of provisions, as a ZIP archive", tag, 0, false, 0}, a.reportSample)
}

// ReportForm is how a report is wanted.
type ReportForm struct {
	Format string `query:"format" enum:"json,csv,html" default:"json"`
	Lang   string `query:"lang" enum:"en,ja" doc:"Language of HTML; without it Accept-Language decides."`
	Accept string `header:"Accept-Language"`
}

func (f ReportForm) language() sheet.Lang {
	if f.Lang != "" {
		return sheet.Lang(f.Lang)
	}
	for choice := range strings.SplitSeq(f.Accept, ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(choice), ";")
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if base == "ja" || base == "en" {
			return sheet.Lang(base)
		}
	}
	return sheet.English
}

// ReportPart asks for a part of a report.
type ReportPart struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" doc:"Rows to look at; next_cursor in JSON goes on after them, and a part may show fewer rows than were looked at. Without it the whole report is streamed."`
	Cursor string `query:"cursor" maxLength:"300" doc:"next_cursor of the part before; it needs a limit."`
}

// part is nil when the whole report is wanted.
func (p ReportPart) part() (*models.Part, error) {
	if p.Limit == 0 && p.Cursor != "" {
		return nil, models.Errorf(models.Invalid, "a cursor needs a limit; give one from 1 to %d", models.MaxPage)
	}
	if p.Limit == 0 {
		return nil, nil
	}
	return &models.Part{After: p.Cursor, Limit: p.Limit}, nil
}

// ReportPeriod is the days that a report covers.
type ReportPeriod struct {
	From string `query:"from" maxLength:"40" doc:"First day."`
	To   string `query:"to" maxLength:"40" doc:"Last day."`
}

func (p ReportPeriod) period() report.Period { return report.Period{From: p.From, To: p.To} }

// reportPolicy lets a report have its style inside, so that a saved copy has it
// too, and nothing else.
const reportPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// send streams a report row by row. An error in the middle breaks the connection
// off, so that half a report never looks whole. A part is short: it is written
// before the answer begins, so that a wrong cursor has an answer of its own.
func (f ReportForm) send(ctx context.Context, doc sheet.Document, part *models.Part, err error) (*huma.StreamResponse, error) {
	if err != nil {
		return nil, err
	}
	format := sheet.Format(f.Format)
	write := func(w io.Writer) error { return doc.Write(w, format, f.language()) }
	if part != nil {
		var whole bytes.Buffer
		if err := write(&whole); err != nil {
			return nil, err
		}
		write = func(w io.Writer) error {
			_, err := whole.WriteTo(w)
			return err
		}
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", format.Media())
		switch format {
		case sheet.HTML:
			out.SetHeader("Content-Security-Policy", reportPolicy)
		case sheet.CSV:
			out.SetHeader("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": doc.FileName(format)}))
		case sheet.JSON:
		}
		if err := write(out.BodyWriter()); err != nil {
			recordError(ctx, err)
			breakOff()
		}
	}}, nil
}

type registerInput struct {
	ReportPeriod
	ReportPart
	ReportForm
	Recipient string `query:"recipient" maxLength:"40"`
	Dataset   string `query:"dataset" maxLength:"40"`
	Tests     bool   `query:"tests" doc:"The rehearsals, which are left out otherwise."`
}

func (a *api) reportProvisions(ctx context.Context, actor access.Actor, in *registerInput) (*huma.StreamResponse, error) {
	part, err := in.part()
	if err != nil {
		return nil, err
	}
	doc, err := a.Reports.Register(ctx, actor, report.RegisterQuery{
		Period: in.period(), RecipientID: in.Recipient, DatasetID: in.Dataset, Tests: in.Tests, Part: part,
	})
	return in.send(ctx, doc, part, err)
}

type statementInput struct {
	ReportPeriod
	ReportPart
	ReportForm
	Recipient string `query:"recipient" maxLength:"40" doc:"People of a recipient get their own without it."`
	Tests     bool   `query:"tests" doc:"The rehearsals, which are left out otherwise."`
}

func (a *api) reportStatement(ctx context.Context, actor access.Actor, in *statementInput) (*huma.StreamResponse, error) {
	part, err := in.part()
	if err != nil {
		return nil, err
	}
	doc, err := a.Reports.Statement(ctx, actor, report.StatementQuery{Period: in.period(), RecipientID: in.Recipient, Tests: in.Tests, Part: part})
	return in.send(ctx, doc, part, err)
}

type disclosuresInput struct {
	ReportPeriod
	ReportPart
	ReportForm
	Recipient string `query:"recipient" maxLength:"40"`
	Summarize bool   `query:"summarize" doc:"Repeated disclosures to one recipient for one purpose in one line."`
	Every     bool   `query:"every" doc:"Also those that need no accounting, and why."`
}

func (a *api) reportDisclosures(ctx context.Context, actor access.Actor, in *disclosuresInput) (*huma.StreamResponse, error) {
	part, err := in.part()
	if err != nil {
		return nil, err
	}
	doc, err := a.Reports.Disclosures(ctx, actor, report.DisclosuresQuery{
		Period: in.period(), RecipientID: in.Recipient, Summarize: in.Summarize, Every: in.Every, Part: part,
	})
	return in.send(ctx, doc, part, err)
}

type accessInput struct {
	ReportPeriod
	ReportPart
	ReportForm
}

func (a *api) reportAccess(ctx context.Context, actor access.Actor, in *accessInput) (*huma.StreamResponse, error) {
	part, err := in.part()
	if err != nil {
		return nil, err
	}
	doc, err := a.Reports.AccessReview(ctx, actor, in.period(), part)
	return in.send(ctx, doc, part, err)
}

type openInput struct {
	ReportPart
	ReportForm
	Within int `query:"within" minimum:"0" maximum:"3660" doc:"Days to look ahead; 30 when absent."`
}

func (a *api) reportOpen(ctx context.Context, actor access.Actor, in *openInput) (*huma.StreamResponse, error) {
	part, err := in.part()
	if err != nil {
		return nil, err
	}
	doc, err := a.Reports.OpenEnds(ctx, actor, in.Within, part)
	return in.send(ctx, doc, part, err)
}

// breakOff ends the connection without the end of the body; the server knows
// this panic (net/http.ErrAbortHandler).
func breakOff() { panic(http.ErrAbortHandler) }

type sampleInput struct {
	ReportPeriod
	Seed  string `query:"seed" required:"true" minLength:"1" maxLength:"200" doc:"The same seed gives the same sample."`
	N     int    `query:"n" required:"true" minimum:"1" maximum:"200"`
	Tests bool   `query:"tests" doc:"Of the rehearsals, which are left out otherwise."`
}

func (a *api) reportSample(ctx context.Context, actor access.Actor, in *sampleInput) (*huma.StreamResponse, error) {
	pack, err := a.Audit.Draw(ctx, actor, audit.Query{Seed: in.Seed, N: in.N, From: in.From, To: in.To, Tests: in.Tests})
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", "application/zip")
		out.SetHeader("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": pack.FileName()}))
		if err := pack.Write(ctx, out.BodyWriter()); err != nil {
			recordError(ctx, err)
			breakOff()
		}
	}}, nil
}

package handlers

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"teikyo/models"
	"teikyo/provision"
)

func reportOf(rows ...provision.ReportRow) iter.Seq2[provision.ReportRow, error] {
	return func(yield func(provision.ReportRow, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func hostileRow() provision.ReportRow {
	return provision.ReportRow{
		Record: provision.Record{
			ID: "p-1", Number: "2026-0001", OccurredAt: time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC),
			RecipientOrg: `=HYPERLINK("http://x","y")`, RecipientAddress: "＝1+1", PurposeText: "a \"b\",\nc", Items: []models.Item{models.Tests, models.Care},
			RecipientRepresentative: "<script>alert(1)</script>",
		},
		State: models.ProvisionIssued,
	}
}

func TestCSVReportIsSafeInASpreadsheet(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := writeCSVReport(&out, reportOf(hostileRow())); err != nil {
		t.Fatal(err)
	}
	text, found := strings.CutPrefix(out.String(), "\ufeff")
	if !found {
		t.Error("no byte order mark")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	got := map[string]string{}
	for i, name := range rows[0] {
		got[name] = rows[1][i]
	}
	for name, want := range map[string]string{
		"number": "2026-0001", "recipient_org": `'=HYPERLINK("http://x","y")`, "recipient_address": "'＝1+1",
		"purpose_text": "a \"b\",\nc", "items": "tests care", "occurred_at": "2026-11-23T01:02:03Z", "revoked_at": "",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	for text, want := range map[string]string{"": "", "a=b": "a=b", "-1": "'-1", "@x": "'@x", "+1": "'+1", "\tx": "'\tx"} {
		if got := safeCell(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestReportsInOtherForms(t *testing.T) {
	t.Parallel()
	for n := range 3 {
		var rows []provision.ReportRow
		for range n {
			rows = append(rows, hostileRow())
		}
		var out bytes.Buffer
		var list struct{ Items []map[string]any }
		if err := writeJSONReport(&out, reportOf(rows...)); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out.Bytes(), &list); err != nil || len(list.Items) != n {
			t.Errorf("%d rows: %v\n%s", n, err, out.String())
		}
		out.Reset()
		if err := writeHTMLReport(&out, reportOf(rows...)); err != nil {
			t.Fatal(err)
		}
		if strings.Count(out.String(), "<tr>") != n+1 || strings.Contains(out.String(), "<script") {
			t.Errorf("%d rows: %s", n, out.String())
		}
	}
}

// Half a report must not look whole: the error comes out of every writer.
func TestReportErrorsAreSeen(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	rows := func(yield func(provision.ReportRow, error) bool) {
		_ = yield(hostileRow(), nil) && yield(provision.ReportRow{}, broken)
	}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"json": func(b *bytes.Buffer) error { return writeJSONReport(b, rows) },
		"csv":  func(b *bytes.Buffer) error { return writeCSVReport(b, rows) },
		"html": func(b *bytes.Buffer) error { return writeHTMLReport(b, rows) },
	} {
		if err := write(&bytes.Buffer{}); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

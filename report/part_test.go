package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"teikyo/models"
	"teikyo/provision"
	"teikyo/report"
	"teikyo/report/sheet"
)

// TestPartsMakeTheWhole reads each report a few rows at a time.
func TestPartsMakeTheWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 5 {
		w.user(fmt.Sprintf("u-%d", i), models.Manager)
	}
	w.provisions(23, func(i int, r *provision.Record) {
		switch i % 5 {
		case 0:
			r.Class, r.Basis = models.Personal, models.Law
		case 1:
			r.Class, r.Test = models.Test, true
		}
	})
	w.save(func(ctx context.Context) error {
		for i := range 7 {
			key := models.RecipientKey{ID: fmt.Sprintf("k-%d", i), RecipientID: "r-second", Public: fmt.Sprintf("age1x%d", i), State: models.KeyAdded, AddedAt: monday}
			if err := w.db.SaveRecipientKey(ctx, key); err != nil {
				return err
			}
		}
		return nil
	})
	ctx := t.Context()
	reports := map[string]func(part *models.Part) (sheet.Document, error){
		"provisions": func(p *models.Part) (sheet.Document, error) {
			return w.svc.Register(ctx, auditor, report.RegisterQuery{Part: p})
		},
		"statement": func(p *models.Part) (sheet.Document, error) {
			return w.svc.Statement(ctx, auditor, report.StatementQuery{RecipientID: "r-first", Part: p})
		},
		"disclosures": func(p *models.Part) (sheet.Document, error) {
			return w.svc.Disclosures(ctx, auditor, report.DisclosuresQuery{Part: p})
		},
		"access": func(p *models.Part) (sheet.Document, error) {
			return w.svc.AccessReview(ctx, auditor, report.Period{}, p)
		},
		"open": func(p *models.Part) (sheet.Document, error) { return w.svc.OpenEnds(ctx, auditor, 0, p) },
	}
	for name, ask := range reports {
		doc, err := ask(nil)
		whole := items(t, doc, err)
		if len(whole) == 0 {
			t.Fatalf("%s: nothing to compare", name)
		}
		for _, limit := range []int{1, 4, 500} {
			if parts := inParts(t, limit, ask); !reflect.DeepEqual(parts, whole) {
				t.Errorf("%s, %d at a time: %d rows, want %d", name, limit, len(parts), len(whole))
			}
		}
		if _, err := ask(&models.Part{After: "no cursor", Limit: 4}); !models.IsKind(err, models.Invalid) {
			t.Errorf("%s: a wrong cursor gave %v", name, err)
		}
	}
	if _, err := w.svc.Disclosures(ctx, auditor, report.DisclosuresQuery{Summarize: true, Part: &models.Part{Limit: 4}}); !models.IsKind(err, models.Invalid) {
		t.Errorf("a part of a summary: %v", err)
	}
}

// inParts goes from cursor to cursor, and joins the rows.
func inParts(t *testing.T, limit int, ask func(*models.Part) (sheet.Document, error)) (all []map[string]any) {
	t.Helper()
	part := &models.Part{Limit: limit}
	for range 200 {
		doc, err := ask(part)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := doc.Write(&out, sheet.JSON, sheet.English); err != nil {
			t.Fatal(err)
		}
		var list struct {
			Items []map[string]any
			Next  string `json:"next_cursor"`
		}
		if err := json.Unmarshal(out.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		if all = append(all, list.Items...); list.Next == "" {
			return all
		}
		part = &models.Part{After: list.Next, Limit: limit}
	}
	t.Fatal("the parts do not end")
	return nil
}

func TestDisclosuresInJapanese(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.provisions(2, func(i int, r *provision.Record) {
		if r.Class = models.Personal; i == 1 {
			r.Basis = models.Consent
		}
	})
	doc, err := w.svc.Disclosures(t.Context(), auditor, report.DisclosuresQuery{Every: true})
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := doc.Write(&page, sheet.HTML, sheet.Japanese); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"健診データ 2026：健康診断", "研究：治療の効果を比べる", "記録不要：本人の承認によるもの"} {
		if !strings.Contains(page.String(), part) {
			t.Errorf("the printed accounting lacks %s\n%s", part, page.String())
		}
	}
}

package deid_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"teikyo/deid"
	"teikyo/models"
)

var (
	now   = time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	sumA  = strings.Repeat("a1", 32)
	sumB  = strings.Repeat("b2", 32)
	dirty = "氏名,email,code\n" + strings.Repeat("山田太郎,x@hospital.jp,A\n", 3)
)

func waiverOf(f models.Finding, sum string) models.Waiver {
	return models.Waiver{
		ID: "w-" + f.ID, FindingID: f.ID, Rule: f.Rule, FileSHA256: sum, RequestedBy: "u-1", ApprovedBy: "u-2", ExpiresAt: now.Add(time.Hour),
	}
}

func TestNewPass(t *testing.T) {
	t.Parallel()
	r := check(t, "dirty.csv", dirty).Bind(sumA)
	blocking := r.Blocking()
	if len(blocking) != 2 {
		t.Fatalf("%s", r.Text())
	}
	all := []models.Waiver{waiverOf(blocking[0], sumA), waiverOf(blocking[1], sumA)}
	edit := func(change func(w *models.Waiver)) []models.Waiver {
		out := []models.Waiver{all[0], all[1]}
		change(&out[1])
		return out
	}
	for name, c := range map[string]struct {
		waivers []models.Waiver
		open    int
	}{
		"none":            {nil, 2},
		"one":             {all[:1], 1},
		"all":             {all, 0},
		"expired":         {edit(func(w *models.Waiver) { w.ExpiresAt = now }), 1},
		"not approved":    {edit(func(w *models.Waiver) { w.ApprovedBy = "" }), 1},
		"rejected":        {edit(func(w *models.Waiver) { w.RejectedBy = "u-3" }), 1},
		"one person":      {edit(func(w *models.Waiver) { w.RequestedBy = w.ApprovedBy }), 1},
		"other contents":  {edit(func(w *models.Waiver) { w.FileSHA256 = sumB }), 1},
		"other finding":   {edit(func(w *models.Waiver) { w.FindingID = "g-000000000000" }), 1},
		"other rule":      {edit(func(w *models.Waiver) { w.Rule = "email" }), 1},
		"of another file": {edit(func(w *models.Waiver) { w.FindingID = check(t, "b.csv", dirty).Blocking()[1].ID }), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pass, err := deid.NewPass(r, c.waivers, sumA, now)
			if c.open == 0 {
				if err != nil || !pass.Covers(sumA) || pass.Covers(sumB) || len(pass.Waivers()) != 2 || pass.Verdict() != deid.VerdictBlock {
					t.Fatalf("%+v, %v", pass, err)
				}
				return
			}
			var e *models.Error
			if !errors.As(err, &e) || e.Kind != models.Conflict || len(e.Findings) != c.open || pass.Covers(sumA) {
				t.Fatalf("pass %+v, error %+v", pass, e)
			}
		})
	}
}

func TestNewPassRefusesReports(t *testing.T) {
	t.Parallel()
	clean := check(t, "clean.csv", claims("", nil)).Bind(sumA)
	if _, err := deid.NewPass(clean, nil, sumA, now); err != nil {
		t.Fatal(err)
	}
	forged := check(t, "dirty.csv", dirty).Bind(sumA)
	forged.Verdict = deid.VerdictPass
	unblocked := check(t, "dirty.csv", dirty).Bind(sumA)
	unblocked.Blocks = nil
	for name, c := range map[string]struct {
		report deid.Report
		sum    string
		kind   models.ErrorKind
	}{
		"zero":           {deid.Report{}, sumA, models.Conflict},
		"zero bound":     {deid.Report{}.Bind(sumA), sumA, models.Invalid},
		"other contents": {clean, sumB, models.Conflict},
		"not bound":      {check(t, "clean.csv", claims("", nil)), sumA, models.Conflict},
		"no digest":      {clean, "", models.Invalid},
		"short digest":   {clean.Bind("ab"), "ab", models.Invalid},
		"forged":         {forged, sumA, models.Invalid},
		"unblocked":      {unblocked, sumA, models.Invalid},
	} {
		if _, err := deid.NewPass(c.report, nil, c.sum, now); models.KindOf(err) != c.kind {
			t.Errorf("%s: %v, want kind %s", name, err, c.kind)
		}
	}
	if (deid.Pass{}).Covers("") {
		t.Error("the zero pass covers nothing")
	}
}

func TestUnknownFormatWaiverIsForTheseBytes(t *testing.T) {
	t.Parallel()
	r := check(t, "p.pdf", "%PDF-1.7\n")
	a, b := r.Bind(sumA), r.Bind(sumB)
	if a.Verdict != "waiver-required: unknown format" || a.Findings[0].Rule != deid.RuleUnknownFormat || a.Findings[0].ID == b.Findings[0].ID {
		t.Fatalf("%+v", a)
	}
	if _, err := deid.NewPass(a, []models.Waiver{waiverOf(b.Findings[0], sumA)}, sumA, now); err == nil {
		t.Error("the waiver of other bytes counts")
	}
	if _, err := deid.NewPass(a, []models.Waiver{waiverOf(a.Findings[0], sumA)}, sumA, now); err != nil {
		t.Error(err)
	}
}

func TestProfileNone(t *testing.T) {
	t.Parallel()
	none, err := deid.ParseProfileName("none")
	if err != nil {
		t.Fatal(err)
	}
	r, err := deid.Check(t.Context(), "a.csv", strings.NewReader(dirty), none)
	if err != nil {
		t.Fatal(err)
	}
	r = r.Bind(sumA)
	if r.Verdict != deid.VerdictBlock || len(r.Blocking()) != 1 || r.Findings[0].Rule != deid.RuleProfileNone {
		t.Fatalf("%s", r.Text())
	}
	if _, err := deid.NewPass(r, []models.Waiver{waiverOf(r.Findings[0], sumA)}, sumA, now); err != nil {
		t.Error(err)
	}
	if _, err := deid.ParseProfileName("nil"); !models.IsKind(err, models.Invalid) {
		t.Errorf("unknown profile: %v", err)
	}
}

func TestReportRoundTrip(t *testing.T) {
	t.Parallel()
	for _, contents := range []string{dirty, claims("", nil), claims("コメント", every("DOB 1980-03-01 male")), `{"a":1}`, ""} {
		r := check(t, "dir/表.csv", contents).Bind(sumA)
		data, err := r.JSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := deid.ParseReport(data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := back.JSON()
		if err != nil || string(again) != string(data) || !reflect.DeepEqual(back.Blocks, r.Blocks) {
			t.Errorf("%v\n%s\n%s", err, data, again)
		}
		for _, tampered := range []string{
			strings.Replace(string(data), `"severity":"block"`, `"severity":"warn"`, 9), strings.Replace(string(data), `"verdict":"`, `"verdict":"x`, 1),
			strings.Replace(string(data), `"path"`, `"paths"`, 1), "", "{}", "null",
		} {
			if _, err := deid.ParseReport([]byte(tampered)); err == nil && tampered != string(data) {
				t.Errorf("accepted %s", tampered)
			}
		}
	}
}

// TestNoIdentifierInReport: what was found is never shown.
func TestNoIdentifierInReport(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		phone := rapid.StringMatching(`090-[1-9][0-9]{3}-[1-9][0-9]{3}`).Draw(t, "phone")
		mail := rapid.StringMatching(`[a-z]{6,9}@[a-z]{5,8}\.jp`).Draw(t, "mail")
		contents := "code,コメント,列A," + mail + "\n" + strings.Repeat("A,連絡先は"+phone+"です "+mail+","+phone+",x\n", rapid.IntRange(1, 20).Draw(t, "rows"))
		r, err := deid.Check(t.Context(), "a.csv", strings.NewReader(contents), deid.DefaultProfile())
		if err != nil {
			t.Fatal(err)
		}
		data, err := r.JSON()
		if err != nil {
			t.Fatal(err)
		}
		text := string(data) + strings.Join(strings.Fields(r.Text()), "")
		if r.Verdict != deid.VerdictBlock || strings.Contains(text, phone) || strings.Contains(text, mail) {
			t.Fatalf("%s", text)
		}
	})
}

func TestTextIsNarrow(t *testing.T) {
	t.Parallel()
	r := check(t, strings.Repeat("長い名前", 30)+".csv", claims("氏名", every("山田太郎"))+strings.Repeat("x", 300)+"\n").Bind(sumA)
	for line := range strings.Lines(r.Text()) {
		n := 0
		for _, c := range strings.TrimRight(line, "\n") {
			if n++; c >= 0x2E80 || c == '●' {
				n++
			}
		}
		if n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestStableIDs(t *testing.T) {
	t.Parallel()
	a, b := check(t, "dirty.csv", dirty), check(t, "dirty.csv", dirty+"山田,y@hospital.jp,B\n")
	for i, f := range a.Findings {
		if f.ID != b.Findings[i].ID || len(f.ID) != len("g-")+12 {
			t.Errorf("%q and %q", f.ID, b.Findings[i].ID)
		}
	}
}

package dataset_test

import (
	"bytes"
	"strings"
	"testing"

	"teikyo/crypto"
	"teikyo/dataset"
	"teikyo/models"
)

func TestRegister(t *testing.T) {
	t.Parallel()
	h := setup(t)
	v := h.draft("レセプト 2024")
	bodies := map[string][]byte{
		"b/医科.csv": claims(3 * crypto.ChunkSize), "a.csv": claims(1), "c.csv": claims(2 * segmentSize),
	}
	for path, body := range bodies {
		p := h.put(v, path, body)
		if !p.Complete || p.File.SHA256 != digest(body) || p.Offset != int64(len(body)) || p.Report.SHA256 != p.File.SHA256 {
			t.Fatalf("%s: %+v", path, p)
		}
	}
	got := h.register(v)
	if got.State != models.VersionRegistered || got.FileCount != 3 || len(got.Digest) != 64 || len(got.Items) != 1 {
		t.Fatalf("%+v", got)
	}
	again, err := h.s.Register(t.Context(), manager, v.DatasetID, v.Number)
	if err != nil || again.RegisteredAt != got.RegisteredAt || again.Digest != got.Digest {
		t.Fatalf("again: %+v, %v", again, err)
	}
	ds, err := h.s.Get(t.Context(), manager, v.DatasetID)
	if err != nil || ds.Latest != 1 {
		t.Fatalf("%+v, %v", ds, err)
	}
	h.reopen()
	h.check()
	_, err = h.s.Put(t.Context(), manager, uploadOf(v, "d.csv", claims(1)))
	wantKind(t, err, models.Conflict, "never changes")
	wantKind(t, h.s.Remove(t.Context(), manager, v.DatasetID, 1, "a.csv"), models.Conflict, "never changes")
	wantKind(t, h.s.Discard(t.Context(), manager, v.DatasetID, 1), models.Conflict, "never changes")
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	h := setup(t)
	v := h.draft("x")
	_, err := h.s.Register(t.Context(), manager, v.DatasetID, v.Number)
	wantKind(t, err, models.Conflict, "has no files")
	h.put(v, "a.csv", claims(1))
	part := uploadOf(v, "b.csv", claims(10))
	part.Body = &breaking{body: bytes.NewReader(claims(10)), after: 5}
	_, err = h.s.Put(t.Context(), manager, part)
	wantKind(t, err, models.Unavailable, "0 bytes are kept")
	_, err = h.s.Register(t.Context(), manager, v.DatasetID, v.Number)
	wantKind(t, err, models.Conflict, "not complete")
	if e := err.(*models.Error); len(e.Findings) != 1 || e.Findings[0].Location != "b.csv" {
		t.Fatalf("%+v", e.Findings)
	}
	_, err = h.s.Register(t.Context(), manager, "ds-aaaaaaaaaaaaaaaa", 1)
	wantKind(t, err, models.NotFound, "not found")
	h.check()
}

func TestUnchangedFilesKeepTheirSealedForm(t *testing.T) {
	t.Parallel()
	h := setup(t)
	same, old, changed := claims(2*segmentSize), claims(100), claims(200)
	v1 := h.draft("x")
	h.put(v1, "same.csv", same)
	h.put(v1, "other.csv", old)
	h.register(v1)
	before := h.objectCount()

	add := func(nv dataset.NewVersion) (models.Version, []models.SealedFile) {
		t.Helper()
		v, err := h.s.AddVersion(t.Context(), manager, v1.DatasetID, nv)
		h.must(err)
		h.put(v, "renamed.csv", same)
		h.put(v, "other.csv", changed)
		h.register(v)
		sealed, err := h.db.SealedFilesOf(t.Context(), v.DatasetID, v.Number, "", 10)
		h.must(err)
		return v, sealed
	}
	first, err := h.db.SealedFilesOf(t.Context(), v1.DatasetID, 1, "", 10)
	h.must(err)
	v2, sealed := add(dataset.NewVersion{})
	if v2.Number != 2 || sealed[1].ID != first[1].ID || sealed[0].ID == first[0].ID {
		t.Fatal("the unchanged file was not reused, or the changed one was")
	}
	if n := h.objectCount(); n != before+1 {
		t.Fatalf("%d objects, want %d: the unused sealed form stays", n, before+1)
	}
	for _, nv := range []dataset.NewVersion{{PQRequired: true}, {Schema: `{"resources":[]}`}} {
		if _, sealed := add(nv); sealed[1].ID == first[1].ID {
			t.Errorf("%+v shares a key with a version of other strength or schema", nv)
		}
	}
}

func TestGateBlocksUntilWaived(t *testing.T) {
	t.Parallel()
	h := setup(t)
	v := h.draft("x")
	h.put(v, "names.csv", names())
	h.put(v, "scan.pdf", []byte("%PDF-1.7 1\n"))
	_, err := h.s.Register(t.Context(), manager, v.DatasetID, v.Number)
	wantKind(t, err, models.Conflict, "de-identification gate")
	findings := err.(*models.Error).Findings
	if len(findings) < 2 {
		t.Fatalf("%+v", findings)
	}
	for _, f := range findings {
		command := "teikyo waiver request " + v.DatasetID + "@1 --finding " + f.ID + " --reason"
		if f.ID == "" || !strings.Contains(f.Msg, command) {
			t.Fatalf("the finding %q does not say how to waive it: %q", f.ID, f.Msg)
		}
		h.waive(v, f.ID)
	}
	got := h.register(v)
	h.must(err2(h.s.Waivers(t.Context(), manager, models.WaiverQuery{DatasetID: got.DatasetID}, models.Page{})))

	// The same bytes in the next version are covered, other bytes are not.
	v2, err := h.s.AddVersion(t.Context(), manager, v.DatasetID, dataset.NewVersion{})
	h.must(err)
	h.put(v2, "scan.pdf", []byte("%PDF-1.7 2\n"))
	_, err = h.s.Register(t.Context(), manager, v2.DatasetID, 2)
	wantKind(t, err, models.Conflict, "de-identification gate")
	h.put(v2, "scan.pdf", []byte("%PDF-1.7 1\n"))
	h.register(v2)
}

func err2[T any](_ T, err error) error { return err }

func (h *house) waive(v models.Version, finding string) models.Waiver {
	h.t.Helper()
	ctx := h.t.Context()
	w, err := h.s.RequestWaiver(ctx, manager, dataset.AskWaiver{
		DatasetID: v.DatasetID, Version: v.Number, FindingID: finding, Reason: "synthetic data",
	})
	h.must(err)
	w, err = h.s.ApproveWaiver(ctx, second, w.ID, "seen")
	h.must(err)
	return w
}

func TestProfileNoneNeedsAWaiver(t *testing.T) {
	t.Parallel()
	h := setup(t)
	v, err := h.s.Create(t.Context(), manager, dataset.New{Title: "x", Class: models.Test}, dataset.NewVersion{Profile: "none"})
	h.must(err)
	h.put(v, "a.csv", claims(100))
	_, err = h.s.Register(t.Context(), manager, v.DatasetID, 1)
	wantKind(t, err, models.Conflict, "gate")
	for _, f := range err.(*models.Error).Findings {
		h.waive(v, f.ID)
	}
	h.register(v)
}

func TestWaiverFlow(t *testing.T) {
	t.Parallel()
	h := setup(t)
	ctx := t.Context()
	v := h.draft("x")
	p := h.put(v, "names.csv", names())
	finding := p.Report.Findings[0].ID
	ask := dataset.AskWaiver{DatasetID: v.DatasetID, Version: 1, FindingID: finding, Reason: "synthetic"}

	for _, bad := range []struct {
		change func(*dataset.AskWaiver)
		kind   models.ErrorKind
		words  string
	}{
		{func(a *dataset.AskWaiver) { a.Reason = " " }, models.Invalid, "reason"},
		{func(a *dataset.AskWaiver) { a.FindingID = "g-0" }, models.NotFound, "no file of"},
		{func(a *dataset.AskWaiver) { a.FindingID = "" }, models.NotFound, "no file of"},
		{func(a *dataset.AskWaiver) { a.Version = 9 }, models.NotFound, "not found"},
		{func(a *dataset.AskWaiver) { a.Expires = "2026-03-31" }, models.Invalid, "in the future"},
		{func(a *dataset.AskWaiver) { a.Expires = "2027-04-30" }, models.Invalid, "in the future"},
		{func(a *dataset.AskWaiver) { a.Expires = "soon" }, models.Invalid, "not a date"},
	} {
		wrong := ask
		bad.change(&wrong)
		_, err := h.s.RequestWaiver(ctx, manager, wrong)
		wantKind(t, err, bad.kind, bad.words)
	}
	w, err := h.s.RequestWaiver(ctx, manager, ask)
	h.must(err)
	_, err = h.s.ApproveWaiver(ctx, manager, w.ID, "")
	wantKind(t, err, models.Denied, "another person")
	_, err = h.s.RejectWaiver(ctx, second, w.ID, "no")
	h.must(err)
	_, err = h.s.ApproveWaiver(ctx, second, w.ID, "")
	wantKind(t, err, models.Conflict, "decided already")
	_, err = h.s.Register(ctx, manager, v.DatasetID, 1)
	wantKind(t, err, models.Conflict, "gate")

	for _, f := range p.Report.Findings {
		got := h.waive(v, f.ID)
		if got.Independence != models.IndependenceShown || !got.ExpiresAt.Equal(h.clock().AddDate(0, 0, 90)) {
			t.Fatalf("%+v", got)
		}
	}
	h.wait(91 * 24 * 60 * 60 * 1e9)
	_, err = h.s.Register(ctx, manager, v.DatasetID, 1)
	wantKind(t, err, models.Conflict, "gate")
	h.waive(v, finding)
	for _, f := range p.Report.Findings[1:] {
		h.waive(v, f.ID)
	}
	h.register(v)
	_, err = h.s.RequestWaiver(ctx, manager, ask)
	wantKind(t, err, models.Conflict, "only a draft")
	open, err := h.s.Waivers(ctx, manager, models.WaiverQuery{Open: true}, models.Page{})
	if err != nil || len(open) != 0 {
		t.Fatalf("open: %v, %v", open, err)
	}
}

func TestEnds(t *testing.T) {
	t.Parallel()
	h := setup(t)
	ctx := t.Context()
	v := h.draft("x")
	h.put(v, "a.csv", claims(10))
	_, err := h.s.Withdraw(ctx, manager, v.DatasetID, 1, "why")
	wantKind(t, err, models.Conflict, "draft")
	h.register(v)
	_, err = h.s.Withdraw(ctx, manager, v.DatasetID, 1, " ")
	wantKind(t, err, models.Invalid, "reason")
	count := func() int64 {
		n, err := h.db.RevocationCounter(ctx)
		h.must(err)
		return n
	}
	was := count()
	got, err := h.s.Withdraw(ctx, manager, v.DatasetID, 1, "wrong period")
	if err != nil || got.State != models.VersionWithdrawn || got.EndReason != "wrong period" || count() != was+1 {
		t.Fatalf("%+v, %v", got, err)
	}
	got, err = h.s.Recall(ctx, manager, v.DatasetID, 1, "identifiers found")
	if err != nil || got.State != models.VersionRecalled || count() != was+2 {
		t.Fatalf("%+v, %v", got, err)
	}
	_, err = h.s.Withdraw(ctx, manager, v.DatasetID, 1, "again")
	wantKind(t, err, models.Conflict, "recalled")
	h.check()
}

func TestCreateChecksItsInput(t *testing.T) {
	t.Parallel()
	h := setup(t)
	tests := []struct {
		n     dataset.New
		nv    dataset.NewVersion
		words string
	}{
		{dataset.New{Title: " ", Class: models.Test}, dataset.NewVersion{}, "needs a title"},
		{dataset.New{Title: "x", Class: "secret"}, dataset.NewVersion{}, "unknown data class"},
		{dataset.New{Title: "x\xff", Class: models.Test}, dataset.NewVersion{}, "UTF-8"},
		{dataset.New{Title: "x\x00", Class: models.Test}, dataset.NewVersion{}, "break lines"},
		{dataset.New{Title: "x\ny", Class: models.Test}, dataset.NewVersion{}, "break lines"},
		{dataset.New{Title: "x\u202ey", Class: models.Test}, dataset.NewVersion{}, "direction of writing"},
		{dataset.New{Title: "x", Description: "a\x1b[2J", Class: models.Test}, dataset.NewVersion{}, "control characters"},
		{dataset.New{Title: "x", Class: models.Test}, dataset.NewVersion{Terms: "a\u009b2J"}, "control characters"},
		{dataset.New{Title: "of taro.yamada@hospital.or.jp", Class: models.Test}, dataset.NewVersion{}, "identifier"},
		{dataset.New{Title: "x", Description: "call 090-1234-5678", Class: models.Test}, dataset.NewVersion{}, "identifier"},
		{dataset.New{Title: "x", Class: models.Test}, dataset.NewVersion{Profile: "loose"}, "no de-identification profile"},
		{dataset.New{Title: "x", Class: models.Test}, dataset.NewVersion{Schema: "{"}, "not JSON"},
		{dataset.New{Title: "x", Class: models.Test}, dataset.NewVersion{Subjects: -1}, "negative"},
	}
	for _, test := range tests {
		_, err := h.s.Create(t.Context(), manager, test.n, test.nv)
		wantKind(t, err, models.Invalid, test.words)
	}
	list, err := h.s.List(t.Context(), manager, models.DatasetQuery{}, models.Page{})
	if err != nil || len(list) != 0 {
		t.Fatalf("%v, %v", list, err)
	}
}

func TestIdempotencyKeyFindsTheDraft(t *testing.T) {
	t.Parallel()
	h := setup(t)
	n, nv := dataset.New{Title: "x", Class: models.Test}, dataset.NewVersion{Key: "k1"}
	first, err := h.s.Create(t.Context(), manager, n, nv)
	h.must(err)
	again, err := h.s.Create(t.Context(), manager, n, nv)
	if err != nil || again.DatasetID != first.DatasetID || again.Number != 1 {
		t.Fatalf("%+v, %v", again, err)
	}
	other, err := h.s.Create(t.Context(), second, n, nv)
	if err != nil || other.DatasetID == first.DatasetID {
		t.Fatal("another person got the same draft")
	}
	_, err = h.s.Create(t.Context(), manager, dataset.New{Title: "y", Class: models.Test}, nv)
	wantKind(t, err, models.Conflict, "another dataset")
	h.put(first, "a.csv", claims(5))
	h.register(first)
	again, err = h.s.Create(t.Context(), manager, n, nv)
	if err != nil || again.State != models.VersionRegistered {
		t.Fatalf("the answer of a registration that was lost: %+v, %v", again, err)
	}
	v2, err := h.s.AddVersion(t.Context(), manager, first.DatasetID, dataset.NewVersion{Key: "k2"})
	h.must(err)
	again, err = h.s.AddVersion(t.Context(), manager, first.DatasetID, dataset.NewVersion{Key: "k2"})
	if err != nil || again.Number != v2.Number {
		t.Fatalf("%+v, %v", again, err)
	}
}

func TestListAndSearch(t *testing.T) {
	t.Parallel()
	h := setup(t)
	for _, title := range []string{"Claims Tokyo", "claims OSAKA", "Checkups 100%", "健診データ"} {
		h.draft(title)
		h.wait(1e9)
	}
	list := func(text string, p models.Page) string {
		found, err := h.s.List(t.Context(), manager, models.DatasetQuery{Text: text}, p)
		h.must(err)
		var titles []string
		for _, ds := range found {
			titles = append(titles, ds.Title)
		}
		return strings.Join(titles, "|")
	}
	for query, want := range map[string]string{
		"": "健診データ|Checkups 100%|claims OSAKA|Claims Tokyo", "CLAIMS": "claims OSAKA|Claims Tokyo", "tokyo claims": "Claims Tokyo",
		"100%": "Checkups 100%", "%": "Checkups 100%", "_": "", "健診": "健診データ", "'; DROP TABLE": "",
	} {
		if got := list(query, models.Page{}); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
	var pages []string
	for after := ""; ; {
		found, err := h.s.List(t.Context(), manager, models.DatasetQuery{}, models.Page{Limit: 3, After: after})
		h.must(err)
		if len(found) == 0 {
			break
		}
		for _, ds := range found {
			pages = append(pages, ds.Title)
		}
		last := found[len(found)-1]
		after = models.TimeCursor(last.CreatedAt, last.ID)
	}
	if got := strings.Join(pages, "|"); got != "健診データ|Checkups 100%|claims OSAKA|Claims Tokyo" {
		t.Errorf("pages: %s", got)
	}
	_, err := h.s.List(t.Context(), manager, models.DatasetQuery{}, models.Page{After: "x"})
	wantKind(t, err, models.Invalid, "cursor")
}

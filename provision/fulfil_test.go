package provision_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/provision/parcel"
)

// received is a parcel as it arrives: every file by its path.
func (w *world) received(prov models.Provision) map[string][]byte {
	w.t.Helper()
	reader, err := w.svc.Parcel(w.t.Context(), prov)
	w.must(err)
	got := map[string][]byte{}
	var last string
	for e, err := range reader.Entries(w.t.Context()) {
		w.must(err)
		if e.Path <= last {
			w.t.Errorf("%q comes after %q", e.Path, last)
		}
		last = e.Path
		stat, err := reader.Stat(w.t.Context(), e.Path)
		w.must(err)
		if stat.Size != e.Size || stat.ETag != e.ETag {
			w.t.Errorf("%s: listed %d %s, found %d %s", e.Path, e.Size, e.ETag, stat.Size, stat.ETag)
		}
		body, err := reader.Open(w.t.Context(), stat, 0, -1)
		w.must(err)
		got[e.Path] = readAll(w.t, body)
		if int64(len(got[e.Path])) != e.Size {
			w.t.Errorf("%s has %d bytes, listed %d", e.Path, len(got[e.Path]), e.Size)
		}
	}
	return got
}

// verify does what a recipient does: signature, digests, receipt, opening. It
// returns the opened files.
func (w *world) verify(files map[string][]byte, identity crypto.Identity) map[string]string {
	w.t.Helper()
	issuer, err := crypto.ParseIssuer(files[parcel.IssuerPath])
	w.must(err)
	manifest := files[parcel.ManifestPath]
	verifier, err := ledger.NewVerifier(issuer.CheckpointKeys()[0].Verifier)
	w.must(err)
	receipt, err := ledger.VerifyReceipt(files[parcel.ReceiptPath], nil, verifier)
	w.must(err)
	w.must(crypto.VerifyManifestSignature(issuer, bytes.NewReader(manifest), files[parcel.SignaturePath], w.clock.now(), receipt.Index()))
	sum := sha256.Sum256(manifest)
	if receipt.Leaf().ManifestSHA256 != hex.EncodeToString(sum[:]) {
		w.t.Error("the receipt is for another manifest")
	}
	m, err := crypto.NewManifestReader(bytes.NewReader(manifest), 1<<20)
	w.must(err)
	opened := map[string]string{}
	listed := 0
	for f, err := range m.Files() {
		w.must(err)
		listed++
		w.manifestFile(f, files[f.Path], identity, opened)
	}
	if listed != len(files)-3 {
		w.t.Errorf("the manifest lists %d of %d files", listed, len(files))
	}
	sums, err := crypto.OpenSmall(files[parcel.SumsPath], identity, 1<<20)
	w.must(err)
	var want strings.Builder
	for _, path := range slices.Sorted(maps.Keys(opened)) {
		sum := sha256.Sum256([]byte(opened[path]))
		want.WriteString(hex.EncodeToString(sum[:]) + "  " + path + "\n")
	}
	if string(sums) != want.String() {
		w.t.Errorf("SHA256SUMS:\n%s\nwant\n%s", sums, want.String())
	}
	return opened
}

func (w *world) manifestFile(f crypto.ManifestFile, data []byte, identity crypto.Identity, opened map[string]string) {
	w.t.Helper()
	digest := func(b []byte) string {
		sum := sha256.Sum256(b)
		return hex.EncodeToString(sum[:])
	}
	if !f.Sealed() {
		if digest(data) != f.SHA256 || int64(len(data)) != f.Size {
			w.t.Errorf("%s does not have its digest", f.Path)
		}
		return
	}
	header, payload, err := crypto.SplitHeader(bytes.NewReader(data))
	w.must(err)
	rest, err := io.ReadAll(payload)
	w.must(err)
	if digest(header) != f.HeaderSHA256 || digest(rest) != f.PayloadSHA256 {
		w.t.Errorf("%s does not have its digests", f.Path)
	}
	key, err := crypto.ReadHeader(header, identity)
	w.must(err)
	plain, err := crypto.NewOpener(key, bytes.NewReader(rest))
	w.must(err)
	text, err := io.ReadAll(plain)
	w.must(err)
	opened[strings.TrimSuffix(strings.TrimPrefix(f.Path, "data/"), ".age")] = string(text)
}

func TestApprovalMakesTheProvision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.provided()
	w.check()
	prov := d.Provision
	if prov.Number != "2026-0001" || prov.Receipt == "" || prov.Independence != models.IndependenceShown || d.Request.State != models.RequestApproved {
		t.Errorf("got %+v", d)
	}
	w.svc.Finish()
	stored, err := w.db.Provision(t.Context(), prov.ID)
	w.must(err)
	if stored.Receipt != prov.Receipt || stored.EntryIndex != prov.EntryIndex {
		t.Error("the receipt that was answered is not the one that is kept")
	}
	files := w.received(prov)
	opened := w.verify(files, w.identity)
	if !maps.Equal(opened, claims) {
		t.Errorf("opened %v", slices.Sorted(maps.Keys(opened)))
	}
	for path, want := range map[string]string{
		parcel.NoticePath: "Institute 研究所", parcel.ReadmePath: prov.ID, parcel.DataPackagePath: `"name":"性別"`,
	} {
		if !strings.Contains(string(files[path]), want) {
			t.Errorf("%s lacks %q:\n%s", path, want, files[path])
		}
	}
	var pkg struct{ Resources []struct{ Path string } }
	if err := json.Unmarshal(files[parcel.DataPackagePath], &pkg); err != nil || len(pkg.Resources) != len(claims) {
		t.Errorf("datapackage.json: %v, %d resources", err, len(pkg.Resources))
	}
	for content := range maps.Values(claims) {
		sum := sha256.Sum256([]byte(content))
		for path, file := range files {
			if bytes.Contains(file, []byte(hex.EncodeToString(sum[:]))) {
				t.Errorf("%s holds the digest of a plaintext in clear", path)
			}
		}
	}
}

func TestTheRecordHoldsWhatTheLawsWant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.provided()
	var fromLedger provision.Record
	for rec, err := range w.db.Records(t.Context(), 0) {
		w.must(err)
		if rec.Kind == ledger.ProvisionIssued {
			w.must(json.Unmarshal(rec.Details, &fromLedger))
			if !rec.RetentionUntil.Equal(d.Provision.Until.AddDate(6, 0, 0)) || rec.ManifestSHA256 != d.Provision.ManifestSHA256 {
				t.Errorf("entry %+v", rec)
			}
		}
	}
	var row provision.Record
	w.must(json.Unmarshal(d.Provision.Record, &row))
	if got, want := mustJSON(t, fromLedger), mustJSON(t, row); got != want {
		t.Errorf("ledger %s\nrow %s", got, want)
	}
	if row.Approver != "u-ben" || row.Operator != "u-mia" || row.RecipientAddress != "1-1 Chiyoda" || row.NoticeVersion != 1 ||
		row.Number != "2026-0001" || row.Jurisdictions[0] != "JP" || row.NoticeCopy == "" || row.Files != len(claims) {
		t.Errorf("record %+v", row)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRangesJoinHeaderAndPayload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	prov := w.provided().Provision
	reader, err := w.svc.Parcel(t.Context(), prov)
	w.must(err)
	e, err := reader.Stat(t.Context(), "data/tests/blood.csv.age")
	w.must(err)
	whole, err := reader.Open(t.Context(), e, 0, -1)
	w.must(err)
	want := readAll(t, whole)
	size := int64(prov.HeaderSize)
	for _, r := range [][2]int64{
		{0, 0}, {0, 1}, {0, size}, {size - 1, 1}, {size - 1, 2}, {size, 1}, {size, -1}, {3, e.Size - 3}, {e.Size - 1, 1}, {e.Size, 0}, {e.Size, -1},
	} {
		body, err := reader.Open(t.Context(), e, r[0], r[1])
		w.must(err)
		end := r[0] + r[1]
		if r[1] < 0 {
			end = e.Size
		}
		if got := readAll(t, body); !bytes.Equal(got, want[r[0]:end]) {
			t.Errorf("range %v gave %d bytes", r, len(got))
		}
		body, err = reader.Open(t.Context(), e, r[0], r[1])
		w.must(err)
		var plain bytes.Buffer // without WriterTo
		if _, err := io.Copy(&plain, struct{ io.Reader }{body}); err != nil || !bytes.Equal(plain.Bytes(), want[r[0]:end]) {
			t.Errorf("range %v read gave %d bytes, %v", r, plain.Len(), err)
		}
		w.must(body.Close())
	}
	for _, r := range [][2]int64{{-1, 1}, {0, e.Size + 1}, {e.Size + 1, 0}, {0, -2}, {1 << 62, 1 << 62}} {
		_, err := reader.Open(t.Context(), e, r[0], r[1])
		wantError(t, err, models.Invalid, "range")
	}
	for _, path := range []string{"", "data/", "data/x.age", "people.csv", "data/people.csv", "../manifest.json", "data/../people.csv.age", "MANIFEST.JSON"} {
		_, err := reader.Stat(t.Context(), path)
		wantError(t, err, models.NotFound, "no such file")
	}
}

func TestPartOfAVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dataset("ds-claims", models.Anonymized, claims)
	_, err := w.svc.PublishNotice(t.Context(), w.mia, provision.NoticeDraft{
		Class: models.Anonymized, Items: []models.Item{models.Tests}, Methods: []models.Method{models.Download},
	})
	w.must(err)
	draft := w.draft("ds-claims")
	_, err = w.svc.Submit(t.Context(), w.mia, draft)
	wantError(t, err, models.Conflict, "does not cover item demographics")
	draft.PathGlob = "tests/data*"
	req, err := w.svc.Submit(t.Context(), w.mia, draft)
	w.must(err)
	if req.FileCount != 2 || req.TotalSize != 2 || !slices.Equal(req.Items, []models.Item{models.Tests}) {
		t.Errorf("got %+v", req)
	}
	d, err := w.svc.Approve(t.Context(), w.ben, req.ID, "")
	w.must(err)
	w.restart()
	opened := w.verify(w.received(d.Provision), w.identity)
	if !maps.Equal(opened, map[string]string{"tests/data": "b", "tests/data.a": "a"}) {
		t.Errorf("opened %v", opened)
	}
	reader, err := w.svc.Parcel(t.Context(), d.Provision)
	w.must(err)
	_, err = reader.Stat(t.Context(), "data/people.csv.age")
	wantError(t, err, models.NotFound, "no such file")
	w.check()
}

// queue keeps what was enqueued.
type queue struct{ provs []models.Provision }

// One path fulfils every method; only what carries the parcel differs.
func TestEveryMethodIsFulfilledTheSameWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dataset("ds-claims", models.Anonymized, claims)
	w.notice(models.Anonymized)
	q := &queue{}
	w.svc.Queue, w.svc.Methods = q, models.Methods()
	place := models.Destination{
		ID: "dn-first", RecipientID: w.rcpt.ID, Type: models.DestinationSFTP, URL: "sftp://a@files.example.jp:22/in", HostKeys: []string{"k"},
		State: models.DestinationApproved, AddedBy: "u-mia", ApprovedBy: "u-ben",
	}
	place.Config = place.ConfigDigest()
	w.save(func(ctx context.Context) error { return w.db.SaveDestination(ctx, place) })
	for _, method := range models.Methods() {
		draft := w.draft("ds-claims")
		draft.Method = method
		req, err := w.svc.Submit(t.Context(), w.mia, draft)
		w.must(err)
		d, err := w.svc.Approve(t.Context(), w.ben, req.ID, "")
		w.must(err)
		if opened := w.verify(w.received(d.Provision), w.identity); !maps.Equal(opened, claims) {
			t.Errorf("%s: opened %v", method, slices.Sorted(maps.Keys(opened)))
		}
		if d.Provision.Method != method {
			t.Errorf("got %s, want %s", d.Provision.Method, method)
		}
	}
	var queued []models.Method
	for _, prov := range q.provs {
		queued = append(queued, prov.Method)
	}
	if !slices.Equal(queued, []models.Method{models.Upload, models.Email, models.Media}) {
		t.Errorf("queued %v", queued)
	}
	w.check()
}

func TestMethodsWithoutAWayOutAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dataset("ds-claims", models.Anonymized, claims)
	w.notice(models.Anonymized)
	for _, method := range []models.Method{models.Upload, models.Email, models.Media} {
		draft := w.draft("ds-claims")
		draft.Method = method
		_, err := w.svc.Submit(t.Context(), w.mia, draft)
		wantError(t, err, models.Invalid, "the method "+string(method)+" is not available on this server yet")
	}
}

func TestRunningNumbersFollowTheFiscalYear(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dataset("ds-claims", models.Anonymized, claims)
	w.dataset("ds-test", models.Test, claims)
	w.notice(models.Anonymized)
	w.notice(models.Test)
	provide := func(dataset string) string {
		draft := w.draft(dataset)
		req, err := w.svc.Submit(t.Context(), w.mia, draft)
		w.must(err)
		d, err := w.svc.Approve(t.Context(), w.ben, req.ID, "")
		w.must(err)
		return d.Provision.Number
	}
	got := []string{provide("ds-claims"), provide("ds-test"), provide("ds-claims")}
	// 2027-03-31 23:59 in Japan is the last minute of fiscal year 2026.
	w.clock.add(time.Date(2027, 3, 31, 14, 59, 0, 0, time.UTC).Sub(monday))
	got = append(got, provide("ds-claims"))
	w.clock.add(time.Minute)
	got = append(got, provide("ds-claims"))
	if want := []string{"2026-0001", "TEST-2026-0001", "2026-0002", "2026-0003", "2027-0001"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	w.check()
}

func TestTestDataIsMarked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := w.submitted(models.Test)
	d, err := w.svc.Approve(t.Context(), w.ben, req.ID, "")
	w.must(err)
	files := w.received(d.Provision)
	if !strings.Contains(string(files[parcel.NoticePath]), "REHEARSAL") || !strings.HasPrefix(d.Provision.Number, "TEST-") {
		t.Error("a rehearsal is not marked")
	}
	for _, tests := range []bool{false, true} {
		rows, err := w.svc.Report(t.Context(), w.ana, provision.ReportQuery{Tests: tests})
		w.must(err)
		n := 0
		for row, err := range rows {
			w.must(err)
			if !row.Test {
				t.Error("the record is not marked")
			}
			n++
		}
		if (n == 1) != tests {
			t.Errorf("tests %v: %d rows", tests, n)
		}
	}
}

func (q *queue) Enqueue(_ context.Context, prov models.Provision, _ string) error {
	q.provs = append(q.provs, prov)
	return nil
}

package received_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"teikyo/client/arrival"
	"teikyo/client/clienttest"
	"teikyo/client/received"
	"teikyo/crypto"
	"teikyo/ledger/checkpoints"
	"teikyo/models"
)

const chunk = 64 << 10

// desk is a recipient with a parcel in a folder.
type desk struct {
	issuer *clienttest.Issuer
	person clienttest.Person
	parcel clienttest.Parcel
	dir    string
	trust  received.Trust
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{issuer: clienttest.NewIssuer(t, "hospital.example"), person: clienttest.NewPerson(t, false), dir: t.TempDir()}
	d.trust.Pins.Dir = t.TempDir()
	check(t, d.trust.Pins.Save(d.issuer.Keys.Issuer()))
	d.parcel = d.issuer.Provide(t, clienttest.Content{To: d.person.Public, Files: map[string][]byte{
		"a.csv": []byte("a,b\n1,2\n"), "empty": {}, "レセプト/b.bin": clienttest.Random(t, 3*chunk+1), "a": clienttest.Random(t, chunk),
	}})
	d.parcel.Write(t, d.dir)
	return d
}

// verify is what the command does.
func (d *desk) verify(ctx context.Context, id crypto.Identity, dirs ...string) (received.Report, error) {
	folders, err := received.OpenFolders(dirs...)
	if err != nil {
		return received.Report{}, err
	}
	defer folders.Close()
	parcel, err := folders.ReadParcel(d.trust)
	if err != nil {
		return received.Report{}, err
	}
	return folders.Verify(ctx, parcel, id, nil)
}

func (d *desk) open(ctx context.Context, out string, dirs ...string) (received.Report, error) {
	folders, err := received.OpenFolders(dirs...)
	if err != nil {
		return received.Report{}, err
	}
	defer folders.Close()
	parcel, err := folders.ReadParcel(d.trust)
	if err != nil {
		return received.Report{}, err
	}
	into, err := arrival.OpenTree(out)
	if err != nil {
		return received.Report{}, err
	}
	defer into.Close()
	return folders.Open(ctx, parcel, d.person.Identity, into, nil)
}

func TestVerifyAndOpen(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	report, err := d.verify(t.Context(), crypto.Identity{}, d.dir)
	check(t, err)
	if report.Checked != 4 || report.Unchecked != 0 || len(report.Extra) != 0 {
		t.Errorf("report %+v", report)
	}
	out := filepath.Join(t.TempDir(), "out")
	for range 2 { // the second time everything is there
		report, err = d.open(t.Context(), out, d.dir)
		check(t, err)
		if report.Checked != 4 {
			t.Errorf("report %+v", report)
		}
	}
	for name, want := range d.parcel.Content.Files {
		if got, err := os.ReadFile(filepath.Join(out, "data", filepath.FromSlash(name))); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	report, err = d.verify(t.Context(), crypto.Identity{}, out)
	check(t, err)
	if report.Unchecked != 4 || report.Checked != 0 {
		t.Errorf("opened, without the identity: %+v", report)
	}
	report, err = d.verify(t.Context(), d.person.Identity, out)
	check(t, err)
	if report.Unchecked != 0 || report.Checked != 4 || len(report.Extra) != 0 {
		t.Errorf("opened, with the identity: %+v", report)
	}
	check(t, os.WriteFile(filepath.Join(out, "data", "a.csv"), []byte("a,b\n1,3\n"), 0o600))
	_, err = d.verify(t.Context(), d.person.Identity, out)
	wantFinding(t, err, "a.csv")
}

func TestSeveralFolders(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	second := t.TempDir()
	check(t, os.Rename(filepath.Join(d.dir, "data"), filepath.Join(second, "data")))
	_, err := d.open(t.Context(), filepath.Join(t.TempDir(), "out"), d.dir, second)
	check(t, err)
	_, err = d.open(t.Context(), filepath.Join(t.TempDir(), "out"), d.dir)
	wantKind(t, err, models.Integrity)
	_, err = d.verify(t.Context(), crypto.Identity{}, d.dir, filepath.Join(d.dir, "absent"))
	wantKind(t, err, models.NotFound)
	_, err = d.verify(t.Context(), crypto.Identity{}, filepath.Join(d.dir, "README.txt"))
	wantKind(t, err, models.Invalid)
	if !strings.Contains(err.Error(), "image") {
		t.Errorf("no word about images: %v", err)
	}
}

// TestTampering changes one thing of a parcel in every way; verify names it and
// open leaves nothing of it under its final name.
func TestTampering(t *testing.T) {
	t.Parallel()
	flip := func(name string, at int) func(*testing.T, *desk) {
		return func(t *testing.T, d *desk) {
			t.Helper()
			text := bytes.Clone(d.parcel.Tree[name])
			text[at] ^= 1
			check(t, os.WriteFile(filepath.Join(d.dir, filepath.FromSlash(name)), text, 0o600))
		}
	}
	replace := func(name string, text func(*testing.T, *desk) []byte) func(*testing.T, *desk) {
		return func(t *testing.T, d *desk) {
			t.Helper()
			check(t, os.WriteFile(filepath.Join(d.dir, filepath.FromSlash(name)), text(t, d), 0o600))
		}
	}
	for name, c := range map[string]struct {
		change func(*testing.T, *desk)
		path   string // that is named
	}{
		"header":           {flip("data/a.csv.age", 30), "a.csv"},
		"nonce":            {flip("data/a.csv.age", 170), "a.csv"},
		"payload":          {flip("data/レセプト/b.bin.age", 2*chunk), "レセプト/b.bin"},
		"document":         {flip("NOTICE.txt", 0), "NOTICE.txt"},
		"digests":          {flip("SHA256SUMS.age", 200), "SHA256SUMS.age"},
		"manifest":         {flip("manifest.json", 100), ""},
		"signature":        {flip("manifest.json.sig", 120), ""},
		"receipt":          {flip("RECEIPT.tlog-proof", 100), ""},
		"issuer":           {flip("issuer.json", 100), ""},
		"cut":              {replace("data/a.age", func(_ *testing.T, d *desk) []byte { return d.parcel.Tree["data/a.age"][:chunk] }), "a"},
		"grown":            {replace("data/a.age", func(_ *testing.T, d *desk) []byte { return append(bytes.Clone(d.parcel.Tree["data/a.age"]), 0) }), "a"},
		"missing":          {func(t *testing.T, d *desk) { check(t, os.Remove(filepath.Join(d.dir, "data", "a.age"))) }, "a"},
		"missing document": {func(t *testing.T, d *desk) { check(t, os.Remove(filepath.Join(d.dir, "NOTICE.txt"))) }, "NOTICE.txt"},
		"no manifest":      {func(t *testing.T, d *desk) { check(t, os.Remove(filepath.Join(d.dir, "manifest.json"))) }, ""},
		"no receipt":       {func(t *testing.T, d *desk) { check(t, os.Remove(filepath.Join(d.dir, "RECEIPT.tlog-proof"))) }, ""},
		"link out": {func(t *testing.T, d *desk) {
			name := filepath.Join(d.dir, "data", "a.age")
			outside := filepath.Join(t.TempDir(), "a.age")
			check(t, os.Rename(name, outside))
			check(t, os.Symlink(outside, name))
		}, ""},
		"forged by another recipient": {replace("data/a.csv.age", func(t *testing.T, d *desk) []byte {
			forged := clienttest.SealWith(t, d.parcel.Content.Sealed["a.csv"].Key, []byte("a,b\n9,9\n"))
			return append(bytes.Clone(d.parcel.Tree["data/a.csv.age"][:168]), forged.Payload...)
		}), "a.csv"},
		"swapped": {replace("data/a.csv.age", func(_ *testing.T, d *desk) []byte { return d.parcel.Tree["data/empty.age"] }), "a.csv"},
		"receipt of another provision": {replace("RECEIPT.tlog-proof", func(t *testing.T, d *desk) []byte {
			return d.issuer.Provide(t, d.parcel.Content).Tree["RECEIPT.tlog-proof"]
		}), ""},
		"self-made manifest": {func(t *testing.T, d *desk) {
			other := clienttest.NewIssuer(t, "hospital.example").Provide(t, d.parcel.Content)
			for _, name := range []string{"manifest.json", "manifest.json.sig"} {
				check(t, os.WriteFile(filepath.Join(d.dir, name), other.Tree[name], 0o600))
			}
		}, ""},
		"another issuer of that name": {func(t *testing.T, d *desk) {
			clienttest.NewIssuer(t, "hospital.example").Provide(t, d.parcel.Content).Write(t, d.dir)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			c.change(t, d)
			_, err := d.verify(t.Context(), crypto.Identity{}, d.dir)
			if name == "link out" {
				if err == nil {
					t.Error("a link out of the folder was followed")
				}
				return
			}
			wantFinding(t, err, c.path)
			out := filepath.Join(t.TempDir(), "out")
			_, err = d.open(t.Context(), out, d.dir)
			wantKind(t, err, models.Integrity)
			if _, err := os.Stat(filepath.Join(out, "data", filepath.FromSlash(c.path))); c.path != "" && !strings.HasSuffix(c.path, ".txt") && err == nil {
				t.Errorf("%s got its final name", c.path)
			}
		})
	}
}

// TestOldKeys: a stolen key that was replaced signs nothing new; a revoked one
// nothing from its revocation on.
func TestOldKeys(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	old := d.issuer.Keys.Issuer()
	stolen := d.issuer.Keys.ManifestKey()
	_, err := d.issuer.Keys.Rotate(crypto.UseManifest, clienttest.Noon().Add(-2*time.Hour), d.issuer.Log.Row.Size)
	wantNot(t, err, "rotate before the key began")
	_, err = d.issuer.Keys.Rotate(crypto.UseManifest, clienttest.Noon().Add(time.Minute), d.issuer.Log.Row.Size)
	check(t, err)
	if _, err := d.verify(t.Context(), crypto.Identity{}, d.dir); err != nil {
		t.Errorf("a parcel from before the change: %v", err)
	}
	check(t, d.issuer.Log.Fill(1, clienttest.Noon().Add(time.Hour)))
	d.issuer.Sign = &stolen
	late := d.issuer.Provide(t, d.parcel.Content)
	d.issuer.Sign = nil
	dir := t.TempDir()
	late.Write(t, dir)
	_, err = d.verify(t.Context(), crypto.Identity{}, dir)
	wantKind(t, err, models.Integrity)

	_, err = d.issuer.Keys.Revoke(crypto.UseManifest, old.Keys[0].Public, clienttest.Noon().Add(time.Hour), 0)
	check(t, err)
	check(t, d.trust.Pins.Save(d.issuer.Keys.Issuer())) // as learnt from the server
	_, err = d.verify(t.Context(), crypto.Identity{}, d.dir)
	wantKind(t, err, models.Integrity)
}

func TestTrust(t *testing.T) {
	t.Parallel()
	issuer := clienttest.NewIssuer(t, "hospital.example")
	first := issuer.Keys.Issuer()
	_, err := issuer.Keys.Rotate(crypto.UseManifest, clienttest.Noon().Add(time.Hour), 9)
	check(t, err)
	second := issuer.Keys.Issuer()
	stranger := clienttest.NewIssuer(t, "hospital.example").Keys.Issuer()
	other := clienttest.NewIssuer(t, "other.example").Keys.Issuer()
	yes := func(string, string) (bool, error) { return true, nil }
	for name, c := range map[string]struct {
		pinned, given *crypto.Issuer
		ask           func(string, string) (bool, error)
		offered       crypto.Issuer
		want          int // changes of the file that counts; -1: refused
	}{
		"unknown":                     {nil, nil, nil, first, -1},
		"unknown, confirmed":          {nil, nil, yes, first, 0},
		"given":                       {nil, &first, nil, first, 0},
		"given, offered newer":        {nil, &first, nil, second, 1},
		"given, offered older":        {nil, &second, nil, first, 1},
		"given, stranger":             {nil, &first, yes, stranger, -1},
		"given another":               {nil, &other, yes, first, -1},
		"pinned":                      {&first, nil, nil, first, 0},
		"pinned, newer":               {&first, nil, nil, second, 1},
		"pinned, older":               {&second, nil, nil, first, 1},
		"pinned, stranger":            {&first, nil, yes, stranger, -1},
		"pinned and given, stranger":  {&first, &stranger, yes, stranger, -1},
		"pinned and given, differing": {&stranger, &first, yes, first, -1},
	} {
		trust := received.Trust{Pins: received.Pins{Dir: filepath.Join(t.TempDir(), "pins")}, Given: c.given, Ask: c.ask}
		if c.pinned != nil {
			check(t, trust.Pins.Save(*c.pinned))
		}
		got, err := trust.Accept(c.offered)
		if c.want < 0 {
			if !models.IsKind(err, models.Integrity) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		kept, known, keptErr := trust.Pins.Load("hospital.example")
		if err != nil || keptErr != nil || !known || len(got.Changes) != c.want || len(kept.Changes) != c.want {
			t.Errorf("%s: %d changes, %d pinned, %v, %v", name, len(got.Changes), len(kept.Changes), err, keptErr)
		}
	}
}

func TestDamagedPin(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	files, err := filepath.Glob(filepath.Join(d.trust.Pins.Dir, "*"))
	check(t, err)
	check(t, os.WriteFile(files[0], []byte("{}"), 0o600))
	_, err = d.verify(t.Context(), crypto.Identity{}, d.dir)
	wantKind(t, err, models.Integrity)
	text, err := clienttest.NewIssuer(t, "other.example").Keys.Issuer().JSON()
	check(t, err)
	check(t, os.WriteFile(files[0], text, 0o600))
	_, err = d.verify(t.Context(), crypto.Identity{}, d.dir)
	wantKind(t, err, models.Integrity)
}

// TestWitnessOffline: without a way to the ledger only what needs no proof is
// decided, and the rest is said.
func TestWitnessOffline(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	w := checkpoints.NewWitness(t.TempDir())
	see := func(p clienttest.Parcel) (string, error) {
		proof, err := received.Prove(d.issuer.Keys.Issuer(), p.Tree["RECEIPT.tlog-proof"])
		check(t, err)
		return proof.Witnessed(t.Context(), w, nil)
	}
	for range 2 {
		if note, err := see(d.parcel); note != "" || err != nil {
			t.Errorf("first contact: %q, %v", note, err)
		}
	}
	next := d.issuer.Provide(t, d.parcel.Content)
	if note, err := see(next); !strings.Contains(note, "not checked") || err != nil {
		t.Errorf("grown: %q, %v", note, err)
	}
	d.issuer.Log.Rows = d.issuer.Log.Rows[1:] // as many entries as at first, but others
	for i := range d.issuer.Log.Rows {
		d.issuer.Log.Rows[i].Index = int64(i)
	}
	check(t, d.issuer.Log.Rebuild())
	d.issuer.Log.Rows = d.issuer.Log.Rows[:3]
	check(t, d.issuer.Log.Rebuild())
	_, err := see(d.issuer.Provide(t, d.parcel.Content))
	wantKind(t, err, models.Integrity)
}

func TestExtraFilesAreReported(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	check(t, os.WriteFile(filepath.Join(d.dir, "data", "evil.age"), nil, 0o600))
	check(t, os.WriteFile(filepath.Join(d.dir, "setup.exe"), nil, 0o600))
	report, err := d.verify(t.Context(), crypto.Identity{}, d.dir)
	check(t, err)
	if !slices.Equal(report.Extra, []string{"data/evil.age", "setup.exe"}) {
		t.Errorf("extra %v", report.Extra)
	}
}

func TestWrongIdentity(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	mine := d.person
	d.person = clienttest.NewPerson(t, false)
	_, err := d.open(t.Context(), filepath.Join(t.TempDir(), "out"), d.dir)
	wantKind(t, err, models.Invalid)
	if !strings.Contains(err.Error(), mine.Public.Fingerprint()) || !strings.Contains(err.Error(), d.person.Public.Fingerprint()) {
		t.Errorf("the keys are not named: %v", err)
	}
	_, err = d.verify(t.Context(), d.person.Identity, d.dir)
	wantKind(t, err, models.Invalid)
}

// TestHeadOfAnother: genuine signature and receipt, but the manifest speaks of
// something else than the ledger.
func TestHeadOfAnother(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*crypto.ManifestHead){
		"issuer":    func(h *crypto.ManifestHead) { h.Issuer = "other.example" },
		"provision": func(h *crypto.ManifestHead) { h.Provision = "p-bbbbbbbbbbbbbbbb" },
		"recipient": func(h *crypto.ManifestHead) { h.Recipient.ID = "r-bbbbbbbbbbbbbbbb" },
	} {
		d := newDesk(t)
		content := d.parcel.Content
		content.Head = change
		dir := t.TempDir()
		d.issuer.Provide(t, content).Write(t, dir)
		if _, err := d.verify(t.Context(), crypto.Identity{}, dir); !models.IsKind(err, models.Integrity) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInterruptedVerify(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.verify(ctx, crypto.Identity{}, d.dir); err == nil || models.IsKind(err, models.Integrity) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	var p received.Parcel
	for _, name := range []string{"a.csv", "2024/a.csv", "2024/q1/b.csv", "2025/c.txt", "レセプト/処方.csv"} {
		p.Files = append(p.Files, arrival.File{Path: name})
	}
	for glob, want := range map[string]string{
		"*.csv": "a.csv", "**/*.csv": "a.csv 2024/a.csv 2024/q1/b.csv レセプト/処方.csv", "2024/*": "2024/a.csv 2024/q1/b.csv",
		"2024/*.csv": "2024/a.csv", "2024/**": "2024/a.csv 2024/q1/b.csv", "2024": "2024/a.csv 2024/q1/b.csv", "2024/": "2024/a.csv 2024/q1/b.csv",
		"**/q1/**": "2024/q1/b.csv", "レセプト/*": "レセプト/処方.csv", "20??/?.txt": "2025/c.txt",
		"**": "a.csv 2024/a.csv 2024/q1/b.csv 2025/c.txt レセプト/処方.csv", "x": "", "2024/q1/b.csv/x": "",
	} {
		files, err := p.Select([]string{glob})
		var got []string
		for _, f := range files {
			got = append(got, f.Path)
		}
		if strings.Join(got, " ") != want || (want == "") != models.IsKind(err, models.NotFound) {
			t.Errorf("%q: %v, %v; want %s", glob, got, err, want)
		}
	}
}

func TestClashes(t *testing.T) {
	t.Parallel()
	files := func(names ...string) (list []arrival.File) {
		for _, n := range names {
			list = append(list, arrival.File{Path: n})
		}
		return list
	}
	for _, c := range []struct {
		files []arrival.File
		folds bool
		want  bool
	}{
		{files("a", "b/a", "b/c"), true, false},
		{files("a", "A"), false, false},
		{files("a", "A"), true, true},
		{files("ä/x", "A\u0308/X"), true, true},
		{files("a", "a/b"), false, true},
		{files("a.csv", "a/b"), false, false},
		{files("A", "a/b/c"), true, true},
		{files("A", "a/b/c"), false, false},
	} {
		if err := received.CheckClashes(c.files, c.folds); (err != nil) != c.want {
			t.Errorf("%v, folds %v: %v", c.files, c.folds, err)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantNot(t testing.TB, err error, what string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s went through", what)
	}
}

func wantKind(t testing.TB, err error, kind models.ErrorKind) {
	t.Helper()
	if !models.IsKind(err, kind) {
		t.Fatalf("error %v of kind %q, want %q", err, models.KindOf(err), kind)
	}
}

// wantFinding wants an Integrity error that names a path, if there is one.
func wantFinding(t testing.TB, err error, path string) {
	t.Helper()
	wantKind(t, err, models.Integrity)
	if path == "" {
		return
	}
	var e *models.Error
	if errors.As(err, &e); len(e.Findings) != 1 || e.Findings[0].Location != path {
		t.Errorf("findings %+v, want %s", e.Findings, path)
	}
}

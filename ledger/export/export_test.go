package export_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"teikyo/ledger"
	"teikyo/ledger/export"
	"teikyo/ledger/ledgertest"
)

var start = time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)

// exported is a log of 8 entries, of which 2 is redacted, its file and what it
// verifies against.
func exported(t testing.TB) (*ledgertest.MemoryLog, string, ledger.VerifyOptions) {
	t.Helper()
	log := ledgertest.NewMemoryLog()
	if err := log.Fill(6, start); err != nil {
		t.Fatal(err)
	}
	// Characters that encoding/json would escape, in a leaf and in details.
	e := ledger.Entry{Kind: ledger.Recalled, IDs: map[string]string{"actor": "u<&>1"}, Details: map[string]string{"words": "a<b>&\u2028提供"}}
	if _, err := log.Append(e, start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := log.Redact(ledger.Redaction{Index: 2, Actor: "u-1", Second: "u-2", Reason: "asked to"}, start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	skey, vkey, err := ledger.GenerateKey(rand.Reader, "hospital.example")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ledger.NewSigner(ledger.LogOrigin("hospital.example", 1), skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := ledger.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	checkpoint, err := signer.Sign(log.Tree())
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := export.Write(t.Context(), &file, log, checkpoint); err != nil {
		t.Fatal(err)
	}
	o := ledger.VerifyOptions{Origin: signer.Origin(), Verifiers: []ledger.Verifier{verifier}, Checkpoints: [][]byte{checkpoint}}
	return log, file.String(), o
}

func open(t testing.TB, text string) *export.File {
	t.Helper()
	f, err := export.Open(strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestExport(t *testing.T) {
	t.Parallel()
	log, text, o := exported(t)
	f := open(t, text)
	if !bytes.Equal(f.Checkpoint(), o.Checkpoints[0]) {
		t.Errorf("Checkpoint = %q", f.Checkpoint())
	}
	o.Checkpoints = [][]byte{f.Checkpoint()}
	r, err := ledger.Verify(t.Context(), f, o)
	want := ledger.Report{OK: true, Size: 8, Root: log.Row.Root, FirstBad: -1, Redacted: 1, Witnessed: 8}
	if err != nil || r != want {
		t.Errorf("Verify = %+v, %v; want %+v", r, err, want)
	}
	n := int64(5)
	for rec, err := range f.Records(t.Context(), n) {
		if err != nil || rec.Index != n || !bytes.Equal(rec.Leaf, log.Rows[n].Leaf) || !bytes.Equal(rec.Details, log.Rows[n].Details) || rec.Kind != log.Rows[n].Kind {
			t.Errorf("entry %d = %+v, %v", n, rec, err)
		}
		n++
	}
	if n != 8 {
		t.Errorf("read up to entry %d", n)
	}
	var again bytes.Buffer
	if err := export.Write(t.Context(), &again, f, f.Checkpoint()); err != nil || again.String() != text {
		t.Errorf("an export of an export differs: %v", err)
	}
}

func TestTamperedExport(t *testing.T) {
	t.Parallel()
	_, text, o := exported(t)
	lines := strings.SplitAfter(text, "\n")
	without := func(i int) string { return strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), "") }
	tests := map[string]struct {
		text     string
		firstBad int64
	}{
		"details":         {strings.Replace(text, "提供", "提案", 1), 6},
		"leaf":            {strings.Replace(text, "u<&>1", "u<&>2", 1), 0},
		"leaf, malformed": {strings.Replace(text, `"actor":"u<&>1"`, `"actor": "u<&>1"`, 1), 6},
		"entry deleted":   {without(4), 3},
		"last deleted":    {without(8), 2},
		"root":            {strings.Replace(text, `"root":"`, `"root":"AAAA`, 1), -2},
		"size":            {strings.Replace(text, `"size":8`, `"size":9`, 1), 8},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := export.Open(strings.NewReader(c.text), int64(len(c.text)))
			if c.firstBad == -2 {
				if !errors.Is(err, export.ErrMalformed) {
					t.Errorf("Open = %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r, err := ledger.Verify(t.Context(), f, o); err != nil || r.OK || r.FirstBad != c.firstBad {
				t.Errorf("Verify = %+v, %v; want first bad entry %d", r, err, c.firstBad)
			}
		})
	}
}

func TestMalformedExport(t *testing.T) {
	t.Parallel()
	_, text, _ := exported(t)
	head, rest, _ := strings.Cut(text, "\n")
	for name, text := range map[string]string{
		"empty":          "",
		"no head":        rest,
		"other format":   strings.Replace(text, "-v1", "-v2", 1),
		"head and more":  head + "{}\n" + rest,
		"unknown member": strings.Replace(text, `"size"`, `"sise":1,"size"`, 1),
		"endless head":   strings.Repeat(" ", 1<<20) + text,
	} {
		if _, err := export.Open(strings.NewReader(text), int64(len(text))); !errors.Is(err, export.ErrMalformed) {
			t.Errorf("%s: Open = %v, want ErrMalformed", name, err)
		}
	}
	for name, text := range map[string]string{
		"cut":           text[:len(text)-1],
		"endless entry": head + "\n" + strings.Repeat(" ", 1<<20) + rest,
		"no JSON":       head + "\n" + "entry 0\n" + rest,
		"two a line":    head + "\n" + strings.Replace(rest, "}\n{", "}{", 1),
	} {
		if r, err := ledger.Verify(t.Context(), open(t, text), ledger.VerifyOptions{}); !errors.Is(err, export.ErrMalformed) {
			t.Errorf("%s: Verify = %+v, %v; want ErrMalformed", name, r, err)
		}
	}
}

func TestWriteRefusesADamagedLog(t *testing.T) {
	t.Parallel()
	log, _, _ := exported(t)
	for name, damage := range map[string]func(r *ledger.Record){
		"no JSON":     func(r *ledger.Record) { r.Leaf = []byte("x") },
		"broken line": func(r *ledger.Record) { r.Details = []byte("{\n}") },
	} {
		m := log.Clone()
		damage(&m.Rows[4])
		if err := export.Write(t.Context(), &bytes.Buffer{}, m, nil); err == nil || !strings.Contains(err.Error(), "entry 4") {
			t.Errorf("%s: Write = %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := export.Write(ctx, &bytes.Buffer{}, log, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Whatever the file holds, reading ends with a verdict or a typed error, and
// only the log that was exported agrees with its checkpoint.
func FuzzExport(f *testing.F) {
	log, text, o := exported(f)
	f.Add([]byte(text))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := export.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if !errors.Is(err, export.ErrMalformed) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		r, err := ledger.Verify(t.Context(), file, o)
		if err != nil && !errors.Is(err, export.ErrMalformed) {
			t.Fatalf("untyped error %v", err)
		}
		if r.OK && r.Root != log.Row.Root {
			t.Fatalf("accepted another log: %q", b)
		}
	})
}

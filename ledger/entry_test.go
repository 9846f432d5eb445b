package ledger_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/gowebpki/jcs"

	"teikyo/ledger"
)

func TestBuild(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 6, 7, 8, 9, 123_999_999, time.FixedZone("JST", 9*3600))
	e := ledger.Entry{
		Kind:           ledger.ProvisionIssued,
		IDs:            map[string]string{"provision": "p-1", "key": "SHA256:ab+/c=", "actor": "u-<&>"},
		Details:        map[string]any{"words": "処方 <b>", "b": 1, "a": nil},
		ManifestSHA256: strings.Repeat("ab", 32),
	}
	leaf, salt, details, err := ledger.Build(e, at, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"a":null,"b":1,"words":"処方 <b>"}`; string(details) != want {
		t.Errorf("details = %s, want %s", details, want)
	}
	sum := sha256.Sum256(append(bytes.Clone(salt), details...))
	want := `{"details_sha256":"` + hex.EncodeToString(sum[:]) + `","ids":{"actor":"u-<&>","key":"SHA256:ab+/c=","provision":"p-1"},` +
		`"kind":"provision.issued","manifest_sha256":"` + e.ManifestSHA256 + `","retention_until":"2032-05-05T22:08:09.123Z","time":"2026-05-05T22:08:09.123Z","v":1}`
	if string(leaf) != want {
		t.Errorf("leaf = %s\nwant   %s", leaf, want)
	}
	if canonical, err := jcs.Transform(leaf); err != nil || !bytes.Equal(canonical, leaf) {
		t.Errorf("the leaf is not canonical JSON: %s, %v", canonical, err)
	}
	rec, err := ledger.NewRecord(7, leaf, salt, details)
	if err != nil || rec.Index != 7 || rec.Kind != e.Kind || !maps.Equal(rec.IDs, e.IDs) ||
		!rec.Time.Equal(at.Truncate(time.Millisecond)) || rec.ManifestSHA256 != e.ManifestSHA256 {
		t.Errorf("NewRecord = %+v, %v", rec, err)
	}
}

func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("0", 64)
	many := map[string]string{}
	for i := range ledger.MaxIDs + 1 {
		many["n"+strings.Repeat("x", i%31)+string(rune('a'+i/31))] = "v"
	}
	redaction := ledger.Redaction{Index: 3, Actor: "u-1", Second: "u-2", Reason: "asked to"}
	with := func(change func(*ledger.Redaction)) ledger.Entry {
		r := redaction
		change(&r)
		return r.Entry()
	}
	tests := map[string]ledger.Entry{
		"no kind":             {},
		"unknown kind":        {Kind: "dataset.eaten"},
		"kind that is JSON":   {Kind: `recalled","x":"`},
		"empty id":            {Kind: ledger.Recalled, IDs: map[string]string{"dataset": ""}},
		"id with a space":     {Kind: ledger.Recalled, IDs: map[string]string{"dataset": "ds 1"}},
		"Japanese id":         {Kind: ledger.Recalled, IDs: map[string]string{"dataset": "山田"}},
		"long id":             {Kind: ledger.Recalled, IDs: map[string]string{"dataset": strings.Repeat("x", 129)}},
		"bad id name":         {Kind: ledger.Recalled, IDs: map[string]string{"Data Set": "x"}},
		"id that adds an id":  {Kind: ledger.Recalled, IDs: map[string]string{"a": `x","b":"y`}},
		"name that adds one":  {Kind: ledger.Recalled, IDs: map[string]string{`a":"x","b`: "y"}},
		"too many ids":        {Kind: ledger.Recalled, IDs: many},
		"manifest missing":    {Kind: ledger.ProvisionIssued, IDs: map[string]string{"provision": "p"}},
		"manifest not hex":    {Kind: ledger.ProvisionIssued, IDs: map[string]string{"provision": "p"}, ManifestSHA256: strings.Repeat("G", 64)},
		"manifest upper case": {Kind: ledger.ProvisionIssued, IDs: map[string]string{"provision": "p"}, ManifestSHA256: strings.Repeat("A", 64)},
		"manifest that adds":  {Kind: ledger.ProvisionIssued, IDs: map[string]string{"provision": "p"}, ManifestSHA256: digest + `","retention_until":"2099-01-01T00:00:00.000Z`},
		"no provision":        {Kind: ledger.ProvisionIssued, ManifestSHA256: digest},
		"foreign manifest":    {Kind: ledger.Recalled, ManifestSHA256: digest},
		"details no object":   {Kind: ledger.Recalled, Details: []int{1}},
		"details no JSON":     {Kind: ledger.Recalled, Details: func() {}},
		"inexact number":      {Kind: ledger.Recalled, Details: map[string]any{"size": int64(1<<53 + 1)}},
		"long details":        {Kind: ledger.Recalled, Details: map[string]string{"x": strings.Repeat("x", ledger.MaxDetailsSize)}},
		"retention over":      {Kind: ledger.Recalled, Retain: day(-1)},
		"far retention":       {Kind: ledger.Recalled, Retain: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"redaction alone":     with(func(r *ledger.Redaction) { r.Second = r.Actor }),
		"redaction unnamed":   with(func(r *ledger.Redaction) { r.Actor = "" }),
		"redaction unasked":   with(func(r *ledger.Redaction) { r.Reason = "" }),
		"redaction of -1":     with(func(r *ledger.Redaction) { r.Index = -1 }),
	}
	for name, e := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if leaf, _, _, err := ledger.Build(e, day(0), rand.Reader); !errors.Is(err, ledger.ErrInvalidEntry) {
				t.Errorf("Build = %s, %v; want ErrInvalidEntry", leaf, err)
			}
		})
	}
	if _, _, _, err := ledger.Build(redaction.Entry(), day(0), rand.Reader); err != nil {
		t.Errorf("a proper redaction: %v", err)
	}
	if _, _, _, err := ledger.Build(ledger.Entry{Kind: ledger.Recalled}, day(0), strings.NewReader("short")); err == nil {
		t.Error("Build without randomness succeeded")
	}
}

func TestParseLeafRefuses(t *testing.T) {
	t.Parallel()
	good := string(filled(t, 1).Rows[0].Leaf)
	replace := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%s is not in %s", old, good)
		}
		return strings.Replace(good, old, with, 1)
	}
	tests := map[string]string{
		"empty":            "",
		"cut":              good[:len(good)-1],
		"more":             good + "\n",
		"space":            replace(`,"ids"`, `, "ids"`),
		"version":          replace(`"v":1`, `"v":2`),
		"order of ids":     replace(`"actor":"u-1","dataset":"ds-000000"`, `"dataset":"ds-000000","actor":"u-1"`),
		"id twice":         replace(`"actor":"u-1"`, `"actor":"u-1","actor":"u-1"`),
		"escaped id":       replace(`"u-1"`, `"u-\u0031"`),
		"comma in time":    replace(`:00.000Z","v"`, `:00,000Z","v"`),
		"zone":             replace(`:00.000Z","v"`, `:00.00+1","v"`),
		"no such day":      replace(`"time":"2026-04-01`, `"time":"2026-02-30`),
		"leap second":      replace(`:00.000Z","v"`, `:60.000Z","v"`),
		"before the epoch": replace(`"time":"2026`, `"time":"1066`),
		"unknown member":   replace(`"time"`, `"tame":"","time"`),
		"too long":         good + strings.Repeat(" ", ledger.MaxLeafSize),
	}
	for name, leaf := range tests {
		if _, err := ledger.ParseLeaf([]byte(leaf)); !errors.Is(err, ledger.ErrMalformedLeaf) {
			t.Errorf("%s: ParseLeaf = %v, want ErrMalformedLeaf", name, err)
		}
	}
	if _, err := ledger.ParseLeaf([]byte(replace(`dataset.registered`, `dataset.lent`))); err != nil {
		t.Errorf("a kind of a later version: %v", err)
	}
}

// Two spellings of one leaf would be two hashes of one fact.
func FuzzParseLeaf(f *testing.F) {
	for _, r := range filled(f, 5).Rows {
		f.Add(r.Leaf)
	}
	f.Add([]byte(`{"details_sha256":"` + strings.Repeat("0", 64) + `","ids":{},"kind":"expired","retention_until":"2032-05-05T22:08:09.123Z","time":"2026-05-05T22:08:09.123Z","v":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ledger.ParseLeaf(b)
		if err != nil {
			return
		}
		canonical, err := jcs.Transform(b)
		if err != nil || !bytes.Equal(canonical, b) {
			t.Fatalf("accepted %q, whose canonical form is %q (%v)", b, canonical, err)
		}
		if l.Kind == "" || l.IDs == nil || l.Time.IsZero() {
			t.Fatalf("accepted %q as %+v", b, l)
		}
	})
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for _, r := range filled(t, 5).Rows {
		if !r.Kind.Known() || r.Kind.Batches() != (r.Kind == ledger.DownloadOpened) {
			t.Errorf("%s: known %t, batches %t", r.Kind, r.Kind.Known(), r.Kind.Batches())
		}
	}
	if ledger.Kind("download").Known() || ledger.Kind("").Known() {
		t.Error("unknown kinds pass for known")
	}
}

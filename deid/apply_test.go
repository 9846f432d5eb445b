package deid_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"teikyo/deid"
	"teikyo/deid/change"
	"teikyo/deid/profile"
	"teikyo/models"
)

// testKeys are keys that follow from the name of the domain.
type testKeys struct{}

func (testKeys) Key(_ context.Context, domain string) ([]byte, error) {
	sum := sha256.Sum256([]byte("key of " + domain))
	return sum[:], nil
}

// objected is the number of one person.
type objected string

func (o objected) Left(_ context.Context, key []byte) bool { return string(key) == string(o) }

func apply(t *testing.T, p *deid.Profile, domain, contents string) (string, change.Changes) {
	t.Helper()
	c, err := change.New(t.Context(), p, testKeys{}, objected("P-0003"), domain)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (deid.Gate{}).Transform(t.Context(), "in", strings.NewReader(contents), &out, c); err != nil {
		t.Fatal(err)
	}
	var slow bytes.Buffer
	again, err := change.New(t.Context(), p, testKeys{}, objected("P-0003"), domain)
	if err != nil {
		t.Fatal(err)
	}
	if err := (deid.Gate{}).Transform(t.Context(), "in", iotest.OneByteReader(strings.NewReader(contents)), &slow, again); err != nil || !bytes.Equal(slow.Bytes(), out.Bytes()) {
		t.Errorf("a byte at a time: %v\n%s\n%s", err, slow.String(), out.String())
	}
	return out.String(), c.Report()
}

func shipped(t *testing.T, name string) *deid.Profile {
	t.Helper()
	p, err := profile.Shipped(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const people = "患者番号,氏名,生年月日,郵便番号,電話番号,記号,保険者番号,年齢,傷病名コード,備考\r\n"

// rowsOf are rows of people; the third one objected.
func rowsOf(n int) string {
	var b strings.Builder
	b.WriteString(people)
	for i := range n {
		fmt.Fprintf(&b, "P-%04d,山田　太郎%d,昭和%d年3月%d日,１６０－００%02d,03-1234-%04d,１２－３,06132013,%d,\"E11,%d\",\"本人は \"\"髙橋\"\" さん\"\r\n", i, i, 10+i%50, i%28+1, i%100, i, 40+i*3%70, i)
	}
	return b.String()
}

// TestApplyTables: the output of every shipped profile passes the gate of the
// same profile, in every encoding, and what identifies nobody stays byte by byte.
func TestApplyTables(t *testing.T) {
	t.Parallel()
	text := rowsOf(60)
	utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(text)
	noErr(t, err)
	cp932, err := japanese.ShiftJIS.NewEncoder().String(text)
	noErr(t, err)
	for _, name := range []string{profile.JPPolicy, profile.USSafeHarbor, profile.USLimitedDataSet} {
		for encoding, contents := range map[string]string{"utf8": text, "bom": "\xEF\xBB\xBF" + text, "utf16": utf16, "cp932": cp932} {
			t.Run(name+"/"+encoding, func(t *testing.T) {
				t.Parallel()
				p := shipped(t, name)
				before, err := deid.Check(t.Context(), "a.csv", strings.NewReader(contents), p)
				noErr(t, err)
				if before.Verdict != deid.VerdictBlock {
					t.Errorf("before: %s", before.Text())
				}
				out, changes := apply(t, p, "keio", contents)
				after, err := deid.Check(t.Context(), "a.csv", strings.NewReader(out), p)
				noErr(t, err)
				if after.Verdict != deid.VerdictPass || after.Encoding != before.Encoding || after.Rows != before.Rows-1 {
					t.Errorf("after: %s", after.Text())
				}
				if changes.Suppressed != 1 || changes.Rows != 60 {
					t.Errorf("%+v", changes)
				}
			})
		}
	}
}

func noErr(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestApplyKeepsTheRest(t *testing.T) {
	t.Parallel()
	p := shipped(t, profile.JPPolicy)
	out, changes := apply(t, p, "keio", rowsOf(4))
	lines := strings.Split(out, "\r\n")
	if len(lines) != 5 || lines[0]+"\r\n" != people { // header, three rows, nothing
		t.Fatalf("%q", out)
	}
	fields := strings.SplitN(lines[1], ",", 2)
	if want := `,昭和10年3月,160,,,06132013,40,"E11,0",""`; fields[1] != want || len(fields[0]) != 26 {
		t.Errorf("%q", lines[1])
	}
	for _, f := range changes.Fields {
		if f.Field == "患者番号" && (f.Action != "rekey" || f.Seen != 3 || f.Changed != 3) {
			t.Errorf("%+v", f)
		}
	}
	other, _ := apply(t, p, "osaka", rowsOf(4))
	again, _ := apply(t, p, "keio", rowsOf(4))
	if other == out || again != out {
		t.Error("pseudonyms must be stable in a domain and differ between domains")
	}
	// Characters that CP932 has twice stay the bytes they are.
	raw := "code,氏名\r\n" + strings.Repeat("A,B\r\n", 3)
	cp932, err := japanese.ShiftJIS.NewEncoder().String(raw)
	noErr(t, err)
	cp932 += "\xfa\x4a\x81\x9c\xed\x40\x87\x54,\x8eR\x93c\r\n" // NEC and IBM extensions
	out, _ = apply(t, p, "keio", cp932)
	if !strings.HasSuffix(out, "\xfa\x4a\x81\x9c\xed\x40\x87\x54,\r\n") {
		t.Errorf("%q", out)
	}
}

func TestApplyJSON(t *testing.T) {
	t.Parallel()
	p := shipped(t, profile.JPPolicy)
	var b strings.Builder
	for i := range 12 {
		fmt.Fprintf(&b, "{\"patient_id\": \"P-%04d\", \"name\":{\"family\":\"山田\",\"given\":[\"太郎\"]},\n \"birth_date\" : \"1980-0%d-21\", \"score\":1.50e0, \"phone\":\"03-1234-%04d\"}\n", i, i%9+1, i)
	}
	before := check(t, "a.json", b.String())
	if before.Verdict != deid.VerdictBlock || before.Rows != 12 {
		t.Fatal(before.Text())
	}
	out, changes := apply(t, p, "keio", b.String())
	after := check(t, "a.json", out)
	if after.Verdict != deid.VerdictPass || after.Rows != 11 || changes.Suppressed != 1 {
		t.Errorf("%s\n%s", after.Text(), out)
	}
	first, _, _ := strings.Cut(out, "}\n{")
	if !strings.HasSuffix(first, "\"name\":{\"family\":\"\",\"given\":[\"\"]},\n \"birth_date\" : \"1980-01\", \"score\":1.50e0, \"phone\":\"\"") || !strings.HasSuffix(out, "}\n") {
		t.Errorf("%s", out)
	}
	array := "[\n" + strings.TrimRight(strings.ReplaceAll(b.String(), "}\n{", "},\n{"), "\n") + "\n]\n"
	out, changes = apply(t, p, "keio", array)
	if after := check(t, "a.json", out); after.Verdict != deid.VerdictPass || after.Rows != 11 || changes.Suppressed != 1 {
		t.Errorf("%s\n%s", after.Text(), out)
	}
}

func TestApplyDrops(t *testing.T) {
	t.Parallel()
	p, err := profile.Parse([]byte(`
teikyo_profile: 1
name: ours
version: "1"
extends: jp-policy
formats:
  csv:
    fields:
      secret: drop
      氏名: drop
      group: {action: generalise, width: 10}
      when: {action: shift, days: 30}
  json-lines:
    fields:
      a: drop
      b.*: empty
`))
	noErr(t, err)
	out, _ := apply(t, p, "x", "secret,患者番号,group,when,氏名\nx,P-1,17,2023-04-01,山田\ny,P-2,-3,20230401,\"山\"\"田\"\n")
	lines := strings.Split(out, "\n")
	if lines[0] != "患者番号,group,when" || !strings.Contains(lines[1], ",10-19,2023-0") || !strings.Contains(lines[2], ",-10--1,2023") || strings.Contains(out, "山") {
		t.Errorf("%s", out)
	}
	out, _ = apply(t, p, "x", `{"a":{"x":[1]},"b":{"c":5,"d":"e"},"f":7}`+"\n"+`{"f":1,"a":2}`+"\n")
	if out != `{"b":{"c":null,"d":""},"f":7}`+"\n"+`{"f":1}`+"\n" {
		t.Errorf("%s", out)
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	p := shipped(t, profile.JPPolicy)
	for name, c := range map[string]struct{ contents, want string }{
		"ragged":   {"氏名,code\n" + strings.Repeat("山田,A\n", 5) + "山田\n", "line 7, column 2: the row has 1 fields"},
		"unclosed": {"氏名,code\n" + strings.Repeat("山田,A\n", 5) + "\"山田,A\n", "line 7, column 1: a quotation mark"},
		"wide":     {"氏名,code\n" + strings.Repeat("山田,A\n", 9) + strings.Repeat(",", 1_000_000), "more than 10000 fields"},
		"pdf":      {"%PDF-1.7\n", "what looks like PDF cannot be transformed"},
		"json":     {"{\"name\":\"x\"}\n{\"name\":\"y\"", "line 2, column"},
		"deep":     {strings.Repeat(`{"a":`, 100_000), "nested deeper"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c1, err := change.New(t.Context(), p, testKeys{}, nil, "x")
			noErr(t, err)
			err = (deid.Gate{}).Transform(t.Context(), "in.csv", strings.NewReader(c.contents), io.Discard, c1)
			var refused *models.Error
			if !errors.As(err, &refused) || refused.Kind != models.Invalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

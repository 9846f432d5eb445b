package kaigo_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"teikyo/deid"
	"teikyo/deid/kaigo"
	"teikyo/deid/profile"
	"teikyo/deid/records/recordstest"
)

// claims makes claims after DOMAIN.md 3.3.
type claims struct {
	rand   *rand.Rand
	people int
	raw    bool // with all identifiers; else as after jp-policy
	quoted bool // words and numbers in quotation marks, as some programs write
	trap   func(id string, inner []string)
}

func (c *claims) provider() string {
	if c.raw {
		return "1370000001"
	}
	return recordstest.Pseudonym("provider")
}

func (c *claims) insured(i int) string {
	if c.raw {
		return fmt.Sprintf("00%08d", 71000+i)
	}
	return recordstest.Pseudonym(fmt.Sprint("insured", i))
}

func (c *claims) only(v string) string {
	if c.raw {
		return v
	}
	return ""
}

func (c *claims) birth() string {
	if c.raw {
		return fmt.Sprintf("19%02d%02d%02d", 30+c.rand.IntN(30), 1+c.rand.IntN(12), 2+c.rand.IntN(26))
	}
	return fmt.Sprintf("19%02d%02d", 37+c.rand.IntN(20), 1+c.rand.IntN(12))
}

const insurer = "00131016"

// inner are the inner records: the claim, and for each person a statement and
// records of the care plan.
func (c *claims) inner() [][]string {
	out := [][]string{{"7111", "202609", c.provider(), "1", "0", "01", "10", "12345", "123450", "111105", "0", "12345", "", "", "", "", "", ""}}
	for i := range c.people {
		basic := make([]string, 56)
		copy(basic, []string{
			"7131", "01", "202609", c.provider(), insurer, c.insured(i), "12131018", c.only("1234567"), "", "", "", "", c.birth(), "2", "23", "", "20260401", "20270331", "1", c.office(),
		})
		basic[28], basic[32] = "90", fmt.Sprint(1000+i)
		person := [][]string{
			basic,
			{"7131", "02", "202609", c.provider(), insurer, c.insured(i), "11", "2411", "250", "4", "0", "0", "0", "1000", "0", "0", "0", c.only("妻が同席")},
			{"7131", "10", "202609", c.provider(), insurer, c.insured(i), "11", "4", "1000", "", "1000", "0", "0", "1000", "1000", "10840", "9756", "1084"},
			{"8121", c.provider(), "1", "202609", insurer, "1084", c.insured(i), "", c.only("1234567"), c.birth(), "2", "23", "20260401", "20270331", "20260402", "432111", "1000", "10840"},
			{
				"8221", "202609", insurer, c.provider(), "1", "20261001", "3", "01", c.insured(i), c.birth(), "2", "23", "202604", "202703", "", "1", c.provider(), "1", "11",
				"1000", "", "", "", "",
			},
		}
		for _, inner := range person {
			if c.trap != nil && i%100 == 42 {
				c.trap(inner[0]+"/"+inner[1], inner)
			}
		}
		out = append(out, person...)
	}
	return out
}

func (c *claims) office() string {
	if c.raw {
		return "1370000099"
	}
	return recordstest.Pseudonym("office")
}

func (c *claims) lines() [][]string {
	inner := c.inner()
	lines := [][]string{{"1", "1", "0", fmt.Sprint(len(inner)), "711", "0", "0", c.provider(), "0", "7", "202610", "0"}}
	for _, r := range inner {
		lines = append(lines, append([]string{"2", fmt.Sprint(len(lines) + 1)}, r...))
	}
	lines = append(lines, []string{"3", fmt.Sprint(len(lines) + 1)})
	if !c.quoted {
		return lines
	}
	for _, l := range lines {
		for i, v := range l {
			if i > 1 {
				l[i] = `"` + v + `"`
			}
		}
	}
	return lines
}

func seeded() *rand.Rand { return rand.New(rand.NewPCG(5, 6)) }

func csv(t testing.TB, lines [][]string) string {
	return recordstest.CP932(t, recordstest.Text(lines, ","))
}

func TestCleanClaims(t *testing.T) {
	t.Parallel()
	for _, quoted := range []bool{false, true} {
		c := claims{rand: seeded(), people: 100, quoted: quoted}
		r := recordstest.Check(t, csv(t, c.lines()), recordstest.Shipped(t, profile.JPPolicy))
		if r.Format != "nursing-care" || r.Verdict != deid.VerdictPass {
			t.Errorf("quoted %v: %s %s\n%s", quoted, r.Format, r.Verdict, r.Text())
		}
	}
}

// TestTraps: one person in a hundred of a clean file has one identifier.
func TestTraps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		record string
		number int
		value  string
		want   string
	}{
		{"7131/01", 4, "1370000001", "profile-rekey field basic.4 (事業所番号)"},
		{"7131/01", 6, "0000071234", "column-insurance-certificate field basic.6 (被保険者番号)"},
		{"7131/01", 6, "００００７１２３４５", "column-insurance-certificate field basic.6 (被保険者番号)"},
		{"7131/01", 6, "H000071234", "column-insurance-certificate field basic.6 (被保険者番号)"},
		{"7131/01", 8, "1234567", "column-insurance-certificate field basic.8 (公費受給者番号)"},
		{"7131/01", 13, "19450302", "birth-date field basic.13 (生年月日)"},
		{"7131/01", 15, "山田太郎", "unexpected-text field basic.15"},
		{"7131/02", 6, "0000071234", "column-insurance-certificate field statement.6 (被保険者番号)"},
		{"7131/02", 18, "次男が同席", "text-left field statement.18"},
		{"8121/" + recordstest.Pseudonym("provider"), 7, "0000071234", "column-insurance-certificate field 8121.7 (被保険者番号)"},
		{"8121/" + recordstest.Pseudonym("provider"), 10, "19450302", "birth-date field 8121.10 (生年月日)"},
		{"8221/202609", 9, "0000071234", "column-insurance-certificate field 8221.9 (被保険者番号)"},
		{"8221/202609", 10, "19450302", "birth-date field 8221.10 (生年月日)"},
		{"8221/202609", 1, "K411", "unknown-record"},
		{"8221/202609", 1, "9999", "unknown-record"},
	} {
		t.Run(fmt.Sprint(c.record, " ", c.number, " ", c.value), func(t *testing.T) {
			t.Parallel()
			g := claims{rand: seeded(), people: 100, trap: func(id string, inner []string) {
				if id == c.record {
					inner[c.number-1] = c.value
				}
			}}
			for _, quoted := range []bool{false, true} {
				g.quoted = quoted
				r := recordstest.Check(t, csv(t, g.lines()), recordstest.Shipped(t, profile.JPPolicy))
				if !recordstest.Has(recordstest.Found(r), c.want) || r.Verdict != deid.VerdictBlock {
					t.Errorf("found %q, want %q\n%s", recordstest.Found(r), c.want, r.Text())
				}
			}
		})
	}
}

// TestTransform: the output passes, fields that identify nobody stay, quotation
// marks too.
func TestTransform(t *testing.T) {
	t.Parallel()
	for _, name := range []string{profile.JPPolicy, profile.USSafeHarbor, profile.USLimitedDataSet} {
		for _, quoted := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", quoted), func(t *testing.T) {
				t.Parallel()
				p := recordstest.Shipped(t, name)
				c := claims{rand: seeded(), people: 20, raw: true, quoted: quoted}
				lines := c.lines()
				out, changes := recordstest.Transform(t, kaigo.Format(), csv(t, lines), p, nil)
				if r := recordstest.Check(t, out, p); r.Format != "nursing-care" || len(r.Blocking()) > 0 {
					t.Errorf("the output does not pass:\n%s", r.Text())
				}
				after := strings.Split(out, "\r\n")
				if len(after) != len(lines)+1 || changes.Rows != 100 {
					t.Errorf("%d lines, %d rows", len(after), changes.Rows)
				}
				for i, l := range lines {
					fields := strings.Split(after[i], ",")
					if len(fields) != len(l) {
						t.Fatalf("line %d has %d fields, want %d", i+1, len(fields), len(l))
					}
					if len(l) > 50 && strings.Contains(l[2], "7131") && strings.Trim(l[3], `"`) == "01" && (fields[15] != l[15] || fields[34] != l[34]) {
						t.Errorf("line %d: %q became %q", i+1, l, fields)
					}
				}
			})
		}
	}
}

// TestObjections: the records of a person who objected are left out.
func TestObjections(t *testing.T) {
	t.Parallel()
	c := claims{rand: seeded(), people: 5, raw: true}
	out, changes := recordstest.Transform(t, kaigo.Format(), csv(t, c.lines()), recordstest.Shipped(t, profile.JPPolicy), recordstest.Objections{"0000071003": true})
	if changes.Suppressed != 5 || strings.Count(out, "\r\n") != 1+1+4*5+1 {
		t.Errorf("%+v, %d lines", changes, strings.Count(out, "\r\n"))
	}
}

// TestRefused: claims for people with disabilities, whose records hold names,
// and every other exchange id.
func TestRefused(t *testing.T) {
	t.Parallel()
	contents := recordstest.CP932(t, "1,1,0,1,K41,0,0,1370000001,0,7,202610,0\r\n2,2,K411,01,202609,1370000001,131016,0000071234,ヤマダ　タロウ,ヤマダ　ハナコ\r\n3,3\r\n")
	r := recordstest.Check(t, contents, recordstest.Shipped(t, profile.JPPolicy))
	if r.Format != "nursing-care" || !recordstest.Has(recordstest.Found(r), "unknown-record") || !strings.Contains(r.Text(), "K411") {
		t.Errorf("%s\n%s", r.Format, r.Text())
	}
	_, _, err := recordstest.Try(t, kaigo.Format(), contents, recordstest.Shipped(t, profile.JPPolicy), nil)
	if err == nil || !strings.Contains(err.Error(), "line 2") || !strings.Contains(err.Error(), "K411") || strings.Contains(err.Error(), "ヤマダ") {
		t.Errorf("transform: %v", err)
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	for _, other := range []string{
		"", "1,2,3\n4,5,6\n", "1,1,0,1,711\r\n", "2,2,7131\r\n", "id,name\n1,a\n", "1,1,0,3,abc,0,0,1,0,7,202610,0\n", "1,1,1,1,111,1,1,1,1,1,199001\n1,1,1,1,111,1,1,1,1,1,199001\n",
	} {
		if kaigo.Detect([]byte(other)) {
			t.Errorf("%q is taken for a claim", other)
		}
	}
}

func FuzzNursingCare(f *testing.F) {
	for _, quoted := range []bool{false, true} {
		c := claims{rand: seeded(), people: 2, raw: true, quoted: quoted}
		f.Add([]byte(csv(f, c.lines())))
	}
	f.Fuzz(func(t *testing.T, contents []byte) { recordstest.Fuzz(t, kaigo.Format(), contents) })
}

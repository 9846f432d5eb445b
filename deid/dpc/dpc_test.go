package dpc_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"teikyo/deid"
	"teikyo/deid/dpc"
	"teikyo/deid/profile"
	"teikyo/deid/records/recordstest"
)

// survey makes files of the DPC survey after DOMAIN.md 3.2.
type survey struct {
	rand     *rand.Rand
	patients int
	raw      bool // with all identifiers; else as after jp-policy
	header   bool
	trap     func(row []string) // changes one row in a hundred
}

func (s *survey) facility() string {
	if s.raw {
		return "131234567"
	}
	return recordstest.Pseudonym("facility")
}

func (s *survey) patient(i int) string {
	if s.raw {
		return fmt.Sprintf("%010d", 71000+i)
	}
	return recordstest.Pseudonym(fmt.Sprint("patient", i))
}

func (s *survey) only(v string) string {
	if s.raw {
		return v
	}
	return ""
}

func (s *survey) row(i int, cells ...string) []string {
	if s.trap != nil && i%100 == 42 {
		s.trap(cells)
	}
	return cells
}

func (s *survey) titles(rows [][]string, width int) [][]string {
	if !s.header {
		return rows
	}
	names := []string{"施設コード", "データ識別番号"}
	for i := 3; i <= width; i++ {
		names = append(names, fmt.Sprintf("項目%d", i))
	}
	return append([][]string{names}, rows...)
}

// form1 has one row for each code.
func (s *survey) form1() [][]string {
	var rows [][]string
	for i := range s.patients {
		birth, postal := "194503", "160"
		height, weight := "165", "58"
		if s.raw {
			birth, postal = fmt.Sprintf("19%02d%02d%02d", 30+s.rand.IntN(60), 1+s.rand.IntN(12), 2+s.rand.IntN(26)), "1600023"
			height, weight = "211", "180"
		}
		if i%10 == 5 {
			birth, postal = "00000000", "9999999"
		}
		for _, c := range [][]string{
			{"A000010", birth, "1", postal}, {"A000020", "20260902", "1"}, {"A000030", "20260911", "2"}, {"A001010", height, weight},
			{"A006010", "I10", "", "", "", "", "", "", "", s.only("高血圧症（山田医師）")}, {"A007010", "0", s.only("再入院は次男の都合")},
		} {
			row := make([]string, 17)
			copy(row, []string{s.facility(), s.patient(i), "20260902", "1", "1", c[0], "20240401", "1"})
			copy(row[8:], c[1:])
			rows = append(rows, s.row(len(rows), row...))
		}
	}
	return s.titles(rows, 17)
}

// ef are 31 columns; 32 with the month that some sites append.
func (s *survey) ef() [][]string {
	var rows [][]string
	for i := range s.patients * 3 {
		row := make([]string, 31)
		copy(row, []string{
			s.facility(), s.patient(i / 3), "20260911", "20260902", "13", "0001", "001", s.only("H-0042"), "113001810", "B001", s.only("家族に連絡 090-1234-5678"),
			"1", "", "225", "0", "225", "0", "225", "0", "0", "1", "06132013", "111", "20260903", "01", "010", s.only("D0123"),
		})
		row[27], row[28], row[29], row[30] = s.ward(), "1", "0", "1"
		rows = append(rows, s.row(i, row...))
	}
	return s.titles(rows, 31)
}

func (s *survey) ward() string {
	if s.raw {
		return "W5E"
	}
	return recordstest.Pseudonym("ward")
}

// fileD has 30 columns, 29 without column 14.
func (s *survey) fileD(width int) [][]string {
	var rows [][]string
	for i := range s.patients {
		row := []string{
			s.facility(), s.patient(i), "20260911", "20260902", "93", "0001", s.only("H-0042"), "930000000", "", s.only("入院料"),
			"2500", "0", "0", "0", "1", "06132013", "111", "20260902", "01", "010", s.only("D0123"), s.wardText(), "1", "1", "1",
			"20260902", "20260911", "20260902", "050050xx9910xx", s.only("1.3245"),
		}
		if width == 29 {
			row = slices.Delete(row, 13, 14)
		}
		rows = append(rows, s.row(i, row...))
	}
	return s.titles(rows, width)
}

func (s *survey) wardText() string { return s.only("W5E") }

func (s *survey) fileH() [][]string {
	var rows [][]string
	for i := range s.patients {
		rows = append(rows, s.row(i, s.facility(), s.ward(), s.patient(i), "20260911", "20260902", "20260903", "ASS0013", "20240401", "1", "0", "1", "2"))
	}
	return s.titles(rows, 12)
}

func (s *survey) form4() [][]string {
	var rows [][]string
	for i := range s.patients {
		rows = append(rows, s.row(i, s.facility(), s.patient(i), "20260911", "20260902", "1", "0", "1"))
	}
	return s.titles(rows, 7)
}

// files are all kinds of files.
func (s *survey) files() map[string]func() [][]string {
	return map[string]func() [][]string{
		"form 1": s.form1, "EF": s.ef, "D": func() [][]string { return s.fileD(30) }, "D of 29": func() [][]string { return s.fileD(29) },
		"H": s.fileH, "form 4": s.form4,
	}
}

func seeded() *rand.Rand { return rand.New(rand.NewPCG(3, 4)) }

func tsv(t testing.TB, rows [][]string) string {
	return recordstest.CP932(t, recordstest.Text(rows, "\t"))
}

func TestCleanFiles(t *testing.T) {
	t.Parallel()
	for _, header := range []bool{true, false} {
		s := survey{rand: seeded(), patients: 50, header: header}
		for name, make := range s.files() {
			rows := make()
			r := recordstest.Check(t, tsv(t, rows), recordstest.Shipped(t, profile.JPPolicy))
			if r.Format != "DPC" || len(r.Blocking()) > 0 {
				t.Errorf("%s, header %v: %s %s\n%s", name, header, r.Format, r.Verdict, r.Text())
			}
		}
	}
}

// TestTraps: one row in a hundred of clean files holds one identifier.
func TestTraps(t *testing.T) {
	t.Parallel()
	set := func(column int, v string) func([]string) { return func(row []string) { row[column-1] = v } }
	for _, c := range []struct {
		file   string
		column int
		value  string
		want   string
	}{
		{"form 1", 1, "131234567", "profile-rekey field ff1.1 (施設コード)"},
		{"form 1", 2, "0000071234", "column-patient-id field ff1.2 (データ識別番号)"},
		{"form 1", 2, "００７１２３４", "unknown-record"},
		{"form 1", 9, "山田太郎", "text-left field ff1."},
		{"form 1", 6, "山田太郎", "unknown-record"},
		{"EF", 2, "0000071234", "column-patient-id field ef.2 (データ識別番号)"},
		{"EF", 8, "H-0042", "text-left field ef.8 (病院点数マスタコード)"},
		{"EF", 11, "山田太郎様へ連絡", "text-left field ef.11 (診療明細名称)"},
		{"EF", 27, "D0123", "column-staff field ef.27 (医師コード)"},
		{"EF", 28, "５階東", "text-left field ef.28 (病棟コード)"},
		{"EF", 9, "山田太郎", "unexpected-text field ef.9"},
		{"D", 30, "1.3245", "text-left field d.30 (医療機関係数)"},
		{"D", 21, "D0123", "column-staff field d.21 (医師コード)"},
		{"D of 29", 29, "1.3245", "text-left field d-old.29 (医療機関係数)"},
		{"D of 29", 20, "D0123", "column-staff field d-old.20 (医師コード)"},
		{"H", 3, "0000071234", "column-patient-id field h.3 (データ識別番号)"},
		{"H", 2, "５階東", "text-left field h.2 (病棟コード)"},
		{"H", 9, "次男が介護", "text-left field h.9"},
		{"form 4", 2, "0000071234", "column-patient-id field ff4.2 (データ識別番号)"},
	} {
		t.Run(fmt.Sprint(c.file, " ", c.column, " ", c.value), func(t *testing.T) {
			t.Parallel()
			s := survey{rand: seeded(), patients: 100, trap: set(c.column, c.value)}
			r := recordstest.Check(t, tsv(t, s.files()[c.file]()), recordstest.Shipped(t, profile.JPPolicy))
			if !recordstest.Has(recordstest.Found(r), c.want) || r.Verdict != deid.VerdictBlock {
				t.Errorf("found %q, want %q\n%s", recordstest.Found(r), c.want, r.Text())
			}
		})
	}
}

// TestPayload: birth, postal code and body size of form 1.
func TestPayload(t *testing.T) {
	t.Parallel()
	row := func(code string, payload ...string) string {
		cells := make([]string, 17)
		copy(cells, []string{recordstest.Pseudonym("f"), recordstest.Pseudonym("p"), "20260902", "1", "1", code, "20240401", "1"})
		copy(cells[8:], payload)
		return strings.Join(cells, "\t") + "\r\n"
	}
	p := recordstest.Shipped(t, profile.JPPolicy)
	for _, c := range []struct{ in, want, out string }{
		{row("A000010", "19450302", "1", "160"), "birth-date field ff1.A000010.p1 (生年月日)", "\t194503\t1\t160\t"},
		{row("A000010", "194503", "1", "1600023"), "postal-code field ff1.A000010.p3 (患者住所地域の郵便番号)", "\t194503\t1\t160\t"},
		{row("A000010", "00000000", "1", "0000000"), "", "\t00000000\t1\t0000000\t"},
		{row("A000010", "194503", "1", "9999999"), "", "\t194503\t1\t9999999\t"},
		{row("A001010", "212", "58"), "over-cap field ff1.A001010.p1 (身長)", "\t200\t58\t"},
		{row("A006020", "I10", "", "", "", "", "", "", "", "高血圧症"), "text-left field ff1.A006.p9 (傷病名)", "\tI10\t\t\t\t\t\t\t\t\r"},
		{row("M010010", "20260903", "再発"), "text-left field ff1.other.p2", "\t20260903\t\t"},
	} {
		in := recordstest.CP932(t, c.in)
		r := recordstest.Check(t, in, p)
		if found := recordstest.Found(r); c.want == "" && len(found) > 0 || c.want != "" && !recordstest.Has(found, c.want) {
			t.Errorf("%q: found %q, want %q", c.in, found, c.want)
		}
		out, _ := recordstest.Transform(t, dpc.Format(), in, p, nil)
		if !strings.Contains(out, c.out) {
			t.Errorf("%q came out as %q", c.in, out)
		}
	}
}

// TestTransform: the output of whole files passes, other columns are as they
// were, and one patient has one pseudonym in all files.
func TestTransform(t *testing.T) {
	t.Parallel()
	for _, name := range []string{profile.JPPolicy, profile.USSafeHarbor, profile.USLimitedDataSet} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := recordstest.Shipped(t, name)
			s := survey{rand: seeded(), patients: 30, raw: true, header: true}
			patients := map[string]string{}
			for kind, make := range s.files() {
				rows := make()
				raw := tsv(t, rows)
				if r := recordstest.Check(t, raw, p); r.Verdict != deid.VerdictBlock {
					t.Errorf("%s: the raw file is %s", kind, r.Verdict)
				}
				out, changes := recordstest.Transform(t, dpc.Format(), raw, p, nil)
				if r := recordstest.Check(t, out, p); r.Format != "DPC" || len(r.Blocking()) > 0 {
					t.Errorf("%s: the output does not pass:\n%s", kind, r.Text())
				}
				if strings.Count(out, "\t") != strings.Count(raw, "\t") || strings.Count(out, "\r\n") != len(rows) || changes.Rows != int64(len(rows)-1) {
					t.Errorf("%s: rows or columns are missing: %+v", kind, changes.Rows)
				}
				same(t, kind, rows, strings.Split(out, "\r\n"), patients)
			}
		})
	}
}

// same compares a few columns that identify nobody, and collects pseudonyms.
func same(t *testing.T, kind string, rows [][]string, out []string, patients map[string]string) {
	t.Helper()
	patient, kept := 1, map[string][]int{"EF": {4, 5, 6, 8, 11, 20}, "D": {4, 7, 28}, "H": {6, 8}, "form 1": {3, 5}, "form 4": {4, 5, 6}}[kind]
	if kind == "H" {
		patient = 2
	}
	for i, row := range rows[1:] {
		after := strings.Split(out[i+1], "\t")
		for _, c := range kept {
			if after[c] != row[c] {
				t.Fatalf("%s, row %d, column %d: %q became %q", kind, i, c+1, row[c], after[c])
			}
		}
		if known, ok := patients[row[patient]]; ok && known != after[patient] {
			t.Fatalf("%s: one patient, two pseudonyms", kind)
		}
		patients[row[patient]] = after[patient]
	}
}

// TestObjections: rows of a patient who objected are left out.
func TestObjections(t *testing.T) {
	t.Parallel()
	s := survey{rand: seeded(), patients: 10, raw: true, header: true}
	out, changes := recordstest.Transform(t, dpc.Format(), tsv(t, s.ef()), recordstest.Shipped(t, profile.JPPolicy), recordstest.Objections{"0000071004": true})
	if changes.Suppressed != 3 || strings.Count(out, "\r\n") != 1+27 {
		t.Errorf("%+v, %d lines", changes, strings.Count(out, "\r\n"))
	}
}

// TestKFile: it is refused whatever stands in it.
func TestKFile(t *testing.T) {
	t.Parallel()
	row := "131234567\t0000071234\t20260911\t20260902\t" + strings.Repeat("0f3a", 16) + "\r\n"
	for _, contents := range []string{row, "施設コード\tデータ識別番号\t退院年月日\t入院年月日\t一次共通ID\r\n" + row} {
		if strings.HasPrefix(contents, "施") {
			contents = recordstest.CP932(t, contents)
		}
		r := recordstest.Check(t, contents, recordstest.Shipped(t, profile.JPPolicy))
		if r.Format != "DPC" || !recordstest.Has(recordstest.Found(r), "k-file") {
			t.Errorf("%s: %q", r.Format, recordstest.Found(r))
		}
		if _, _, err := recordstest.Try(t, dpc.Format(), contents, recordstest.Shipped(t, profile.JPPolicy), nil); err == nil {
			t.Error("a K file was transformed")
		}
	}
}

// TestDetect: other tables are none of ours.
func TestDetect(t *testing.T) {
	t.Parallel()
	for _, other := range []string{
		"", "\t", "a\tb\tc\n1\t2\t3\n", "131234567\t20\n", "施設コード\t名前\nA\t山田\n", "123456789\tx\ty\tz\tw\n", strings.Repeat("\t", 16) + "\n",
	} {
		if dpc.Detect([]byte(other)) {
			t.Errorf("%q is taken for a survey file", other)
		}
	}
}

func FuzzDPC(f *testing.F) {
	s := survey{rand: seeded(), patients: 2, raw: true, header: true}
	for _, make := range s.files() {
		f.Add([]byte(tsv(f, make())))
	}
	f.Add([]byte("131234567\t0000071234\t\"2026\t\n"))
	f.Fuzz(func(t *testing.T, contents []byte) { recordstest.Fuzz(t, dpc.Format(), contents) })
}

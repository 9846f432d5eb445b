package uke_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"teikyo/deid/records/recordstest"
)

// claims makes claims after DOMAIN.md 3.1.
type claims struct {
	rand     *rand.Rand
	receipts int
	raw      bool // with all identifiers, as a hospital sends them; else as after jp-policy
	era      bool // dates as GYYMMDD, the form before the switch to western years
	returned bool // three columns of history before each record
	// trap changes the lines of one receipt in a hundred.
	trap func(receipt [][]string)
}

func (c *claims) lines() [][]string {
	lines := [][]string{c.facility()}
	for i := range c.receipts {
		receipt := c.receipt(i)
		if c.trap != nil && i%100 == 42 {
			c.trap(receipt)
		}
		lines = append(lines, receipt...)
	}
	lines = append(lines, []string{"GO", fmt.Sprint(c.receipts), "123456", "99"})
	if c.returned {
		for i, l := range lines {
			lines[i] = append([]string{"1", fmt.Sprint(i + 1), "0"}, l...)
		}
	}
	return lines
}

func (c *claims) pick(list ...string) string { return list[c.rand.IntN(len(list))] }

// only is the value where the identifiers are still there.
func (c *claims) only(value string) string {
	if c.raw {
		return value
	}
	return ""
}

func (c *claims) facility() []string {
	if c.raw {
		return strings.Split("IR,1,13,1,1234567,,厚生労働病院,"+c.month(2026, 10)+",00,03-1234-5678", ",")
	}
	return []string{"IR", "1", "13", "1", recordstest.Pseudonym("facility"), "", "", c.month(2026, 10), "00", ""}
}

func (c *claims) month(year, month int) string {
	if c.era {
		return fmt.Sprintf("5%02d%02d", year-2018, month)
	}
	return fmt.Sprintf("%04d%02d", year, month)
}

func (c *claims) day(year, month, day int) string {
	if c.era {
		return fmt.Sprintf("5%02d%02d%02d", year-2018, month, day)
	}
	return fmt.Sprintf("%04d%02d%02d", year, month, day)
}

// birth is a date of birth in either form; a third of them are the first of a
// month, as in real files.
func (c *claims) birth() string {
	year, month, day := 1940+c.rand.IntN(48), 1+c.rand.IntN(12), 1+c.rand.IntN(28)
	text := fmt.Sprintf("%04d%02d%02d", year, month, day)
	if c.era {
		text = fmt.Sprintf("3%02d%02d%02d", year-1925, month, day)
	}
	if !c.raw {
		text = text[:len(text)-2]
	}
	return text
}

func (c *claims) receipt(i int) [][]string {
	re := make([]string, 38)
	copy(re, []string{"RE", fmt.Sprint(i + 1), "1112", c.month(2026, 9), c.only("山田　" + c.pick("太郎", "花子", "髙志")), c.pick("1", "2"), c.birth()})
	re[8], re[13], re[36] = c.day(2026, 9, 3), recordstest.Pseudonym(fmt.Sprint("chart", i)), c.only("ヤマダ　タロウ")
	if c.raw {
		re[13], re[18], re[20] = fmt.Sprintf("%08d", 70000+i), fmt.Sprintf("1%029d", i), "内科外来１番"
	}
	days := make([]string, 31)
	days[c.rand.IntN(31)] = "1"
	out := [][]string{
		re,
		{"HO", "06132013", c.only("あいう"), c.only("１２３４"), "3", "1520", "", "", "", "", "", "456", "", "", ""},
		{"KO", "33120015", c.only("1234567"), "", "3", "1520", "", "", "", "", "", ""},
		{"SN", "1", "01", "06132013", c.only("千代"), c.only("２３"), c.only("05"), c.only("7654321"), ""},
		append([]string{"JD", "1"}, days...),
		append([]string{"MF", "02"}, make([]string, 31)...),
		{"SY", "8830417", c.day(2026, 8, 20), "1", "", "", "01", c.only("山田氏の紹介")},
		{"SY", "0000999", c.day(2026, 8, 20), "1", "", c.only("㈱髙山のⅠ型①"), "", ""},
		append([]string{"SI", "11", "1", "111000110", "", "291", "1", "", "", "", "", "", ""}, days...),
		append([]string{"IY", "21", "1", "620000001", "2", "12", "14", "820000001", c.only("転院前から服用"), "", "", "", ""}, days...),
		append([]string{"TO", "40", "1", "710010001", "1", "30", "1", "", "300", "", c.only("カテーテルＸ"), "", "", "", "", "", ""}, days...),
	}
	if c.raw {
		out = append(out, []string{"CO", "99", "1", "810000001", "山田太郎様は昭和５５年３月２日生まれ"}, []string{"SJ", "01", "８月３日転倒、次男が同乗"})
	}
	return out
}

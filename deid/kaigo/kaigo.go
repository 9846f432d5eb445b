// Package kaigo knows Japanese nursing-care claims (介護給付費請求) in the
// interface of the national health insurance federations: an outer record of
// control (1), data (2) or end (3); data rows hold an exchange id and, in
// statements, a type of record (DOMAIN.md 3.3).
//
// Other exchange ids are refused, those of claims for people with disabilities
// above all: their records hold names of children and guardians.
package kaigo

import (
	"bytes"
	"regexp"
	"sync"

	"teikyo/deid/recognise"
	"teikyo/deid/records"
)

// Name is the name of the format in profiles.
const Name = "nursing-care"

// Format reads nursing-care claims.
func Format() records.Format {
	return records.Format{Key: Name, Title: "nursing-care", Comma: ',', Quotes: true, IsOne: Detect, Grammar: newGrammar}
}

// inner is the offset of the exchange id: type of the outer record and sequence
// number stand before it.
const inner = 2

var (
	dataType   = regexp.MustCompile(`^[0-9A-Z]{3}$`)
	exchangeID = regexp.MustCompile(`^[0-9A-Z]{4}$`)
	yearMonth  = regexp.MustCompile(`^(19|20)\d{2}(0[1-9]|1[0-2])?$`)  // the year alone after a transformation
	provider   = regexp.MustCompile(`^([0-9A-Z]{10}|[a-z2-7]{8,26})$`) // or a pseudonym
	number     = regexp.MustCompile(`^\d{1,9}$`)
	statement  = regexp.MustCompile(`^713[1-9]$`) // 様式第二 to 様式第十
)

// Detect reports whether the first rows are a control record and data of the
// interface, of any exchange id: those that are not known are for Check to
// refuse.
func Detect(head []byte) bool {
	rows := records.Head(head, ',', true, 2)
	if len(rows) == 0 {
		return false
	}
	if isControl(rows[0]) {
		return len(rows) == 1 || isOuter(rows[1])
	}
	return len(rows) == 2 && isData(rows[0]) && isOuter(rows[1])
}

func isControl(row [][]byte) bool {
	return len(row) >= 10 && len(row) <= 14 && string(row[0]) == "1" && number.Match(row[1]) && number.Match(row[3]) &&
		dataType.Match(row[4]) && (len(row) == 10 || yearMonth.Match(row[10]))
}

func isOuter(row [][]byte) bool {
	return isData(row) || len(row) == 2 && string(row[0]) == "3" && number.Match(row[1])
}

// isData: a data row has an exchange id and a provider or a month near it.
func isData(row [][]byte) bool {
	if len(row) < 6 || string(row[0]) != "2" || !number.Match(row[1]) || !exchangeID.Match(row[inner]) {
		return false
	}
	for _, f := range row[inner+1 : min(len(row), inner+5)] {
		if yearMonth.Match(f) || provider.Match(f) {
			return true
		}
	}
	return false
}

type grammar struct{}

func newGrammar([]byte) (records.Grammar, *records.Refusal) { return grammar{}, nil }

// Match finds the layout by the type of the outer record, the exchange id and
// the type of the inner record.
func (grammar) Match(l *records.Line) records.Match {
	all := layouts()
	field := func(i int) string {
		if i >= len(l.Fields) {
			return ""
		}
		return string(bytes.Trim(l.Fields[i], `"`))
	}
	switch field(0) {
	case "1":
		return records.Match{Record: all["control"]}
	case "3":
		return records.Match{Record: all["end"]}
	case "2":
	default:
		return records.Match{}
	}
	id, kind := field(inner), field(inner+1)
	if statement.MatchString(id) {
		if len(kind) == 2 && yearMonth.MatchString(field(inner+2)) && (field(inner+3) == "" || provider.MatchString(field(inner+3))) {
			if kind == "01" {
				return records.Match{Record: all["basic"], Shift: inner}
			}
			return records.Match{Record: all["statement"], Shift: inner}
		}
		return records.Match{Name: id}
	}
	m := records.Match{Record: all[id], Shift: inner}
	if m.Record == nil && exchangeID.MatchString(id) {
		m.Name = id
	}
	return m
}

func of(kind records.Kind, title string) records.Field {
	return records.Field{Title: title, Kind: kind}
}

func known(title string, class recognise.Class) records.Field {
	return records.Field{Title: title, Kind: records.Known, Class: class}
}

func asOf(title string) records.Field {
	return records.Field{Title: title, Kind: records.Month, AsOf: true}
}

func insured() records.Field {
	return records.Field{Title: "被保険者番号", Kind: records.Known, Class: recognise.Certificate, Person: true}
}

// record is a layout whose fields are numbered from 1.
func record(id string, width int, rest records.Kind, numbered map[int]records.Field) *records.Record {
	r := &records.Record{ID: id, Len: width, Base: 1, Rest: rest, Fields: map[int]records.Field{}}
	for n, f := range numbered {
		r.Fields[n-1] = f
	}
	return r
}

const (
	providerNo = "事業所番号"
	insurerNo  = "証記載保険者番号"
)

// layouts are the records by exchange id; numbers are those of the interface,
// from 1. "basic" is the record 01 of the statements 7131 to 7139; their other
// records ("statement") repeat its fields 3 to 6.
var layouts = sync.OnceValue(func() map[string]*records.Record {
	claim := map[int]records.Field{2: of(records.Month, "サービス提供年月"), 3: of(records.Facility, providerNo)}
	all := map[string]*records.Record{
		"control": record("control", 12, records.Code, map[int]records.Field{
			6: of(records.Facility, "福祉事務所特定番号"), 8: of(records.Facility, providerNo), 11: of(records.Month, "処理対象年月"),
		}),
		"end": record("end", 2, records.Code, nil),
		"8211": record("8211", 17, records.Code, map[int]records.Field{
			2: of(records.Month, "提出年月"), 3: of(records.InsurerNo, "保険者番号"), 4: of(records.Facility, providerNo),
		}),
		"8221": plan("8221"), "8222": plan("8222"), "8121": care("8121"), "8122": care("8122"),
		"basic":     basic(),
		"statement": record("statement", 0, records.Open, repeated()),
	}
	for _, id := range []string{"7111", "7112", "7113"} {
		all[id] = record(id, 18, records.Code, claim)
	}
	return all
})

// repeated are the fields that every record of a statement begins with.
func repeated() map[int]records.Field {
	return map[int]records.Field{
		1: of(records.Code, "交換情報識別番号"), 2: of(records.Code, "レコード種別コード"), 3: asOf("サービス提供年月"),
		4: of(records.Facility, providerNo), 5: of(records.InsurerNo, insurerNo), 6: insured(),
	}
}

func basic() *records.Record {
	f := repeated()
	for i := 7; i <= 11; i += 2 {
		f[i], f[i+1] = of(records.InsurerNo, "公費負担者番号"), known("公費受給者番号", recognise.Certificate)
	}
	f[13] = of(records.Birth, "生年月日")
	for n, title := range map[int]string{
		17: "認定有効期間（開始）", 18: "認定有効期間（終了）", 21: "開始年月日", 22: "中止年月日", 24: "入所年月日", 25: "退所年月日",
	} {
		f[n] = of(records.Day, title)
	}
	f[20] = of(records.Facility, "居宅介護支援事業所番号")
	return record("basic", 56, records.Code, f)
}

// plan is a record of the care manager's list (給付管理票).
func plan(id string) *records.Record {
	return record(id, 24, records.Code, map[int]records.Field{
		2: asOf("対象年月"), 3: of(records.InsurerNo, insurerNo), 4: of(records.Facility, providerNo),
		6: of(records.Day, "給付管理票作成年月日"), 9: insured(), 10: of(records.Birth, "生年月日"), 13: of(records.Month, "限度額適用期間（開始）"),
		14: of(records.Month, "限度額適用期間（終了）"), 17: of(records.Facility, providerNo),
	})
}

// care is the statement for the care plan.
func care(id string) *records.Record {
	return record(id, 18, records.Code, map[int]records.Field{
		2: of(records.Facility, providerNo), 4: asOf("サービス提供年月"), 5: of(records.InsurerNo, insurerNo), 7: insured(),
		8: of(records.InsurerNo, "公費負担者番号"), 9: known("公費受給者番号", recognise.Certificate), 10: of(records.Birth, "生年月日"),
		13: of(records.Day, "認定有効期間（開始）"), 14: of(records.Day, "認定有効期間（終了）"), 15: of(records.Day, "届出年月日"),
	})
}

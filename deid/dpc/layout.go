package dpc

import (
	"strconv"
	"sync"

	"teikyo/deid/recognise"
	"teikyo/deid/records"
)

func of(kind records.Kind, title string) records.Field {
	return records.Field{Title: title, Kind: kind}
}

func patient() records.Field {
	return records.Field{Title: "データ識別番号", Kind: records.Known, Class: recognise.PatientID, Person: true}
}

// layouts are the files other than form 1. Offsets are from 0, names from 1 as
// in the instructions of the survey.
var layouts = sync.OnceValue(func() map[string]*records.Record {
	all := map[string]*records.Record{
		form4: stay(form4, 0, records.Open),
		eAndF: table(eAndF, 31, map[int]records.Field{
			8: of(records.Prose, "病院点数マスタコード"), 11: of(records.Prose, "診療明細名称"), 22: of(records.InsurerNo, "保険者番号"),
			24: of(records.Day, "実施年月日"), 27: doctor(), 28: of(records.Prose, "病棟コード"), 32: of(records.Month, "診療年月"),
		}),
		fileF: table(fileF, 17, map[int]records.Field{
			8: of(records.Prose, "病院点数マスタコード"), 11: of(records.Prose, "診療明細名称"), 18: of(records.Month, "診療年月"),
		}),
		fileE:          table(fileE, 25, services(0)),
		fileD:          table(fileD, 30, withGroup(services(0), 26)),
		fileD + "-old": table(fileD+"-old", 29, withGroup(services(-1), 25)),
		fileH: {ID: fileH, Base: 1, Rest: records.Open, Fields: map[int]records.Field{
			0: of(records.Facility, "施設コード"), 1: of(records.Prose, "病棟コード"), 2: patient(), 3: of(records.Day, "退院年月日"),
			4: of(records.Day, "入院年月日"), 5: of(records.Day, "実施年月日"), 6: of(records.Code, "項目セット"),
		}},
	}
	return all
})

// stay is a file that begins with facility, patient, discharge and admission.
func stay(kind string, width int, rest records.Kind) *records.Record {
	r := &records.Record{ID: kind, Len: width, Base: 1, Rest: rest, Fields: map[int]records.Field{
		0: of(records.Facility, "施設コード"), 1: patient(), 2: of(records.Day, "退院年月日"), 3: of(records.Day, "入院年月日"),
	}}
	return r
}

// table is a stay with more columns, numbered from 1.
func table(kind string, width int, columns map[int]records.Field) *records.Record {
	r := stay(kind, width, records.Code)
	for column, f := range columns {
		r.Fields[column-1] = f
		r.Len = max(r.Len, column) // the month of treatment, which some sites append
	}
	return r
}

func doctor() records.Field {
	return records.Field{Title: "医師コード", Kind: records.Known, Class: recognise.Staff}
}

// services are the columns of an E file; the older D file has no column 14
// (円・点区分), which moves the later ones by one.
func services(move int) map[int]records.Field {
	return map[int]records.Field{
		7: of(records.Prose, "病院点数マスタコード"), 10: of(records.Prose, "診療明細名称"), 16 + move: of(records.InsurerNo, "保険者番号"),
		18 + move: of(records.Day, "実施年月日"), 21 + move: doctor(), 22 + move: of(records.Prose, "病棟コード"),
		26 + move: of(records.Month, "診療年月"),
	}
}

// withGroup adds the columns of the diagnosis group, from first on.
func withGroup(columns map[int]records.Field, first int) map[int]records.Field {
	for i, title := range []string{"算定開始日", "算定終了日", "算定起算日"} {
		columns[first+i] = of(records.Day, title)
	}
	columns[first+4] = of(records.Prose, "医療機関係数") // nearly one value a hospital
	columns[first+5] = of(records.Month, "診療年月")
	return columns
}

// form1Record is the layout of one row of form 1: eight columns, then the nine
// of the payload, which its code in column 6 gives a meaning.
func form1Record(code string) *records.Record {
	known := form1Codes()
	if r := known[code]; r != nil {
		return r
	}
	if code >= "A006010" && code < "A006100" {
		return known["A006*"]
	}
	return known["*"]
}

// form1Codes are the rows whose payload DOMAIN.md 3.2 knows. What other rows
// hold is told by the values: dates, words, codes.
var form1Codes = sync.OnceValue(func() map[string]*records.Record {
	payload := map[string]map[int]records.Field{
		"A000010": {1: of(records.Birth, "生年月日"), 2: of(records.Code, "性別"), 3: of(records.Postal, "患者住所地域の郵便番号")},
		"A000020": {1: of(records.Day, "入院年月日")},
		"A000030": {1: of(records.Day, "退院年月日")},
		"A001010": {1: of(records.Code, "身長"), 2: of(records.Code, "体重")},
		"A006*":   {9: of(records.Prose, "傷病名")},
		"*":       {},
	}
	all := map[string]*records.Record{}
	for code, fields := range payload {
		all[code] = form1Row(code, fields)
	}
	return all
})

func form1Row(code string, payload map[int]records.Field) *records.Record {
	r := &records.Record{ID: form1, Len: 17, Base: 1, Fields: map[int]records.Field{
		0: of(records.Facility, "施設コード"), 1: patient(), 2: {Title: "入院年月日", Kind: records.Day, AsOf: true},
	}}
	name := "other"
	if code != "*" {
		name = code
		if code == "A006*" {
			name = "A006"
		}
	}
	for i := 1; i <= 9; i++ {
		f, ok := payload[i]
		if !ok {
			f = of(records.Open, "")
		}
		f.Name = form1 + "." + name + ".p" + strconv.Itoa(i)
		r.Fields[7+i] = f
	}
	return r
}

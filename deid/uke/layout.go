package uke

import (
	"sync"

	"teikyo/deid/recognise"
	"teikyo/deid/records"
)

// known is a field that identifies a person or, for facilities, leads to one.
func known(title string, class recognise.Class) records.Field {
	return records.Field{Title: title, Kind: records.Known, Class: class}
}

func of(kind records.Kind, title string) records.Field {
	return records.Field{Title: title, Kind: kind}
}

// span gives the fields from a to b, both included, the same layout.
func span(fields map[int]records.Field, a, b int, f records.Field) map[int]records.Field {
	for i := a; i <= b; i++ {
		fields[i] = f
	}
	return fields
}

// layouts are the records of DOMAIN.md 3.1 by their id; offsets are from 0, as
// there. Fields that are not named hold codes, numbers and amounts.
var layouts = sync.OnceValue(func() map[string]*records.Record {
	all := map[string]*records.Record{}
	for _, list := range [][]records.Record{header(), receipt(), services(), accident(), groups(), donors(), remarks(), unverified()} {
		for _, r := range list {
			all[r.ID] = &r
		}
	}
	return all
})

const facilityName = "医療機関名称"

// header are the records of the file and of the facility.
func header() []records.Record {
	return []records.Record{
		{ID: "UK", Len: 10, Ends: true, Fields: map[int]records.Field{
			4: of(records.Facility, "医療機関コード"), 6: known(facilityName, recognise.Address), 7: of(records.Month, "請求年月"),
		}},
		{ID: "IR", Len: 10, Ends: true, Fields: map[int]records.Field{
			4: of(records.Facility, "医療機関コード"), 5: of(records.Reserved, "予備"), 6: known(facilityName, recognise.Address),
			7: of(records.Month, "請求年月"), 9: known("電話番号", recognise.PhoneNumber),
		}},
		{ID: "GO", Ends: true},
		{ID: "MN", Fields: map[int]records.Field{
			1: known("レセプト管理番号", recognise.PatientID), 2: known("医療機関所在地", recognise.Address),
		}},
	}
}

// receipt are the records about the patient and the insurance card.
func receipt() []records.Record {
	days := span(map[int]records.Field{}, 2, 32, of(records.DayFlags, "受診した日"))
	return []records.Record{
		{ID: "RE", Len: 38, Begins: true, Fields: span(map[int]records.Field{
			3: {Title: "診療年月", Kind: records.Month, AsOf: true}, 4: known("氏名", recognise.PersonName), 6: of(records.Birth, "生年月日"),
			8:  of(records.Day, "入院年月日"),
			13: {Title: "カルテ番号等", Kind: records.Known, Class: recognise.PatientID, Person: true},
			18: known("検索番号", recognise.PatientID), 20: known("請求情報", recognise.PatientID),
			36: known("カタカナ氏名", recognise.PersonName),
		}, 15, 17, of(records.Reserved, "予備"))},
		{ID: "HO", Len: 15, Fields: map[int]records.Field{
			1: of(records.InsurerNo, "保険者番号"), 2: known("被保険者証等の記号", recognise.Certificate),
			3: known("被保険者証等の番号", recognise.Certificate), 6: of(records.Reserved, "予備"),
			9:  {Title: "職務上の事由", Kind: records.Known, Class: recognise.Certificate, OneDigit: true},
			10: known("証明書番号", recognise.Certificate),
		}},
		{ID: "KO", Len: 12, Fields: map[int]records.Field{
			1: of(records.InsurerNo, "公費負担者番号"), 2: known("公費受給者番号", recognise.Certificate), 9: of(records.Reserved, "予備"),
		}},
		{ID: "SN", Len: 9, Fields: map[int]records.Field{
			3: of(records.InsurerNo, "保険者番号等"), 4: known("被保険者証等の記号", recognise.Certificate),
			5: known("被保険者証等の番号", recognise.Certificate), 6: known("枝番", recognise.Certificate),
			7: known("受給者番号", recognise.Certificate), 8: of(records.Reserved, "予備"),
		}},
		{ID: "JD", Len: 33, Fields: days},
		{ID: "MF", Len: 33, Fields: span(map[int]records.Field{}, 2, 32, of(records.Reserved, "予備"))},
		{ID: "GR"},
	}
}

// services are the records about diseases, treatment and comments.
func services() []records.Record {
	treatment := span(comments(8), 13, 43, of(records.DayFlags, "算定日の情報"))
	materials := span(comments(12), 17, 47, of(records.DayFlags, "算定日の情報"))
	materials[10] = of(records.Prose, "商品名及び規格又はサイズ")
	return []records.Record{
		{ID: "SY", Len: 8, Fields: map[int]records.Field{
			2: of(records.Day, "診療開始日"), 5: of(records.Prose, "傷病名称"), 7: of(records.Prose, "補足コメント"),
		}},
		{ID: "SI", Len: 44, Fields: treatment},
		{ID: "IY", Len: 44, Fields: treatment},
		{ID: "TO", Len: 48, Fields: materials},
		{ID: "CO", Len: 5, Fields: map[int]records.Field{4: of(records.Prose, "文字データ")}},
		{ID: "SJ", Len: 3, Fields: map[int]records.Field{2: of(records.Prose, "症状詳記データ")}},
	}
}

// comments are three texts, each after the code of a comment.
func comments(first int) map[int]records.Field {
	text := of(records.Prose, "コメント文字データ")
	return map[int]records.Field{first: text, first + 2: text, first + 4: text}
}

// accident are the records that only accident insurance (労災) has.
func accident() []records.Record {
	return []records.Record{
		{ID: "RR", Len: 22, Fields: map[int]records.Field{
			4: known("年金証書番号", recognise.Certificate), 5: known("労働保険番号", recognise.Certificate), 6: of(records.Day, "傷病年月日"),
			9: of(records.Day, "療養期間－初日"), 10: of(records.Day, "療養期間－末日"),
			12: known("労働者の氏名（カナ）", recognise.PersonName), 13: known("事業の名称", recognise.Address),
			14: known("事業場の所在地", recognise.Address), 15: of(records.Prose, "傷病の経過"),
		}},
		{ID: "RI", Len: 44, Fields: span(comments(8), 13, 43, of(records.DayFlags, "算定日の情報"))},
		{ID: "RS", Len: 13, Ends: true, Fields: map[int]records.Field{
			2: of(records.Day, "請求書提出年月日"), 5: of(records.Facility, "指定病院等の番号"), 6: of(records.Postal, "郵便番号"),
			7: known("医療機関所在地", recognise.Address), 8: known("医療機関責任者氏名", recognise.PersonName),
		}},
	}
}

// groups are the records that only claims by diagnosis group (DPC) have. Their
// layout beyond these fields is not verified: words in them count as free text.
func groups() []records.Record {
	out := []records.Record{
		{ID: "BU", Fields: map[int]records.Field{2: of(records.Day, "今回入院年月日"), 3: of(records.Day, "今回退院年月日")}},
	}
	for _, id := range []string{"SB", "KK", "SK", "GA", "HH", "GT", "CD"} {
		out = append(out, records.Record{ID: id, Rest: records.Open})
	}
	return out
}

// donors are the records about organ donors.
func donors() []records.Record {
	return []records.Record{
		{ID: "TI", Fields: map[int]records.Field{
			5: of(records.Facility, "臓器提供医療機関コード"), 7: known("臓器提供医療機関名称", recognise.Address),
			8: known("臓器提供医療機関所在地", recognise.Address), 9: known("臓器提供医療機関電話番号", recognise.PhoneNumber),
		}},
		{ID: "TR", Fields: map[int]records.Field{
			6: of(records.Birth, "臓器提供者生年月日"), 13: known("カルテ番号等", recognise.PatientID),
		}},
		{ID: "TS"},
	}
}

// remarks are what payers and facilities write to each other in returned
// claims.
func remarks() []records.Record {
	var out []records.Record
	for _, id := range []string{"HI", "HR", "HG", "JY", "RC", "EX", "KH"} {
		out = append(out, records.Record{ID: id, Drop: true, Rest: records.Open, Doubt: "holds remarks of payers"})
	}
	return out
}

// unverified are records that exist and whose layout no source confirms.
func unverified() []records.Record {
	var out []records.Record
	for _, id := range []string{"NI", "ON", "SS", "HS", "YK", "HM"} {
		out = append(out, records.Record{ID: id, Drop: true, Rest: records.Open, Doubt: "has a layout that is not verified"})
	}
	return out
}

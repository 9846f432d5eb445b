package table

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// HeadSize is how much of a file decides its format, bytes.
const HeadSize = 64 << 10

// magics are the first bytes of formats that are not text.
var magics = []struct{ name, prefix string }{
	{"ZIP or Excel", "PK\x03\x04"}, {"ZIP", "PK\x05\x06"}, {"gzip", "\x1f\x8b"}, {"Zstandard", "\x28\xb5\x2f\xfd"}, {"bzip2", "BZh"},
	{"xz", "\xfd7zXZ\x00"}, {"7-Zip", "7z\xbc\xaf"}, {"RAR", "Rar!"}, {"Parquet", "PAR1"}, {"PDF", "%PDF"},
	{"Microsoft Office (old)", "\xd0\xcf\x11\xe0"}, {"SQLite", "SQLite format 3"}, {"PNG", "\x89PNG"}, {"JPEG", "\xff\xd8\xff"},
	{"executable", "\x7fELF"}, {"executable", "MZ\x90"}, {"ORC", "ORC"}, {"Avro", "Obj\x01"}, {"age", "age-encryption.org/"}, {"RTF", "{\\rtf"},
}

// BytesFormat names the format of contents that are no text; "" when they may be
// text.
func BytesFormat(head []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.prefix)) {
			return m.name
		}
	}
	if len(head) > 132 && string(head[128:132]) == "DICM" {
		return "DICOM"
	}
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return ""
	}
	control := 0
	for _, c := range head {
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b || c == 0x7f {
			control++
		}
	}
	if bytes.IndexByte(head, 0) >= 0 && control*200 > len(head) || control*50 > len(head) {
		return "binary"
	}
	return ""
}

// TextFormat names the format of text (UTF-8, head of the file) that is no
// table; "" when it may be one.
func TextFormat(head []byte) string {
	text := bytes.TrimLeft(head, " \t\r\n")
	if len(text) == 0 {
		return "empty"
	}
	switch text[0] {
	case '{', '[':
		if looksJSON(text) {
			return "JSON"
		}
	case '<':
		if len(text) > 1 && (text[1] == '?' || text[1] == '!' || text[1]|0x20 >= 'a' && text[1]|0x20 <= 'z') {
			return "XML or HTML"
		}
	}
	lines := firstLines(text, 200)
	switch {
	case isUKE(lines):
		return "UKE (receipt file)"
	case isCareClaim(lines):
		return "nursing-care claims"
	}
	return ""
}

// looksJSON tells JSON and JSON lines, which are full of commas, from a table:
// an object that opens with a key, or a first line that is an array.
func looksJSON(text []byte) bool {
	next := bytes.TrimLeft(text[1:], " \t\r\n")
	if text[0] == '{' {
		return len(next) == 0 || next[0] == '"' || next[0] == '}'
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return len(next) == 0 || next[0] == '{' || next[0] == '[' || next[0] == ']' || json.Valid(line) ||
		len(bytes.TrimSpace(line)) == 1
}

func firstLines(text []byte, n int) []string {
	var out []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			out = append(out, line)
		}
		if len(out) == n {
			break
		}
	}
	return out
}

// ukeRecords are the record ids of receipt files (DOMAIN.md 3.1).
var ukeRecords = strings.Fields(`UK IR RE HO KO SN JD MF GR SY SI IY TO CO SJ TI TR TS GO HI HR HG KH NI RC JY EX ON MN BU SB KK CD SS HS
	YK HM RR`)

// isUKE: every line begins with a record id, or, in returned files, after three
// further fields; the first one is that of a file, a facility or a receipt.
func isUKE(lines []string) bool {
	for _, at := range []int{0, 3} {
		hits := 0
		for i, line := range lines {
			fields := strings.SplitN(line, ",", at+2)
			if len(fields) < at+2 || !slices.Contains(ukeRecords, fields[at]) {
				continue
			}
			if i == 0 && !slices.Contains([]string{"UK", "IR", "RE", "HI", "MN", "RR"}, fields[at]) {
				break
			}
			hits++
		}
		if len(lines) > 0 && hits*10 >= len(lines)*9 {
			return true
		}
	}
	return false
}

// isCareClaim: a control record 1, then data records "2,seq,7131,01,…"
// (DOMAIN.md 3.3).
func isCareClaim(lines []string) bool {
	data := 0
	for _, line := range lines {
		fields := strings.SplitN(strings.ReplaceAll(line, `"`, ""), ",", 5)
		if len(fields) == 5 && fields[0] == "2" && len(fields[2]) == 4 && fields[2][0] == '7' && len(fields[3]) == 2 {
			data++
		}
	}
	return data > 0 && data*10 >= (len(lines)-2)*9
}

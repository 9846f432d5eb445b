package table

import (
	"bytes"
	"io"
)

// Dialect is how a table is written.
type Dialect struct {
	Delimiter byte
	Fields    int        // the most common number of fields of a row
	Rows      [][]string // the first rows, blank ones left out
	Cut       bool       // head ended inside the only row
}

const (
	dialectRows = 500
	minAgree    = 0.6 // share of the first rows that have the same number of fields
)

// Detect finds the delimiter of the table that begins with head; whole tells
// that head is the whole file. It is not ok when head is no table: most rows of
// a table have the same number of fields, at least two. A single column of
// short words without spaces is a table as well.
func Detect(head []byte, whole bool) (d Dialect, ok bool) {
	best := 0.0
	for _, delim := range []byte(",\t;|") {
		rows, cut := firstRows(head, delim, whole)
		fields, agree := mode(rows)
		if fields < 2 || agree < minAgree || agree < best || agree == best && fields <= d.Fields {
			continue
		}
		best, d = agree, Dialect{Delimiter: delim, Fields: fields, Rows: rows, Cut: cut}
	}
	if best > 0 {
		return d, true
	}
	rows, cut := firstRows(head, ',', whole)
	return Dialect{Delimiter: ',', Fields: 1, Rows: rows, Cut: cut}, singleColumn(rows)
}

// maxHead bounds the first rows of a table, bytes: names of 10,000 columns fit.
const maxHead = 4 << 20

// DetectFrom is Detect for a file of which head, HeadSize bytes or the whole
// file, was read from r. It reads on until head holds a few whole rows, because
// a name of a column beyond head would not be seen, and returns what it read.
func DetectFrom(r io.Reader, head []byte) (_ []byte, d Dialect, ok bool, err error) {
	whole := len(head) < HeadSize
	for {
		d, ok = Detect(head, whole)
		if whole || len(d.Rows) > 2 || len(head) >= maxHead {
			return head, d, ok, nil
		}
		more, err := ReadHead(r, len(head))
		if err != nil {
			return nil, d, false, err
		}
		whole = len(more) < len(head)
		head = append(head, more...)
	}
}

// firstRows leaves out a last row that the end of head cuts, unless it is the
// only one.
func firstRows(head []byte, delim byte, whole bool) (rows [][]string, cut bool) {
	var row []string
	s := newScanner(bytes.NewReader(head), delim, len(head)+1)
	for len(rows) < dialectRows {
		cells, err := s.Next()
		if err == io.EOF && !whole && len(rows) > 1 {
			return rows[:len(rows)-1], false
		}
		if err != nil {
			break
		}
		for _, c := range cells {
			row = append(row, string(c.Data))
			if !c.Last {
				continue
			}
			if len(row) > 1 || row[0] != "" {
				rows = append(rows, row)
			}
			row = nil
		}
	}
	if len(rows) == 0 && len(row) > 0 {
		rows = append(rows, row)
	}
	return rows, len(rows) == 1 && !whole
}

// mode is the most common number of fields and the share of rows that have it.
func mode(rows [][]string) (fields int, agree float64) {
	count := map[int]int{}
	for _, row := range rows {
		n := len(row)
		if count[n]++; count[n] > count[fields] || count[n] == count[fields] && n > fields {
			fields = n
		}
	}
	if len(rows) == 0 {
		return 0, 0
	}
	return fields, float64(count[fields]) / float64(len(rows))
}

func singleColumn(rows [][]string) bool {
	for _, row := range rows {
		if len(row) != 1 || len(row[0]) > 64 || bytes.ContainsAny([]byte(row[0]), " \t<>{}[]") {
			return false
		}
	}
	return len(rows) > 1
}

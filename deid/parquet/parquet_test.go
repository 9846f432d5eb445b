package parquet_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"teikyo/deid/parquet"
	"teikyo/deid/profile"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/deid/spill"
)

func look(t testing.TB, data []byte) (scan.Result, []string) {
	t.Helper()
	p, err := profile.Shipped("")
	if err != nil {
		t.Fatal(err)
	}
	folder := spill.Folder{Dir: t.TempDir(), Rand: rand.Reader}
	in, err := source.Of("a.parquet", bytes.NewReader(data), func() (source.File, error) { return folder.Create() }, source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	c := scan.New(p, "parquet")
	if err := (parquet.Format{}).Check(t.Context(), in, c); err != nil {
		t.Fatal(err)
	}
	r := c.Finish()
	var blocks []string
	for _, f := range r.Findings {
		if f.Block {
			blocks = append(blocks, f.Rule)
		}
	}
	return r, blocks
}

func text(r scan.Result) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%v %s [%s] %s\n", f.Block, f.Rule, f.Location, f.Msg)
	}
	return b.String()
}

// write makes a file of rows of any struct.
func write[T any](t testing.TB, rows []T, options ...pq.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pq.NewGenericWriter[T](&b, options...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func rows[T any](n int, row func(i int) T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = row(i)
	}
	return out
}

// claim has every kind of column that is looked at.
type claim struct {
	Insurer string            `parquet:"保険者番号,dict"`
	Month   string            `parquet:"生年月"`
	Sex     int32             `parquet:"性別"`
	Seen    int32             `parquet:"診療開始日,date"`
	At      time.Time         `parquet:"受付,timestamp(millisecond)"`
	Points  int64             `parquet:"点数,delta"`
	Rate    float64           `parquet:"率,split"`
	Cost    int64             `parquet:"cost,decimal(2:18)"`
	Flag    bool              `parquet:"flag"`
	Codes   []string          `parquet:"傷病名コード,list"`
	Values  map[string]string `parquet:"値"`
	Note    *string           `parquet:"値注,optional"`
}

func claims(n int) []claim {
	return rows(n, func(i int) claim {
		return claim{
			"06132013", fmt.Sprintf("19%02d-%02d", 30+i%60, i%12+1), int32(i%2 + 1), int32(19_450 + i%200), time.Date(2023, 4, 1+i%20, 9, 0, 0, 0, time.UTC),
			int64(i * 3), float64(i) / 7, int64(i * 100), i%2 == 0, []string{fmt.Sprintf("8839%03d", i%1000), "A1"}, map[string]string{"hb": "12.1"}, nil,
		}
	})
}

func TestClean(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]compress.Codec{
		"none": &pq.Uncompressed, "snappy": &pq.Snappy, "gzip": &pq.Gzip, "brotli": &pq.Brotli, "zstd": &pq.Zstd, "lz4": &pq.Lz4Raw,
	} {
		for _, version := range []int{1, 2} {
			data := write(t, claims(500), pq.Compression(codec), pq.DataPageVersion(version), pq.MaxRowsPerRowGroup(200))
			r, blocks := look(t, data)
			if len(blocks) > 0 || r.Shape.Rows != 500 || len(r.Columns) < 12 {
				t.Errorf("%s version %d: %+v\n%s", name, version, r.Shape, text(r))
			}
		}
	}
}

type person struct {
	Code string `parquet:"code,dict"`
	Name string `parquet:"氏名,dict"`
}

type born struct {
	Birth int32 `parquet:"生年月日,date"`
}

type bornAt struct {
	Birth time.Time `parquet:"date_of_birth,timestamp(microsecond)"`
}

type nested struct {
	Patient struct {
		Tels []string `parquet:"tels,list"`
		Name string   `parquet:"患者氏名"`
	} `parquet:"patient"`
}

type keyed struct {
	Values map[string]string `parquet:"values"`
}

type numbered struct {
	ID int64 `parquet:"patient_id"`
}

func TestPlanted(t *testing.T) {
	t.Parallel()
	day := func(i int) int32 { return int32(-3_000 + i*37) }
	for name, c := range map[string]struct {
		data []byte
		rule string
	}{
		"name":     {write(t, rows(30, func(i int) person { return person{"A", "山田太郎"} })), "column-person-name"},
		"birth":    {write(t, rows(30, func(i int) born { return born{day(i)} })), "birth-date"},
		"birth at": {write(t, rows(30, func(i int) bornAt { return bornAt{time.Unix(int64(day(i))*86_400, 0).UTC()} })), "birth-date"},
		"number":   {write(t, rows(30, func(i int) numbered { return numbered{int64(10_000 + i)} })), "column-patient-id"},
		"nested":   {write(t, rows(30, func(i int) nested { n := nested{}; n.Patient.Name = "山田太郎"; return n })), "column-person-name"},
		"in a list": {write(t, rows(30, func(i int) nested {
			n := nested{}
			n.Patient.Tels = []string{fmt.Sprintf("090-%04d-%04d", 1000+i*7, 2000+i*3)}
			return n
		})), "phone"},
		"key of a map": {write(t, rows(30, func(i int) keyed { return keyed{map[string]string{"氏名": "x"}} })), "map-of-identifiers"},
		"metadata":     {write(t, claims(5), pq.KeyValueMetadata("note", "ask taro@hospital.jp")), "email"},
		"made by":      {write(t, claims(5), pq.CreatedBy("taro@hospital.jp", "1", "2")), "email"},
		"binary":       {write(t, rows(3, func(i int) struct{ B []byte } { return struct{ B []byte }{[]byte{0xff, 0xfe, 0}} })), "binary-values"},
	} {
		r, blocks := look(t, c.data)
		if !slices.Contains(blocks, c.rule) {
			t.Errorf("%s: want %q\n%s", name, c.rule, text(r))
		}
		if strings.Contains(text(r), "山田太郎") || strings.Contains(text(r), "taro@") {
			t.Errorf("%s: an identifier is in the findings", name)
		}
	}
	first := rows(30, func(i int) born { return born{int32(time.Date(1950+i, 3, 1, 0, 0, 0, 0, time.UTC).Unix() / 86_400)} })
	if r, blocks := look(t, write(t, first)); len(blocks) > 0 {
		t.Errorf("months as first days:\n%s", text(r))
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	good := write(t, claims(100), pq.Compression(&pq.Gzip))
	for _, n := range []int{4, 11, 12, 100, len(good) / 2, len(good) - 9, len(good) - 1} {
		if r, blocks := look(t, good[:n]); len(blocks) == 0 {
			t.Errorf("cut at %d of %d:\n%s", n, len(good), text(r))
		}
	}
	long := slices.Clone(good)
	copy(long[len(long)-8:], "\xff\xff\xff\x7f")
	if _, blocks := look(t, long); !slices.Contains(blocks, "damaged") {
		t.Errorf("a footer of 2 GiB: %v", blocks)
	}
	if _, blocks := look(t, append([]byte("PARE"), good[4:]...)); !slices.Contains(blocks, "encrypted") {
		t.Errorf("encrypted: %v", blocks)
	}
	bomb := write(t, rows(4, func(int) struct{ V string } { return struct{ V string }{strings.Repeat("x", 20<<20)} }), pq.Compression(&pq.Gzip))
	if _, blocks := look(t, bomb); !slices.Contains(blocks, "too-large") {
		t.Errorf("a page of 80 MiB: %v", blocks)
	}
}

// FuzzCheck: a file with any bytes changed never passes with fewer values than it
// has, and never panics.
func FuzzCheck(f *testing.F) {
	good := write(f, claims(20), pq.Compression(&pq.Gzip))
	f.Add(uint32(0), []byte("PAR1"))
	f.Add(uint32(len(good)-8), []byte{1, 2, 3})
	f.Add(uint32(len(good)-200), []byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		data := slices.Clone(good)
		copy(data[int(at)%len(data):], change)
		look(t, data)
	})
}

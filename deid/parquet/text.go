package parquet

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// shape is how the values of a column are written as text.
type shape struct {
	kind    pq.Kind
	date    bool
	unit    time.Duration // of timestamps; 0 when it is none
	scale   int32         // of decimals; -1 when it is none
	uuid    bool
	json    bool
	opaque  bool // binary that is no text by its type
	timeDay bool
	wide    bool // unsigned 64-bit
}

func shapeOf(t pq.Type) shape {
	s := shape{kind: t.Kind(), scale: -1}
	l := t.LogicalType()
	if l == nil {
		return s
	}
	switch v := l.Value.(type) {
	case *format.DateType:
		s.date = true
	case *format.TimestampType:
		s.unit = unitOf(v.Unit)
	case *format.TimeType:
		s.timeDay = true
	case *format.DecimalType:
		s.scale = v.Scale
	case *format.UUIDType:
		s.uuid = true
	case *format.JsonType:
		s.json = true
	case *format.BsonType:
		s.opaque = true
	case *format.IntType:
		s.wide = !v.IsSigned
	}
	return s
}

func unitOf(u format.TimeUnit) time.Duration {
	switch u.Value.(type) {
	case *format.MilliSeconds:
		return time.Millisecond
	case *format.MicroSeconds:
		return time.Microsecond
	}
	return time.Nanosecond
}

// append writes v as text; ok is false when it is none that can be looked at.
func (s shape) append(buf []byte, v pq.Value) (text []byte, ok bool) {
	switch s.kind {
	case pq.Boolean:
		return strconv.AppendBool(buf, v.Boolean()), true
	case pq.Int32:
		if s.date {
			return time.Unix(int64(v.Int32())*86_400, 0).UTC().AppendFormat(buf, time.DateOnly), true
		}
		if s.wide {
			return strconv.AppendUint(buf, uint64(v.Uint32()), 10), true
		}
		return s.number(buf, int64(v.Int32())), true
	case pq.Int64:
		if s.unit != 0 {
			return moment(buf, v.Int64(), s.unit), true
		}
		if s.wide {
			return strconv.AppendUint(buf, v.Uint64(), 10), true
		}
		return s.number(buf, v.Int64()), true
	case pq.Int96:
		return int96(buf, v), true
	case pq.Float:
		return float(buf, float64(v.Float()), 32), true
	case pq.Double:
		return float(buf, v.Double(), 64), true
	}
	return s.bytes(buf, v.ByteArray())
}

func (s shape) bytes(buf, b []byte) ([]byte, bool) {
	switch {
	case s.uuid:
		return hex.AppendEncode(buf, b), true
	case s.scale >= 0:
		n := new(big.Int).SetBytes(b)
		if len(b) > 0 && b[0] >= 0x80 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8)) //nolint:gosec // a length
		}
		if s.scale > 0 {
			return append(buf, new(big.Rat).SetFrac(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(min(s.scale, 1000))), nil)).FloatString(int(min(s.scale, 40)))...), true
		}
		return n.Append(buf, 10), true
	}
	return append(buf, b...), !s.opaque && utf8.Valid(b)
}

// number writes a decimal or a whole number.
func (s shape) number(buf []byte, n int64) []byte {
	if s.scale <= 0 {
		return strconv.AppendInt(buf, n, 10)
	}
	return strconv.AppendFloat(buf, float64(n)/math.Pow10(int(s.scale)), 'f', int(min(s.scale, 20)), 64)
}

func float(buf []byte, n float64, bits int) []byte {
	if n == math.Trunc(n) && math.Abs(n) < 1e17 {
		return strconv.AppendFloat(buf, n, 'f', -1, 64)
	}
	return strconv.AppendFloat(buf, n, 'g', -1, bits)
}

// moment writes a timestamp, as a date when it is midnight.
func moment(buf []byte, n int64, unit time.Duration) []byte {
	per := int64(time.Second / unit)
	t := time.Unix(n/per, n%per*int64(unit)).UTC()
	return appendTime(buf, t)
}

func appendTime(buf []byte, t time.Time) []byte {
	if t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 {
		return t.AppendFormat(buf, time.DateOnly)
	}
	return t.AppendFormat(buf, "2006-01-02 15:04:05")
}

// int96: nanoseconds of the day and the Julian day, as Impala and old Spark write.
func int96(buf []byte, v pq.Value) []byte {
	raw := v.AppendBytes(make([]byte, 0, 12))
	if len(raw) != 12 {
		return buf
	}
	nanos, day := int64(binary.LittleEndian.Uint64(raw)), int64(binary.LittleEndian.Uint32(raw[8:])) //nolint:gosec // as the type has them
	return appendTime(buf, time.Unix((day-2_440_588)*86_400, nanos).UTC())
}

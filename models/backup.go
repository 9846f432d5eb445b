package models

// Table is a table of the database with its columns, as a backup holds it.
type Table struct {
	Name    string
	Columns []Column
}

// Column is a column of a table.
type Column struct {
	Name string
	Type ColumnType
}

// ColumnType is how the values of a column are written in a backup, the same for
// every database.
type ColumnType string

// The types of columns.
const (
	ColumnInt   ColumnType = "int"   // a JSON number
	ColumnText  ColumnType = "text"  // a JSON string; {"b":"BASE64"} when it is no UTF-8
	ColumnBytes ColumnType = "bytes" // base64
	ColumnBool  ColumnType = "bool"
)

// StoredObject is something in the object store that rows refer to: the payload
// of a sealed file in its segments, or the pack of a parcel.
type StoredObject struct {
	Kind     string // sealed, pack
	ID       string // of the sealed file or the provision
	SHA256   string
	Size     int64
	Segments []Segment
}

// ObjectUse says what needs a stored object.
type ObjectUse struct {
	Paths      []string // DATASET@VERSION PATH
	Provisions []string // that are still in force
}

package models

import "time"

// ProvisionImported is the state of a provision that was taken over from an
// earlier register. It has no parcel, manifest or receipt, and never changes.
const ProvisionImported ProvisionState = "imported"

// ImportedID is the prefix of the ids of such provisions.
const ImportedID = "pi"

// Imported remembers what a row of an earlier register became.
type Imported struct {
	Kind      string // recipient, agreement, dataset, provision
	Reference string // in the earlier register
	ID        string
	Digest    string // hex SHA-256 of the row's cells
	By        string
	At        time.Time
}

package models

// EntryFilter narrows a list of ledger entries; empty fields do not.
type EntryFilter struct {
	Noun, ID string // both or none: entries that speak of this thing
	Kind     string // such as "provision.issued"
	Log      int    // number of a log that a forced restore ended; 0: the present one
}

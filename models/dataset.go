package models

import "time"

// Dataset is a named series of immutable, numbered versions.
type Dataset struct {
	ID          string
	Title       string
	Description string
	Class       DataClass
	SourceKind  string // where it was acquired, in words (hospital, insurer, care facility)
	Language    string // BCP 47
	CreatedBy   string
	CreatedAt   time.Time
	Latest      int // highest registered version, 0 when none
}

// DatasetQuery narrows a list of datasets; empty fields do not.
type DatasetQuery struct {
	Text  string // in title or description, whatever the case
	Class DataClass
}

// WaiverQuery narrows a list of waivers; empty fields do not.
type WaiverQuery struct {
	DatasetID string
	Open      bool // neither approved nor rejected
}

// VersionState is the state of a dataset version.
type VersionState string

// The states of a version.
const (
	VersionDraft      VersionState = "draft"
	VersionRegistered VersionState = "registered"
	VersionWithdrawn  VersionState = "withdrawn"
	VersionRecalled   VersionState = "recalled"
	VersionDestroying VersionState = "destroying" // confirmed by two people; its contents are going
	VersionDestroyed  VersionState = "destroyed"
)

// Version is one version of a dataset. It is frozen when registered.
type Version struct {
	DatasetID    string
	Number       int
	State        VersionState
	Items        []Item // union of its files' items, sorted
	Terms        string // the terms text that recipients get
	TermsSHA256  string // hex
	Schema       string // datapackage.json given at registration, empty when none
	Profile      string // de-identification profile the gate ran with
	ProfileHash  string // hex SHA-256 of its document, set when registered; empty in versions of before
	Transform    string // profile and hash that the files were changed with before they were sent, as the sender says; JSON, may be empty
	PQRequired   bool   // only post-quantum recipient keys may receive it
	PeriodFrom   string // ISO 8601 date or month, as given
	PeriodTo     string
	Subjects     int64 // number of people, 0 unknown
	Records      int64 // number of records, 0 unknown
	FileCount    int
	TotalSize    int64  // plaintext bytes
	Digest       string // hex SHA-256 over the canonical file list, set when registered
	IdempotentBy string // key by which an interrupted registration finds its draft again
	CreatedBy    string
	CreatedAt    time.Time
	RegisteredBy string
	RegisteredAt time.Time
	Independence Independence
	Revision     int64     // counts changes of a draft's files
	UpdatedAt    time.Time // last change of a draft: abandoned ones are dropped
	EndedBy      string    // who withdrew or recalled it
	EndedAt      time.Time
	EndReason    string
}

// Gone reports whether the contents of the version are destroyed, or are being.
func (v Version) Gone() bool { return v.State == VersionDestroying || v.State == VersionDestroyed }

// File is one file of a version.
type File struct {
	ID        string
	DatasetID string
	Version   int
	Number    int    // 0-based record number in header packs; by path order, set when registered
	Path      string // Unicode NFC, '/' separated, relative
	Items     []Item
	MediaType string
	SealedID  string // the sealed file that holds its contents; empty while uploading
	Size      int64  // plaintext bytes
	SHA256    string // hex, plaintext
	ReportID  string // gate report of this content
	CreatedAt time.Time
}

// SealedFile is an encrypted payload in segments (age v1 payload: nonce and
// STREAM chunks). One sealed file can serve several versions.
type SealedFile struct {
	ID            string
	State         SealedState
	Size          int64  // plaintext bytes; while uploading: bytes sealed so far
	SHA256        string // hex, plaintext
	PayloadSize   int64
	PayloadSHA256 string // hex
	KEKID         string
	WrappedKey    []byte // file key under the KEK, bound to ID, payload digest and KEK id
	Segments      []Segment
	Resume        []byte // encoded crypto.SealState while uploading
	Epoch         int64  // counts upload attempts: a stale attempt may not save
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// SealedState tells whether a sealed file is whole.
type SealedState string

// The states of a sealed file.
const (
	SealedUploading SealedState = "uploading"
	SealedComplete  SealedState = "complete"
	SealedDestroyed SealedState = "destroyed"
)

// Segment is one write-once object of a sealed file.
type Segment struct {
	Key  string // storage key
	Size int64  // bytes
}

// GateReport is the stored result of the de-identification gate for one
// content: it counts only for the file with this SHA-256 under this profile.
type GateReport struct {
	ID        string
	SHA256    string // hex, plaintext
	Profile   string
	Verdict   string
	Findings  []Finding
	Report    []byte // the whole report as JSON
	CreatedAt time.Time
}

// Waiver lets one finding pass, for a reason, by two people, until an end.
type Waiver struct {
	ID           string
	DatasetID    string
	Version      int
	FindingID    string
	FileSHA256   string
	Path         string
	Rule         string
	Reason       string
	RequestedBy  string
	RequestedAt  time.Time
	ApprovedBy   string
	ApprovedAt   time.Time
	RejectedBy   string
	RejectedAt   time.Time
	Decision     string // the decider's words, may be empty
	ExpiresAt    time.Time
	Independence Independence
}

// Live reports whether the waiver is approved and not past its end.
func (w Waiver) Live(now time.Time) bool {
	return w.ApprovedBy != "" && w.RejectedBy == "" && now.Before(w.ExpiresAt)
}

// Recheck is one look of the gate at a registered version, after its
// registration.
type Recheck struct {
	ID          string
	DatasetID   string
	Version     int
	Profile     string
	ProfileHash string // hex SHA-256 of the profile's document
	Reason      string
	Verdicts    map[string]int // number of files with each verdict, once done
	RequestedBy string
	RequestedAt time.Time
	DoneAt      time.Time // zero until done, or given up
	Failed      string    // why it gave up, in words
}

// State is queued, done or failed.
func (r Recheck) State() string {
	switch {
	case r.Failed != "":
		return "failed"
	case r.DoneAt.IsZero():
		return "queued"
	}
	return "done"
}

// RecheckFile is the report of one file of a recheck.
type RecheckFile struct {
	Path   string
	Report GateReport
}

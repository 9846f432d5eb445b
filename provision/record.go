package provision

import (
	"time"

	"teikyo/ledger"
	"teikyo/models"
)

// Record is the provision record: what Japanese and US law want to be written
// down about a provision, together (DOMAIN 2.4). It stands in the details of
// provision.issued and in the row, and the report is made of it.
type Record struct {
	ID             string           `json:"id"`
	Number         string           `json:"number"`
	OccurredAt     time.Time        `json:"occurred_at"`
	Zone           string           `json:"zone"` // of the place where dates begin and end
	DatasetID      string           `json:"dataset_id"`
	DatasetTitle   string           `json:"dataset_title"`
	DatasetVersion int              `json:"dataset_version"`
	VersionSHA256  string           `json:"version_sha256"`
	PackageSHA256  string           `json:"package_sha256"` // of the manifest
	Class          models.DataClass `json:"legal_class"`
	Basis          models.Basis     `json:"basis"`
	Jurisdictions  []string         `json:"jurisdictions"`
	Test           bool             `json:"test,omitempty"` // a rehearsal without legal effect

	RecipientID             string `json:"recipient_id"`
	RecipientOrg            string `json:"recipient_org"`
	RecipientAddress        string `json:"recipient_address"`
	RecipientRepresentative string `json:"recipient_representative"`
	RecipientContact        string `json:"recipient_contact"`
	Country                 string `json:"country"`
	KeyFingerprint          string `json:"key_fingerprint"`

	Method       models.Method  `json:"method"`
	Destination  string         `json:"destination,omitempty"`
	Path         string         `json:"path,omitempty"` // pattern, for a part of the version
	Files        int            `json:"files"`
	Bytes        int64          `json:"bytes"` // of plaintext
	Items        []models.Item  `json:"items"`
	RecordCount  int64          `json:"record_count,omitempty"` // of the whole version
	SubjectCount int64          `json:"subject_count,omitempty"`
	PeriodFrom   string         `json:"period_from,omitempty"`
	PeriodTo     string         `json:"period_to,omitempty"`
	Purpose      models.Purpose `json:"purpose"`
	PurposeText  string         `json:"purpose_text"`
	DUO          []string       `json:"duo_codes,omitempty"`

	AgreementID     string    `json:"agreement_id"`
	AgreementNumber string    `json:"agreement_number"`
	References      []factRef `json:"references,omitempty"`
	NoticeID        string    `json:"publication_ref"`
	NoticeVersion   int       `json:"publication_version"`
	NoticeDay       string    `json:"publication_day"`
	NoticeCopy      string    `json:"notice_copy_sha256"` // NOTICE.txt in the parcel
	Source          string    `json:"acquisition_source,omitempty"`

	RequestID      string              `json:"request_id"`
	Frozen         string              `json:"request_frozen"`
	Operator       string              `json:"operator"` // who asked
	Approver       string              `json:"approver"`
	Independence   models.Independence `json:"independence"`
	Until          time.Time           `json:"until"`
	RetentionUntil time.Time           `json:"retention_until"`
	Supersedes     string              `json:"supersedes,omitempty"` // manifest of the parcel before a reissue
}

// retention is how long the record of a provision must stay: the longest of the
// duties it serves, counted from the end of the provision.
func retention(keep func(models.DataClass) int, class models.DataClass, until time.Time) time.Time {
	years := ledger.DefaultRetentionYears
	if keep != nil {
		years = keep(class)
	}
	return until.AddDate(years, 0, 0)
}

// record writes down a provision that is about to be made.
func (s *Service) record(prov models.Provision, req models.Request, g ground, noticeCopy string) Record {
	r := Record{
		ID: prov.ID, Number: prov.Number, OccurredAt: prov.IssuedAt, Zone: s.Zone.String(),
		DatasetID: g.ds.ID, DatasetTitle: g.ds.Title, DatasetVersion: g.version.Number,
		VersionSHA256: g.version.Digest, PackageSHA256: prov.ManifestSHA256,
		Class: g.ds.Class, Basis: req.Basis, Jurisdictions: jurisdictions(g.ds.Class), Test: g.ds.Class == models.Test,
		RecipientID: g.rcpt.ID, RecipientOrg: g.rcpt.Name, RecipientAddress: g.rcpt.Address,
		RecipientRepresentative: g.rcpt.Representative, RecipientContact: g.rcpt.Email, Country: g.rcpt.Country,
		KeyFingerprint: g.key.Fingerprint, Method: req.Method, Destination: req.Destination, Path: req.PathGlob,
		Files: req.FileCount, Bytes: req.TotalSize, Items: req.Items,
		RecordCount: g.version.Records, SubjectCount: g.version.Subjects,
		PeriodFrom: g.version.PeriodFrom, PeriodTo: g.version.PeriodTo,
		Purpose: req.Purpose, PurposeText: req.Words, DUO: req.DUO,
		AgreementID: g.agreement.ID, AgreementNumber: g.agreement.Number,
		NoticeID: g.notice.ID, NoticeVersion: g.notice.Version, NoticeDay: s.day(g.notice.PublishedAt),
		NoticeCopy: noticeCopy, Source: g.ds.SourceKind,
		RequestID: req.ID, Frozen: req.Frozen, Operator: req.RequestedBy, Approver: prov.IssuedBy,
		Independence: prov.Independence, Until: prov.Until, RetentionUntil: retention(s.Keep, prov.Class, prov.Until),
	}
	for _, ref := range req.References {
		r.References = append(r.References, factRef(ref))
	}
	return r
}

// jurisdictions are those whose law made the class.
func jurisdictions(class models.DataClass) []string {
	switch class {
	case models.Anonymized, models.Pseudonymized, models.Personal:
		return []string{"JP"}
	case models.USDeidentified, models.USLimitedDataSet:
		return []string{"US"}
	case models.BRAnonymized:
		return []string{"BR"}
	default:
		return []string{}
	}
}

package models

import "time"

// RecordKind is a kind of records that have a retention period.
type RecordKind string

// The kinds of records.
const (
	ProvisionRecords   RecordKind = "provisions"    // requests, approvals, provisions, links, downloads, acknowledgements
	USProvisionRecords RecordKind = "provisions-us" // the same for data de-identified under HIPAA
	RecipientRecords   RecordKind = "recipients"    // applications, approvals, keys and agreements of organisations
	AccountRecords     RecordKind = "accounts"      // who had which role when
	DatasetRecords     RecordKind = "datasets"      // registrations, gate waivers, notices, disposals
	EndedVersions      RecordKind = "versions"      // contents of withdrawn and recalled versions
	SignInRecords      RecordKind = "sign-ins"      // ended sessions, tokens and invitations
	TransferRecords    RecordKind = "transfers"     // single byte requests, addresses and programs of downloads
)

// RetentionRule says how long a kind of records is kept. Periods are in days for
// what the program removes by itself, in years for what people dispose of.
type RetentionRule struct {
	Kind    RecordKind
	Default int // years, or days when Days is set
	Floor   int // nobody may go below it
	Days    bool
	Law     string // where the floor comes from
	From    string // from when the period counts
}

// RetentionRules lists the rules. The floors are the longest of the duties that
// the records may serve; those marked unverified are to be confirmed by the
// operator's lawyer, and are longer rather than shorter.
func RetentionRules() []RetentionRule {
	const (
		appi  = "APPI Art. 29, 30: three years in principle (Enforcement Rules Art. 21, unverified)"
		hipaa = "45 CFR 164.528: six years back; 164.530(j): documents six years (unverified)"
		none  = "no legal floor; delete what is no longer needed"
	)
	return []RetentionRule{
		{Kind: ProvisionRecords, Default: 6, Floor: 3, Law: appi, From: "the end of the provision"},
		{Kind: USProvisionRecords, Default: 6, Floor: 6, Law: hipaa, From: "the end of the provision"},
		{Kind: RecipientRecords, Default: 6, Floor: 3, Law: appi, From: "the rejection or revocation of the recipient"},
		{Kind: AccountRecords, Default: 6, Floor: 3, Law: appi, From: "the entry"},
		{Kind: DatasetRecords, Default: 6, Floor: 3, Law: appi, From: "the entry"},
		{Kind: EndedVersions, Default: 1, Floor: 0, Law: none, From: "the withdrawal or recall of the version"},
		{Kind: SignInRecords, Default: 90, Floor: 1, Days: true, Law: none, From: "the end of the session, token or invitation"},
		{Kind: TransferRecords, Default: 365, Floor: 30, Days: true, Law: none, From: "the end of the download session"},
	}
}

// Retention is what was set for a kind of records.
type Retention struct {
	Kind   RecordKind
	Period int // years or days, as the rule says
	SetBy  string
	SetAt  time.Time
	Reason string
}

// LongestRetention bounds what may be set, in years.
const LongestRetention = 100

// Ends is when a period that began at from ends.
func (r RetentionRule) Ends(from time.Time, period int) time.Time {
	if r.Days {
		return from.AddDate(0, 0, period)
	}
	return from.AddDate(period, 0, 0)
}

// PurgeBefore says what the program removes by itself: what ended before these
// instants.
type PurgeBefore struct {
	Now       time.Time // delays of signing in
	Answers   time.Time // answers kept for repeated requests, challenges
	SignIns   time.Time // sessions, tokens and invitations
	Transfers time.Time // single byte requests of downloads, their addresses and programs
}

// Purged counts what was removed.
type Purged struct {
	Answers, Tokens, Invitations, Challenges, Downloads int64
}

package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// The files at the top of a pack.
const (
	SampleFile     = "SAMPLE.json"
	PopulationFile = "population.txt"
	IssuerFile     = "issuer.json"
	SignersFile    = "allowed_signers"
	CheckpointFile = "checkpoint"
	ReadmeFile     = "README.txt"
	SumsFile       = "SHA256SUMS"
	SignatureFile  = "SHA256SUMS.sig"
)

// The files in the folder of one provision.
const (
	RecordFile    = "record.json"         // the provision record
	RequestFile   = "request.json"        // the request and who decided it
	FactsFile     = "facts.json"          // what the approver said yes to, canonical JSON
	AgreementFile = "agreement.json"      // its document stands in agreement-document/
	DocumentDir   = "agreement-document/" // one file
	NoticeFile    = "notice-of-that-day.txt"
	GateFile      = "gate.jsonl" // a line for every file of the version
	WaiversFile   = "waivers.json"
	PeopleFile    = "people.json" // who asked and who approved, and their roles then
	ReceiptFile   = "RECEIPT.tlog-proof"
	ManifestFile  = "manifest.json"
	ManifestSig   = "manifest.json.sig"
	ParcelNotice  = "NOTICE.txt"
	LedgerDir     = "ledger/" // INDEX.leaf, INDEX.json, INDEX.salt, INDEX.tlog-proof
)

// MaxSample is the largest sample, in provisions.
const MaxSample = 200

// Sample says how a sample was drawn.
type Sample struct {
	V          int       `json:"v"` // 1
	Issuer     string    `json:"issuer"`
	MadeAt     time.Time `json:"made_at"` // whole seconds
	MadeBy     string    `json:"made_by"`
	Seed       string    `json:"seed"`
	N          int       `json:"n"`
	From       string    `json:"from,omitempty"`
	To         string    `json:"to,omitempty"`
	Tests      bool      `json:"tests,omitempty"`
	Population int       `json:"population"`
	LedgerSize int64     `json:"ledger_size"` // of the checkpoint in the pack
	Chosen     []Chosen  `json:"chosen"`
}

// Chosen is one provision of a sample.
type Chosen struct {
	Provision   string `json:"provision"`
	Number      string `json:"number"`
	Folder      string `json:"folder"`
	Rank        string `json:"rank"` // see Rank
	LedgerIndex int64  `json:"ledger_index"`
}

// Rank is what decides whether a provision is in the sample: the n provisions
// with the smallest ranks are. It is the hex SHA-256 of the seed, a line feed
// and the id, so that nobody can choose it.
func Rank(seed, provision string) string {
	sum := sha256.Sum256([]byte(seed + "\n" + provision))
	return hex.EncodeToString(sum[:])
}

// EntryName is the name of the files of a ledger entry, without the ending.
func EntryName(index int64) string { return LedgerDir + strconv.FormatInt(index, 10) }

package evidence

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"path"
	"strings"

	"teikyo/crypto"
	"teikyo/ledger"
)

// entry is a ledger entry whose proof holds.
type entry struct {
	leaf    ledger.Leaf
	details []byte // nil when they were redacted
}

// checkProvision compares what stands in the folder of a provision with what the
// ledger says about it.
func (v *verifier) checkProvision(c Chosen) {
	if !fs.ValidPath(c.Folder) || strings.Contains(c.Folder, "/") {
		v.wrong(SampleFile, "a folder has a name that does not belong there")
		return
	}
	folder := c.Folder + "/"
	entries := v.checkEntries(folder)
	issued, ok := entries[c.LedgerIndex]
	if !ok || issued.leaf.IDs["provision"] != c.Provision ||
		issued.leaf.Kind != ledger.ProvisionIssued && issued.leaf.Kind != ledger.ProvisionReissued {
		v.wrong(folder+LedgerDir, "no entry vouches for the provision "+c.Provision)
		return
	}
	v.checkManifest(folder, c, issued)
	if issued.details != nil {
		v.checkRecord(folder, issued)
	}
	for _, e := range entries {
		v.checkDocuments(folder, e)
	}
}

// checkEntries verifies the proof and the details of every entry.
func (v *verifier) checkEntries(folder string) map[int64]entry {
	entries := map[int64]entry{}
	names, err := fs.Glob(v.pack, folder+LedgerDir+"*.tlog-proof")
	if err != nil || len(names) == 0 {
		v.wrong(folder+LedgerDir, "there are no ledger entries")
	}
	for _, name := range names {
		stem := strings.TrimSuffix(name, ".tlog-proof")
		proof, err1 := v.read(name, ledger.MaxReceiptSize)
		leaf, err2 := v.read(stem+".leaf", ledger.MaxLeafSize)
		if err1 != nil || err2 != nil {
			v.wrong(stem, "the entry cannot be read")
			continue
		}
		receipt, err := ledger.VerifyReceipt(proof, leaf, v.verifiers...)
		if err != nil || folder+EntryName(receipt.Index()) != stem {
			v.wrong(name, "does not prove its ledger entry")
			continue
		}
		e := entry{leaf: receipt.Leaf()}
		if v.sums[stem+".json"] != "" {
			salt, err1 := v.read(stem+".salt", ledger.SaltSize)
			details, err2 := v.read(stem+".json", ledger.MaxDetailsSize)
			if err1 != nil || err2 != nil || digest(append(bytes.Clone(salt), details...)) != e.leaf.DetailsSHA256 {
				v.wrong(stem+".json", "are not the details of the entry")
				continue
			}
			e.details = details
		}
		entries[receipt.Index()] = e
		v.result.Entries++
	}
	return entries
}

// checkManifest compares manifest, signature and receipt with the entry.
func (v *verifier) checkManifest(folder string, c Chosen, issued entry) {
	manifest, err := v.read(folder+ManifestFile, maxSmall)
	if err != nil || digest(manifest) != issued.leaf.ManifestSHA256 {
		v.wrong(folder+ManifestFile, "is not the manifest that the ledger vouches for")
	}
	signature, err := v.read(folder+ManifestSig, 1<<16)
	if err == nil {
		err = crypto.VerifyManifestSignature(v.result.Issuer, bytes.NewReader(manifest), signature, issued.leaf.Time, c.LedgerIndex)
	}
	if err != nil {
		v.wrong(folder+ManifestSig, "is not the issuer's signature")
	}
	text, err := v.read(folder+ReceiptFile, ledger.MaxReceiptSize)
	if err == nil {
		receipt, verifyErr := ledger.VerifyReceipt(text, nil, v.verifiers...)
		if verifyErr == nil && receipt.Index() == c.LedgerIndex {
			return
		}
	}
	v.wrong(folder+ReceiptFile, "does not prove the provision")
}

// checkRecord compares the record, the approved facts and the parcel's notice
// with the entry.
func (v *verifier) checkRecord(folder string, issued entry) {
	var recorded struct {
		Frozen string `json:"request_frozen"`
		Notice string `json:"notice_copy_sha256"`
	}
	if json.Unmarshal(issued.details, &recorded) != nil {
		v.wrong(folder, "the entry of the provision cannot be read")
		return
	}
	if record, err := v.read(folder+RecordFile, maxSmall); err != nil || !sameJSON(record, issued.details) {
		v.wrong(folder+RecordFile, "is not the record in the ledger")
	}
	// A reissue to another key has a request that was frozen with the first one.
	if facts, err := v.read(folder+FactsFile, maxSmall); err != nil || digest(facts) != recorded.Frozen {
		v.wrong(folder+FactsFile, "is not what was approved")
	}
	if notice, err := v.read(folder+ParcelNotice, maxSmall); err != nil || digest(notice) != recorded.Notice {
		v.wrong(folder+ParcelNotice, "is not what the recipient was told")
	}
}

// checkDocuments compares the agreement's document and the public notice with
// the entries that vouch for them.
func (v *verifier) checkDocuments(folder string, e entry) {
	var d struct {
		Document string `json:"document_sha256"`
		Text     string `json:"text"`
	}
	if e.details == nil || json.Unmarshal(e.details, &d) != nil {
		return
	}
	switch e.leaf.Kind {
	case ledger.AgreementAdded:
		names, _ := fs.Glob(v.pack, folder+DocumentDir+"*")
		for _, name := range names {
			if v.sums[name] != d.Document {
				v.wrong(folder+DocumentDir+path.Base(name), "is not the agreement's document")
			}
		}
	case ledger.NoticePublished:
		if text, err := v.read(folder+NoticeFile, maxSmall); err != nil || string(text) != d.Text {
			v.wrong(folder+NoticeFile, "is not the notice of that day")
		}
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	one, err1 := crypto.CanonicalJSON(x)
	two, err2 := crypto.CanonicalJSON(y)
	return err1 == nil && err2 == nil && bytes.Equal(one, two)
}

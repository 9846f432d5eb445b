package provision

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"teikyo/crypto"
	"teikyo/models"
)

// facts are everything that the approver says yes to (DESIGN.md 3.18). Their
// canonical JSON is stored with the request when it is submitted and made again
// when it is approved: any difference stops for a person. The names are what
// people read when something changed.
type facts struct {
	Dataset     factDataset   `json:"dataset"`
	Files       factFiles     `json:"files"`
	Recipient   factRecipient `json:"recipient"`
	Agreement   factAgreement `json:"agreement"`
	Key         string        `json:"key"` // fingerprint
	Method      string        `json:"method"`
	Destination string        `json:"destination"` // with its configuration
	Purpose     string        `json:"purpose"`
	Words       string        `json:"words"`
	DUO         []string      `json:"duo"`
	Basis       string        `json:"basis"`
	Items       []models.Item `json:"items"`
	Until       time.Time     `json:"end"`
	Terms       string        `json:"terms"` // SHA-256
	Notice      factNotice    `json:"notice"`
	Waivers     []string      `json:"waivers"`
	References  []factRef     `json:"references"`
}

type factDataset struct {
	ID      string           `json:"id"`
	Title   string           `json:"title"`
	Class   models.DataClass `json:"class"`
	Version int              `json:"version"`
	Digest  string           `json:"digest"` // of the whole version
}

type factFiles struct {
	Path   string `json:"path"` // the pattern, empty for the whole version
	Count  int    `json:"count"`
	Size   int64  `json:"size"`
	Digest string `json:"digest"` // of the chosen paths and contents
}

type factRecipient struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	Country        string `json:"country"`
	Address        string `json:"address"`
	Representative string `json:"representative"`
}

type factAgreement struct {
	ID       string    `json:"id"`
	Number   string    `json:"number"`
	Document string    `json:"document"` // SHA-256
	Until    time.Time `json:"until"`
}

type factNotice struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
}

type factRef struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// freeze makes the facts of a request and their digest.
func freeze(req models.Request, g ground) (text []byte, digest string, err error) {
	f := facts{
		Dataset: factDataset{g.ds.ID, g.ds.Title, g.ds.Class, g.version.Number, g.version.Digest},
		Files:   factFiles{req.PathGlob, g.choice.count, g.choice.size, g.choice.digest(g.version)},
		Recipient: factRecipient{
			g.rcpt.ID, g.rcpt.Name, g.rcpt.Country, g.rcpt.Address, g.rcpt.Representative,
		},
		Agreement: factAgreement{g.agreement.ID, g.agreement.Number, g.agreement.DocumentSHA256, g.agreement.ValidUntil},
		Key:       g.key.Fingerprint, Method: string(req.Method), Destination: placeFact(req, g),
		Purpose: string(req.Purpose), Words: req.Words, DUO: req.DUO, Basis: string(req.Basis),
		Items: g.choice.items, Until: req.Until, Terms: g.version.TermsSHA256,
		Notice: factNotice{g.notice.ID, g.notice.Version},
	}
	for _, w := range g.waivers {
		f.Waivers = append(f.Waivers, w.ID)
	}
	slices.Sort(f.Waivers)
	for _, r := range req.References {
		f.References = append(f.References, factRef(r))
	}
	if text, err = crypto.CanonicalJSON(f); err != nil {
		return nil, "", models.Wrap(models.Internal, err, "the request could not be frozen")
	}
	sum := sha256.Sum256(text)
	return text, hex.EncodeToString(sum[:]), nil
}

// digest names the chosen files: a whole version by its own digest.
func (c choice) digest(v models.Version) string {
	if c.files == nil {
		return v.Digest
	}
	h := sha256.New()
	for _, f := range c.files {
		h.Write([]byte(f.SHA256 + "  " + f.Path + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// checkFrozen compares what was asked for with what would be provided now.
func checkFrozen(req models.Request, g ground) error {
	stored := sha256.Sum256(req.Facts)
	if hex.EncodeToString(stored[:]) != req.Frozen {
		return models.Errorf(models.Integrity, "the stored request does not have the digest that was recorded; "+
			"reject it and run teikyo ledger verify")
	}
	now, _, err := freeze(req, g)
	if err != nil || bytes.Equal(now, req.Facts) {
		return err
	}
	return models.Errorf(models.Conflict, "something changed since the request was made: %s; "+
		"return it, so that the requester can look at it and submit it again", strings.Join(changed(req.Facts, now), ", "))
}

// changed names the facts that differ.
func changed(before, after []byte) []string {
	var a, b map[string]json.RawMessage
	if json.Unmarshal(before, &a) != nil || json.Unmarshal(after, &b) != nil {
		return []string{"everything"}
	}
	var names []string
	for name := range b {
		if !bytes.Equal(a[name], b[name]) {
			names = append(names, name)
		}
	}
	for name := range a {
		if _, ok := b[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

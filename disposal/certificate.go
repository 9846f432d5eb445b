package disposal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
)

// Certificate is a certificate of destruction as its JSON says it. People appear
// by the ids of their accounts; the printed form has their names.
type Certificate struct {
	Type         string              `json:"type"`
	Version      int                 `json:"v"`
	Issuer       string              `json:"issuer"` // origin
	Organisation string              `json:"organisation"`
	Disposal     string              `json:"disposal"`
	Kind         models.DisposalKind `json:"kind"`
	Year         int                 `json:"year,omitempty"`
	Reason       string              `json:"reason"`
	ProposedBy   string              `json:"proposed_by"`
	ProposedAt   time.Time           `json:"proposed_at"`
	ConfirmedBy  string              `json:"confirmed_by"`
	ConfirmedAt  time.Time           `json:"confirmed_at"`
	Decision     string              `json:"decision,omitempty"`
	Independence models.Independence `json:"independence"`
	FinishedAt   time.Time           `json:"finished_at"`
	Destroyed    int                 `json:"destroyed"`
	HeldBack     int                 `json:"held_back"`
	Items        []CertifiedItem     `json:"items"`
}

// CertifiedItem is one thing in a certificate.
type CertifiedItem struct {
	Number int             `json:"number"`
	Item   string          `json:"item"`
	Due    time.Time       `json:"due"`
	Held   string          `json:"held_because,omitempty"`
	HeldBy string          `json:"held_by,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

// certificateType begins every certificate.
const certificateType = "teikyo-certificate-of-destruction"

// certify writes and signs the certificate of a disposal whose items are done.
func (s *Service) certify(ctx context.Context, d *models.Disposal) (Certificate, error) {
	c := Certificate{
		Type: certificateType, Version: 1, Issuer: s.Keys.Issuer().Origin, Organisation: s.organisation(),
		Disposal: d.ID, Kind: d.Kind, Year: d.Year, Reason: d.Reason, ProposedBy: d.ProposedBy, ProposedAt: d.ProposedAt,
		ConfirmedBy: d.DecidedBy, ConfirmedAt: d.DecidedAt, Decision: d.Decision, Independence: d.Independence, FinishedAt: d.FinishedAt,
		Items: []CertifiedItem{},
	}
	err := s.eachItem(ctx, d.ID, func(item models.DisposalItem) error {
		if item.Held() {
			c.HeldBack++
		} else {
			c.Destroyed++
		}
		c.Items = append(c.Items, CertifiedItem{
			Number: item.Number, Item: item.Name(), Due: item.Due, Held: item.HeldReason, HeldBy: item.HeldBy, Result: item.Result,
		})
		return nil
	})
	if err != nil {
		return c, err
	}
	if d.Certificate, err = crypto.CanonicalJSON(c); err != nil {
		return c, models.Wrap(models.Internal, err, "the certificate cannot be written")
	}
	signature, err := crypto.SignCertificate(s.Keys.ManifestKey(), d.Certificate)
	d.Signature = string(signature)
	if err != nil {
		return c, models.Wrap(models.Internal, err, "the certificate cannot be signed")
	}
	return c, nil
}

func (s *Service) organisation() string {
	if s.Organisation == "" {
		return s.Keys.Issuer().Origin
	}
	return s.Organisation
}

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Proof is a certificate with what proves it.
type Proof struct {
	Certificate
	JSON      []byte // canonical, what is signed
	SHA256    string // of JSON, as the ledger's leaf names it
	Signature string // OpenSSH, namespace teikyo-certificate
	Receipt   []byte // C2SP tlog-proof of disposal.completed
	Index     int64  // of that entry
}

// CertificateOf gives the certificate of a disposal that is done, with its
// signature and the receipt of its ledger entry.
func (s *Service) CertificateOf(ctx context.Context, actor access.Actor, id string) (Proof, error) {
	d, err := s.Get(ctx, actor, id)
	if err != nil {
		return Proof{}, err
	}
	if d.State != models.DisposalDone {
		return Proof{}, models.Errorf(models.Conflict, "the disposal is %s; there is a certificate once it is done", d.State)
	}
	p := Proof{JSON: d.Certificate, SHA256: digestOf(d.Certificate), Signature: d.Signature}
	if err := json.Unmarshal(d.Certificate, &p.Certificate); err != nil {
		return Proof{}, models.Wrap(models.Integrity, err, "the stored certificate cannot be read")
	}
	if p.Index, err = s.Store.EntryIndex(ctx, "disposal", d.ID, ledger.DisposalCompleted); err != nil {
		return Proof{}, err
	}
	p.Receipt, err = s.Receipts.Receipt(ctx, p.Index)
	return p, err
}

package received

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/models"
)

// Proof is an accepted issuer with the ledger's receipt for one parcel.
type Proof struct {
	Issuer  crypto.Issuer
	Receipt ledger.Receipt
}

// Prove verifies a receipt with the issuer's checkpoint keys. The error is
// Integrity.
func Prove(issuer crypto.Issuer, receipt []byte) (Proof, error) {
	verifiers, err := Verifiers(issuer)
	if err != nil {
		return Proof{}, err
	}
	r, err := ledger.VerifyReceipt(receipt, nil, verifiers...)
	if err != nil {
		return Proof{}, integrity(err, "the receipt does not prove that this parcel stands in the issuer's ledger; "+
			"do not use the parcel and tell the issuer")
	}
	leaf := r.Leaf()
	if leaf.ManifestSHA256 == "" || leaf.IDs["provision"] == "" {
		return Proof{}, models.Errorf(models.Integrity, "the receipt is for %s, not for a provision; tell the issuer", leaf.Kind)
	}
	return Proof{Issuer: issuer, Receipt: r}, nil
}

// Verifiers are the keys that sign the issuer's checkpoints.
func Verifiers(issuer crypto.Issuer) ([]ledger.Verifier, error) {
	var verifiers []ledger.Verifier
	for _, key := range issuer.CheckpointKeys() {
		v, err := ledger.NewVerifier(key.Verifier)
		if err != nil {
			return nil, integrity(err, "a checkpoint key in the issuer file is malformed")
		}
		if key.RevokedFrom >= 0 {
			v = v.RevokedFrom(key.RevokedFrom)
		}
		verifiers = append(verifiers, v)
	}
	return verifiers, nil
}

// ManifestSHA256 is the digest that the manifest must have, in hex.
func (p Proof) ManifestSHA256() string { return p.Receipt.Leaf().ManifestSHA256 }

// Provision is the id of the provision that the receipt is for.
func (p Proof) Provision() string { return p.Receipt.Leaf().IDs["provision"] }

// Witnessed compares the receipt's checkpoint with the newest one that was kept
// of the log, and keeps the newer. prove is nil when the log is out of reach; the
// note then says what could not be checked. A log that was rewritten gives an
// Integrity error, one that gave no proof an Unavailable one.
func (p Proof) Witnessed(ctx context.Context, w *checkpoints.Witness, prove checkpoints.Prove) (note string, err error) {
	c := p.Receipt.Checkpoint()
	restarted, err := logRestarted(w, c.Origin)
	if err != nil {
		return "", err
	}
	err = w.Check(ctx, c, prove)
	switch {
	case err == nil:
		return restarted, nil
	case errors.Is(err, ledger.ErrInconsistent):
		return "", integrity(err, "the issuer's ledger is not the one that was seen here before: it was rewritten or shows different "+
			"people different histories; keep this parcel as evidence, do not use it, and ask the issuer by a way that you know")
	case errors.Is(err, checkpoints.ErrUnproven) && prove == nil:
		return fmt.Sprintf("not checked, because the ledger is out of reach: whether its %d entries agree with the checkpoint kept here", c.Tree.N), nil
	case errors.Is(err, checkpoints.ErrUnproven):
		return "", models.Wrap(models.Unavailable, err, "the server does not prove that its ledger only grew since the last parcel; try again, "+
			"and ask the issuer if that stays so")
	}
	return "", models.Wrap(models.Invalid, err, "the checkpoints that are kept in the configuration folder cannot be read or written")
}

// logRestarted notices a log that begins anew after one that is known here.
func logRestarted(w *checkpoints.Witness, origin string) (note string, err error) {
	at := strings.LastIndexByte(origin, '/')
	n, err := strconv.Atoi(origin[at+1:])
	if err != nil || n < 2 {
		return "", nil //nolint:nilerr // an origin without a number has no log before it
	}
	before, err := w.Newest(origin[:at+1] + strconv.Itoa(n-1))
	if err != nil {
		return "", models.Wrap(models.Invalid, err, "the checkpoints that are kept in the configuration folder cannot be read")
	}
	kept, err := w.Newest(origin)
	if err != nil || kept.Text != nil || before.Text == nil {
		return "", nil //nolint:nilerr // nothing is kept to compare with
	}
	return fmt.Sprintf("the issuer began a new ledger, %s, after %d entries of the one known here: ask the issuer why", origin, before.Tree.N), nil
}

// FromTiles makes the proof of consistency from tiles that fetch gets by path.
func FromTiles(fetch func(ctx context.Context, path string) ([]byte, error)) checkpoints.Prove {
	return func(ctx context.Context, older, newer tlog.Tree) error {
		return checkpoints.ConsistencyFromTiles(ctx, fetch, older, newer)
	}
}

// readSmall reads all of r, at most limit bytes.
func readSmall(r io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("over %d bytes", limit)
	}
	return text, err
}

package provision

import (
	"context"

	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision/parcel"
)

// Parcel opens the parcel of a provision for reading, after its receipt has
// been made and verified: the gate through which every byte leaves. It does not
// ask whether the provision is still live; see Live.
func (s *Service) Parcel(ctx context.Context, prov models.Provision) (*parcel.Reader, error) {
	prov, receipt, err := s.receipt(ctx, prov)
	if err != nil {
		return nil, err
	}
	return parcel.NewReader(ctx, s.Store, s.Objects, prov, receipt)
}

// receipt gives the verified receipt of a provision's parcel. When there is
// none yet (the second place was slow, or the server stopped after the commit)
// it is made now; the first one that is saved stays.
func (s *Service) receipt(ctx context.Context, prov models.Provision) (models.Provision, ledger.Receipt, error) {
	if prov.Receipt == "" {
		made, err := s.makeReceipt(ctx, prov)
		if err != nil {
			return prov, ledger.Receipt{}, err
		}
		prov.Receipt, prov.EntryIndex = made.Receipt, made.EntryIndex
	}
	receipt, err := s.verifyReceipt(prov, []byte(prov.Receipt))
	return prov, receipt, err
}

// makeReceipt makes a receipt and keeps it, unless another one was kept before.
func (s *Service) makeReceipt(ctx context.Context, prov models.Provision) (models.Provision, error) {
	index, text, err := s.proof(ctx, prov)
	if err != nil {
		return prov, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		return s.Store.SaveReceipt(ctx, prov.ID, prov.ManifestSHA256, index, string(text))
	})
	if err != nil {
		return prov, err
	}
	saved, err := s.Store.Provision(ctx, prov.ID)
	if err == nil && saved.ManifestSHA256 != prov.ManifestSHA256 {
		err = models.Errorf(models.Conflict, "the provision was reissued meanwhile; look at it again")
	}
	return saved, err
}

// proof is a new, verified receipt of the parcel as text, with the index of the
// ledger's entry that it is for.
func (s *Service) proof(ctx context.Context, prov models.Provision) (index int64, text []byte, err error) {
	index = prov.EntryIndex
	if index < 0 {
		kind := ledger.ProvisionIssued
		if prov.Reissue > 0 {
			kind = ledger.ProvisionReissued
		}
		if index, err = s.Store.EntryIndex(ctx, "provision", prov.ID, kind); err != nil {
			return 0, nil, err
		}
	}
	if text, err = s.Receipts.Receipt(ctx, index); err != nil {
		return 0, nil, err
	}
	_, err = s.verifyReceipt(prov, text)
	return index, text, err
}

// verifyReceipt checks that a receipt proves the entry of exactly this parcel.
func (s *Service) verifyReceipt(prov models.Provision, text []byte) (ledger.Receipt, error) {
	const bad = "the receipt of this provision does not hold; run teikyo ledger verify"
	var verifiers []ledger.Verifier
	for _, key := range s.Keys.Issuer().CheckpointKeys() {
		v, err := ledger.NewVerifier(key.Verifier)
		if err != nil {
			return ledger.Receipt{}, models.Wrap(models.Integrity, err, "the issuer file is damaged; run teikyo doctor")
		}
		if key.RevokedFrom >= 0 {
			v = v.RevokedFrom(key.RevokedFrom)
		}
		verifiers = append(verifiers, v)
	}
	receipt, err := ledger.VerifyReceipt(text, nil, verifiers...)
	if err != nil {
		return ledger.Receipt{}, models.Wrap(models.Integrity, err, bad)
	}
	leaf := receipt.Leaf()
	if leaf.IDs["provision"] != prov.ID || leaf.ManifestSHA256 != prov.ManifestSHA256 {
		return ledger.Receipt{}, models.Errorf(models.Integrity, bad)
	}
	return receipt, nil
}

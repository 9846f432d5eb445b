package main

import (
	"context"
	"path/filepath"
	"time"

	"teikyo/crypto"
	"teikyo/dataset"
	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/models"
)

// pollOthers is how often a node looks whether others added to the ledger.
const pollOthers = time.Second

// openIdentity opens keys and ledger. Nodes of one database do it one after the
// other: the first start makes what the others must find.
func (a *app) openIdentity(ctx context.Context) error {
	return a.db.Exclusive(ctx, "start", func(ctx context.Context) error {
		if err := a.openKeys(ctx); err != nil {
			return err
		}
		return a.openLedger(ctx)
	})
}

// pollEvery is zero where no other node can add to the ledger.
func (a *app) pollEvery() time.Duration {
	if onPostgres(a.cfg) {
		return pollOthers
	}
	return 0
}

// shared is the second place as the publisher sees it: nodes of one database
// share it.
func (a *app) shared() checkpoints.SecondPlace {
	if !onPostgres(a.cfg) {
		return a.second
	}
	return &checkpoints.Shared{
		SecondPlace: a.second,
		Exclusive: func(ctx context.Context, fn func(ctx context.Context) error) error {
			return a.db.Exclusive(ctx, "checkpoint", fn)
		},
		Verifiers: func() ([]ledger.Verifier, error) { return checkpointVerifiers(a.newestIssuer()) },
	}
}

// newestIssuer is the issuer file as it stands in the folder of the keys, where
// another node may have replaced a key.
func (a *app) newestIssuer() crypto.Issuer {
	text, err := readFileLimited(filepath.Join(a.keysDir(), issuerFile), 1<<20+1)
	if err != nil {
		return a.keys.Issuer()
	}
	file, err := crypto.ParseIssuer(text)
	if err != nil {
		return a.keys.Issuer()
	}
	return file
}

// watchIssuer ends the server when another node has replaced or revoked a signing key: the
// next start takes it up. Meanwhile downloads go on elsewhere.
func (a *app) watchIssuer(ctx context.Context) error {
	tick := time.NewTicker(pollOthers)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		newest, own := a.newestIssuer(), a.keys.Issuer()
		if len(newest.Changes) > len(own.Changes) || len(newest.Revocations) > len(own.Revocations) {
			return models.Errorf(models.Unavailable, "another node has replaced or revoked a signing key: this one stops and starts again with it")
		}
	}
}

// sweepStart sweeps what the process before left behind. Where other nodes may be
// at work, only what nobody can be working on goes, and one node does it.
func (a *app) sweepStart(ctx context.Context) (swept dataset.Swept, err error) {
	if !onPostgres(a.cfg) && !a.objects.shared { // else others may be writing: age alone decides
		return a.datasets.SweepAtStart(ctx)
	}
	return a.sweepAlone(ctx)
}

// sweepAlone sweeps unless another node is at it.
func (a *app) sweepAlone(ctx context.Context) (swept dataset.Swept, err error) {
	_, err = a.db.Alone(ctx, "sweep", func(ctx context.Context) error {
		var err error
		swept, err = a.datasets.Sweep(ctx)
		return err
	})
	return swept, err
}

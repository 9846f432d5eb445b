package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"time"

	"teikyo/access"
	"teikyo/audit"
	"teikyo/crypto"
	"teikyo/handlers"
	"teikyo/internal/buildinfo"
	"teikyo/internal/datadir"
	"teikyo/legacy"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/recipient"
	"teikyo/rekey"
	"teikyo/report"
	"teikyo/wording"
)

// openServices makes the use cases.
func (a *app) openServices(ctx context.Context) error {
	a.access = &access.Service{
		Store: a.db, Recipients: a.db, Hasher: crypto.NewPasswordHasher(a.rand, runtime.NumCPU()),
		Now: a.clock.Now, Rand: a.rand, OnSetupUsed: a.removeSetupCode,
	}
	if err := a.openDatasets(ctx); err != nil {
		return err
	}
	a.rekey = &rekey.Service{
		Store: a.db, KEK: a.kek, Now: a.clock.Now, Rand: a.rand, Origin: func() string { return a.keys.Issuer().Origin },
	}
	a.recipients = &recipient.Service{
		Store: a.db, People: a.access, KEK: a.kek, Issuer: a.issuer, Now: a.clock.Now, Rand: a.rand, Zone: a.zone,
	}
	if err := a.openEvents(ctx); err != nil {
		return err
	}
	if err := a.openProvisions(); err != nil {
		return err
	}
	a.deliveries.Parcels = a.provisions
	a.openDisposals()
	return a.openRetention(ctx)
}

func (a *app) openProvisions() error {
	texts, err := wording.Load(a.cfg.WordingDir)
	if err != nil {
		return models.Wrap(models.Invalid, nil, "wording_dir: "+err.Error())
	}
	a.provisions = &provision.Service{
		Store: a.db, Objects: a.objects, KEK: a.kek, Keys: a.keys, People: a.access, Receipts: a.db, Texts: texts,
		Organisation: a.cfg.Issuer.Name, MayIssue: a.mayIssue, Now: a.clock.Now, Rand: a.rand, Zone: a.zone,
		FiscalYearStart: time.Month(a.cfg.FiscalYearStart),
		Queue:           a.deliveries, Methods: []models.Method{models.Download, models.Upload},
	}
	a.links = &provision.Links{
		Store: a.db, Parcels: a.provisions, Keys: a.keys, Texts: texts, Organisation: a.cfg.Issuer.Name,
		PublicURL: a.publicURL, AllowUnbound: a.cfg.Links.AllowUnbound, TTL: a.cfg.Links.TTL, MaxTTL: a.cfg.Links.MaxTTL,
		Now: a.clock.Now, Rand: a.rand, Failed: func(err error) { a.log.Error("downloads", "error", err) },
	}
	a.reports = &report.Service{Store: a.db, Provisions: a.provisions, Texts: texts, Now: a.clock.Now, Zone: a.zone}
	a.audit = &audit.Service{Store: a.db, Provisions: a.provisions, Documents: a.recipients, Keys: a.keys, Now: a.clock.Now}
	a.imports = &legacy.Service{Store: a.db, Recipients: a.recipients, Texts: texts, Now: a.clock.Now, Rand: a.rand, Zone: a.zone}
	a.db.OnRevoke(a.links.Wake)
	a.loops = append(a.loops, a.links.Run, a.sweepPacks)
	return nil
}

// issuer is what challenges and approvals name.
func (a *app) issuer() (origin, fingerprint string) {
	file := a.keys.Issuer()
	return file.Origin, file.Fingerprint()
}

func (a *app) openHandler(context.Context) error {
	proxies, err := a.cfg.ProxyPrefixes()
	if err != nil {
		return models.Wrap(models.Invalid, nil, err.Error())
	}
	a.handler, err = handlers.New(handlers.Config{
		Access: a.access, Datasets: a.datasets, Recipients: a.recipients, Provisions: a.provisions, Links: a.links, Deliveries: a.deliveries,
		Reports: a.reports, Audit: a.audit, Imports: a.imports, Events: a.feed, Webhooks: a.webhooks, Rekey: a.rekey, Disposals: a.disposals,
		Ledger: a.db, Issuer: a, Health: a, Answers: a.db, Turns: a.db,
		PublicURL: a.publicURL, TrustedProxies: proxies, Log: a.log, Now: a.clock.Now, Version: buildinfo.Version(),
		Observe: a.metrics.observe, ClientsDir: a.cfg.ClientsDir,
	})
	return err
}

// IssuerFile is the issuer file as it stands now.
func (a *app) IssuerFile() ([]byte, error) { return a.keys.Issuer().JSON() }

// Checkpoint is the newest one that is durable in the second place; nil when
// there is none yet.
func (a *app) Checkpoint() []byte { return a.publisher.Newest() }

// writeSetupCode shows the one-time setup code while there are no users, and
// leaves it in a file that goes when it is used.
func (a *app) writeSetupCode(ctx context.Context) error {
	code, needed, err := a.access.NewSetupCode(ctx)
	if err != nil {
		return err
	}
	if !needed {
		a.removeSetupCode()
		return nil
	}
	path := a.folder.Path(datadir.SetupCodeFile)
	if err := errors.Join(removeFile(path), os.WriteFile(path, []byte(code+"\n"), 0o600)); err != nil {
		return models.Wrap(models.Unavailable, err, "the setup code cannot be written to "+path)
	}
	a.tell("setup code %s (also in %s)", code, path)
	a.tell("make the first administrator: teikyo setup --server %s --code-file %s --email E --name N --password-file F", a.address(), path)
	return nil
}

func (a *app) removeSetupCode() {
	if err := removeFile(a.folder.Path(datadir.SetupCodeFile)); err != nil {
		a.log.Warn("the used setup code could not be removed", "error", err)
	}
}

func removeFile(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

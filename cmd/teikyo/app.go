package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/access"
	"teikyo/audit"
	"teikyo/config"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/dataset"
	"teikyo/disposal"
	"teikyo/events"
	"teikyo/internal/clock"
	"teikyo/internal/datadir"
	"teikyo/keys"
	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/legacy"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/provision/dispatch"
	"teikyo/recipient"
	"teikyo/rekey"
	"teikyo/report"
)

// system is what a server takes from the machine; tests give their own.
type system struct {
	clock *clock.Clock
	rand  io.Reader
	err   io.Writer // words for people
	log   *slog.Logger
}

// app is a server with everything wired, the same for the program, the demo and
// the tests. Its parts are made in the order of newApp's steps.
type app struct {
	system
	cfg    config.Config
	zone   *time.Location
	folder *datadir.Folder

	listener  net.Listener
	publicURL string // what links start with, without a slash at the end
	tls       *certificates

	db      *database.DB
	objects objectStore
	kek     *crypto.Keyring
	keys    *crypto.SigningKeys
	keks    *keys.Service // versions of kek

	logNumber int // N of the ledger's origin ORIGIN/ledger/N
	second    secondPlace
	secondDir string // empty when it is no folder
	publisher *checkpoints.Publisher

	access     *access.Service
	datasets   *dataset.Service
	recipients *recipient.Service
	provisions *provision.Service
	links      *provision.Links
	deliveries *dispatch.Desk
	feed       *events.Feed
	webhooks   *events.Webhooks
	rekey      *rekey.Service
	syslog     *events.Syslog // nil when none is configured
	reports    *report.Service
	disposals  *disposal.Service
	audit      *audit.Service
	imports    *legacy.Service
	handler    http.Handler

	// loops is the work in the background; each ends when its context does.
	// What they return before that stops the server.
	loops    []func(ctx context.Context) error
	fatal    chan error // of the database: stop, recover at the next start
	draining atomic.Bool
	closed   bool
	metrics  *metrics
}

// newApp makes a server that is ready to serve, or says why it must not start.
// Close it.
func newApp(ctx context.Context, cfg config.Config, sys system) (*app, error) {
	a := &app{system: sys, cfg: cfg.WithDefaults(), fatal: make(chan error, 1), metrics: newMetrics()}
	steps := []func(context.Context) error{
		a.openFolder, a.openListener, a.openDatabase, a.openIdentity, a.openObjects,
		a.openServices, a.openHandler,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, a.close())
		}
	}
	return a, nil
}

// close gives everything back, in the opposite order; it may be repeated.
func (a *app) close() error {
	if a.closed {
		return nil
	}
	a.closed = true
	var errs []error
	if a.listener != nil {
		if err := a.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if a.provisions != nil {
		a.provisions.Finish()
	}
	if a.keks != nil {
		errs = append(errs, a.leave())
	}
	if a.db != nil {
		errs = append(errs, a.db.Close())
	}
	if a.folder != nil {
		errs = append(errs, a.folder.Close())
	}
	return errors.Join(errs...)
}

func (a *app) openFolder(context.Context) error {
	if err := a.cfg.Check(); err != nil {
		return models.Wrap(models.Invalid, nil, err.Error())
	}
	var err error
	if a.zone, err = a.cfg.Zone(); err != nil {
		return models.Wrap(models.Invalid, nil, err.Error())
	}
	a.folder, err = openDataFolder(a.cfg.Data)
	return err
}

// openDataFolder takes the data folder for this process alone.
func openDataFolder(path string) (*datadir.Folder, error) {
	folder, err := datadir.Open(path)
	if errors.Is(err, datadir.ErrLocked) {
		return nil, models.Wrap(models.Conflict, nil, err.Error()+"; stop it first, or choose another folder with --data")
	}
	if err != nil {
		return nil, models.Wrap(models.Invalid, nil, err.Error())
	}
	return folder, nil
}

func (a *app) openListener(context.Context) error {
	certs, err := loadCertificates(a.cfg.TLSCert, a.cfg.TLSKey)
	if err != nil {
		return err
	}
	a.tls = certs
	a.listener, err = net.Listen("tcp", a.cfg.Listen)
	if err != nil {
		return models.Wrap(models.Invalid, nil, "the server cannot listen: "+err.Error()+"; choose another address with --listen")
	}
	a.publicURL = strings.TrimRight(a.cfg.PublicURL, "/")
	if a.publicURL == "" {
		a.publicURL = a.address()
	}
	return nil
}

// address is the server's own, with the port that it really got.
func (a *app) address() string {
	if a.tls != nil {
		return "https://" + a.listener.Addr().String()
	}
	return "http://" + a.listener.Addr().String()
}

func (a *app) openDatabase(ctx context.Context) error {
	opts, err := databaseOptions(a.cfg)
	if err != nil {
		return err
	}
	opts.Rand, opts.Now, opts.Log, opts.Gate = a.rand, a.clock.Now, a.log, a.gate
	opts.Fatal = func(err error) { a.fatal <- err }
	a.db, err = database.Open(ctx, opts)
	return err
}

// openLedger compares the ledger with the clock and with the second place before
// anything may be added to it.
func (a *app) openLedger(ctx context.Context) error {
	head, err := a.db.Head(ctx)
	if err != nil {
		return err
	}
	a.clock.Saw(head.Time)
	if err := a.clock.Check(); err != nil {
		return models.Wrap(models.Unavailable, nil, "the server does not start: "+err.Error())
	}
	logs, err := a.openLogs(ctx)
	if err != nil {
		return err
	}
	if err := a.openSecondPlace(head); err != nil {
		return err
	}
	signer, err := a.checkpointSigner()
	if err != nil {
		return err
	}
	verifiers, err := checkpointVerifiers(a.keys.Issuer())
	if err != nil {
		return err
	}
	lasting := context.WithoutCancel(ctx)
	hashes := a.db.HashReader(lasting)
	published, err := checkpoints.CheckStart(ctx, signer.Origin(), head.Tree(), hashes, checkpoints.AfterClosed(a.second, logs...), verifiers...)
	if err != nil {
		return startRefused(err)
	}
	a.publisher = checkpoints.NewPublisher(checkpoints.Config{
		Signer: signer, Second: a.shared(), Hashes: hashes, Published: published, Now: a.clock.Now, Poll: a.pollEvery(),
		Head: func(ctx context.Context) (tlog.Tree, error) {
			head, err := a.db.Head(ctx)
			a.clock.Saw(head.Time) // of another node's entry, too
			return head.Tree(), err
		},
	})
	a.db.AttachPublisher(a.publisher)
	a.db.OnCommit(func(head ledger.Head) {
		a.clock.Saw(head.Time)
		a.publisher.Committed(head.Tree())
	})
	return a.recordKeyChanges(ctx)
}

// openLogs reads the number of the log, and the last known checkpoints of those
// that forced restores ended.
func (a *app) openLogs(ctx context.Context) (closed [][]byte, err error) {
	if a.logNumber, err = a.db.LogNumber(ctx); err != nil {
		return nil, err
	}
	logs, err := a.db.ClosedLogs(ctx)
	for _, log := range logs {
		closed = append(closed, log.Checkpoint)
	}
	return closed, err
}

// startRefused puts the refusal of the ledger's start check into words.
func startRefused(err error) error {
	kind := models.Unavailable
	for _, wrong := range []error{checkpoints.ErrRolledBack, checkpoints.ErrForeignCheckpoint, ledger.ErrInconsistent} {
		if errors.Is(err, wrong) {
			kind = models.Integrity
		}
	}
	return models.Wrap(kind, nil, "the server does not start: "+err.Error())
}

// gate is asked before every ledger entry (DESIGN decisions 8 and 20).
func (a *app) gate(kind ledger.Kind) error {
	if err := a.clock.Check(); err != nil {
		return models.Wrap(models.Unavailable, err, "the server's clock is not right, so nothing can be recorded; tell the operator (see /readyz)")
	}
	switch kind {
	case ledger.ProvisionIssued, ledger.ProvisionReissued, ledger.LinkIssued, ledger.DownloadOpened, ledger.DeliveryStarted:
		return a.mayIssue()
	}
	return nil
}

// mayIssue says why nothing may be issued now.
func (a *app) mayIssue() error {
	if err := a.clock.Check(); err != nil {
		return models.Wrap(models.Unavailable, err, "the server's clock is not right, so nothing can be issued; tell the operator (see /readyz)")
	}
	if a.publisher == nil {
		return nil
	}
	if err := a.publisher.Healthy(); err != nil {
		return models.Wrap(models.Unavailable, err, "the second place for the ledger's checkpoints is out of reach, so nothing can be issued; tell the operator (see /readyz)")
	}
	return nil
}

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"teikyo/crypto"
	"teikyo/database"
	"teikyo/internal/datadir"
	"teikyo/ledger"
	"teikyo/models"
)

// manyRecipients is over how many recipients the provisions are spread.
const manyRecipients = 200

// multiplier writes copies of one provision into the database of a server that
// does not run, with the rows, entries and objects that real ones have.
type multiplier struct {
	db       *database.DB
	objects  string
	prov     models.Provision
	req      models.Request
	packPath string
	rcpts    []models.Recipient
	fill     int // number of the next
}

// multiply makes n copies of the provision id.
func (h *house) multiply(ctx context.Context, id string, n int) error {
	data := filepath.Join(h.dir, "data")
	db, err := database.Open(ctx, database.Options{URL: h.database(), Rand: rand.Reader})
	if err != nil {
		return err
	}
	defer db.Close()
	m := &multiplier{db: db, objects: filepath.Join(data, datadir.ObjectsDir)}
	if m.prov, err = db.Provision(ctx, id); err != nil {
		return err
	}
	if m.req, err = db.Request(ctx, m.prov.RequestID); err != nil {
		return err
	}
	m.packPath = filepath.Join(m.objects, m.prov.PackKey[:2], m.prov.PackKey)
	if _, err := os.Stat(m.packPath); err != nil {
		return err
	}
	if err := db.Update(ctx, m.recipients); err != nil {
		return err
	}
	for m.fill < n {
		if err := db.Update(ctx, func(ctx context.Context) error { return m.batch(ctx, min(500, n-m.fill)) }); err != nil {
			return err
		}
	}
	return db.Close()
}

// database is where the server keeps its rows.
func (h *house) database() string {
	for _, setting := range h.env {
		if url, ok := strings.CutPrefix(setting, databaseSetting); ok {
			return url
		}
	}
	return "sqlite:" + filepath.Join(h.dir, "data", datadir.DatabaseFile)
}

// databaseSetting names the database of a server in its environment.
const databaseSetting = "TEIKYO_DATABASE_URL="

func (m *multiplier) recipients(ctx context.Context) error {
	rcpt, err := m.db.Recipient(ctx, m.prov.RecipientID)
	if err != nil {
		return err
	}
	for i := range manyRecipients {
		rcpt.ID, rcpt.Name = fmt.Sprintf("r-bench%011d", i), fmt.Sprintf("Institute %03d", i)
		if err := m.db.SaveRecipient(ctx, rcpt); err != nil {
			return err
		}
		m.rcpts = append(m.rcpts, rcpt)
	}
	return nil
}

func (m *multiplier) batch(ctx context.Context, n int) error {
	for range n {
		if err := m.one(ctx); err != nil {
			return err
		}
		m.fill++
	}
	return nil
}

// one writes a request, its provision and a link, with their entries.
func (m *multiplier) one(ctx context.Context) error {
	i := m.fill
	at := time.Now().UTC().Add(-time.Duration(i) * 5 * time.Minute).Truncate(time.Microsecond) // a year for 100,000
	req, prov := m.req, m.prov
	req.ID, prov.ID = fmt.Sprintf("q-bench%011d", i), fmt.Sprintf("p-bench%011d", i)
	req.RecipientID = m.rcpts[i%manyRecipients].ID
	req.RequestedAt, req.DecidedAt, req.ProvisionID = at, at, prov.ID
	prov.RequestID, prov.RecipientID, prov.Number = req.ID, req.RecipientID, fmt.Sprintf("BENCH-%06d", i)
	prov.IssuedAt = at
	key, err := crypto.NewID(rand.Reader, "bench")
	if err != nil {
		return err
	}
	prov.PackKey = key
	if err := m.link(key); err != nil {
		return err
	}
	link := models.Link{
		ID: fmt.Sprintf("l-bench%011d", i), ProvisionID: prov.ID, RecipientID: prov.RecipientID, Bind: models.BindKey,
		MaxUses: 1, NotBefore: at, ExpiresAt: at.Add(72 * time.Hour), CreatedBy: prov.IssuedBy, CreatedAt: at,
	}
	return errors.Join(m.db.SaveRequest(ctx, req), m.db.SaveProvision(ctx, prov), m.db.AddLink(ctx, link), m.entries(ctx, req, prov, link))
}

// linksOfOne is how many names one copy of a pack gets; ext4 allows 65,000.
const linksOfOne = 10_000

// link gives a pack its object without another copy of its bytes, mostly.
func (m *multiplier) link(key string) error {
	if m.fill%linksOfOne == linksOfOne-1 {
		text, err := os.ReadFile(m.packPath)
		if err != nil {
			return err
		}
		m.packPath = filepath.Join(m.objects, "..", "pack-"+key)
		if err := os.WriteFile(m.packPath, text, 0o600); err != nil {
			return err
		}
	}
	folder := filepath.Join(m.objects, key[:2])
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Link(m.packPath, filepath.Join(folder, key))
}

func (m *multiplier) entries(ctx context.Context, req models.Request, prov models.Provision, link models.Link) error {
	ids := map[string]string{
		"request": req.ID, "provision": prov.ID, "recipient": prov.RecipientID, "dataset": prov.DatasetID,
		"version": fmt.Sprint(prov.Version), "agreement": prov.AgreementID, "key": prov.KeyID, "actor": prov.IssuedBy,
	}
	details := map[string]string{"number": prov.Number, "purpose": string(req.Purpose), "words": req.Words, "frozen": req.Frozen}
	for _, e := range []ledger.Entry{
		{Kind: ledger.RequestSubmitted, IDs: ids, Details: details},
		{Kind: ledger.RequestApproved, IDs: ids, Details: details},
		{Kind: ledger.ProvisionIssued, IDs: ids, Details: details, ManifestSHA256: prov.ManifestSHA256},
		{Kind: ledger.LinkIssued, IDs: map[string]string{"link": link.ID, "provision": prov.ID, "actor": prov.IssuedBy}, Details: details},
	} {
		if err := m.db.Append(ctx, &e); err != nil {
			return err
		}
	}
	return nil
}

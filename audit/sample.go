package audit

import (
	"archive/zip"
	"cmp"
	"context"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/evidence"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/provision/parcel"
)

// Store is the read side of the database; *database.DB.
type Store interface {
	Provision(ctx context.Context, id string) (models.Provision, error)
	Request(ctx context.Context, id string) (models.Request, error)
	Comments(ctx context.Context, requestID string) ([]models.Comment, error)
	Agreement(ctx context.Context, id string) (models.Agreement, error)
	Notice(ctx context.Context, id string) (models.Notice, error)
	Waiver(ctx context.Context, id string) (models.Waiver, error)
	User(ctx context.Context, id string) (models.User, error)
	Files(ctx context.Context, datasetID string, version int, after string, limit int) ([]models.File, error)
	Reports(ctx context.Context, ids []string) ([]models.GateReport, error)
	Entries(ctx context.Context, f models.EntryFilter, page models.Page) ([]ledger.Record, error)
	Receipt(ctx context.Context, index int64) ([]byte, error)
	Published(ctx context.Context, index int64) ([]byte, error)
	Head(ctx context.Context) (ledger.Head, error)
}

// Provisions are the use cases of provisions; *provision.Service.
type Provisions interface {
	Report(ctx context.Context, actor access.Actor, q provision.ReportQuery) (iter.Seq2[provision.ReportRow, error], error)
	Parcel(ctx context.Context, prov models.Provision) (*parcel.Reader, error)
}

// Documents gives the documents of agreements; *recipient.Service.
type Documents interface {
	Document(ctx context.Context, actor access.Actor, id string) (models.Agreement, []byte, error)
}

// Service draws samples. Every field must be set.
type Service struct {
	Store      Store
	Provisions Provisions
	Documents  Documents
	Keys       *crypto.SigningKeys // signs the list of files
	Now        func() time.Time
}

// Query says which sample is wanted.
type Query struct {
	Seed     string
	N        int
	From, To string // days, inclusive; empty: no bound
	Tests    bool   // of the rehearsals
}

// maxSeed is the longest seed, in bytes.
const maxSeed = 200

// Pack is a sample that was drawn and can be written once.
type Pack struct {
	s          *Service
	actor      access.Actor
	sample     evidence.Sample
	population []string
	checkpoint []byte
}

// FileName is what a saved pack is called.
func (p *Pack) FileName() string { return "evidence-" + p.sample.MadeAt.Format("20060102") + ".zip" }

// Draw draws the sample: the same seed gives the same provisions of the same
// period, whoever asks and in whatever order they stand.
func (s *Service) Draw(ctx context.Context, actor access.Actor, q Query) (*Pack, error) {
	if err := access.Can(actor, access.ReadReports, access.Whole()); err != nil {
		return nil, err
	}
	if err := access.Can(actor, access.ReadLedger, access.Whole()); err != nil {
		return nil, err
	}
	if q.Seed == "" || len(q.Seed) > maxSeed || strings.ContainsFunc(q.Seed, func(r rune) bool { return r < ' ' }) {
		return nil, models.Errorf(models.Invalid, "give a seed of 1 to %d bytes on one line (--seed), for example the date and your name", maxSeed)
	}
	if q.N < 1 || q.N > evidence.MaxSample {
		return nil, models.Errorf(models.Invalid, "a sample has between 1 and %d provisions (-n)", evidence.MaxSample)
	}
	p := &Pack{s: s, actor: actor, sample: evidence.Sample{
		V: 1, Issuer: s.Keys.Issuer().Origin, MadeAt: s.Now().UTC().Truncate(time.Second), MadeBy: actor.UserID,
		Seed: q.Seed, N: q.N, From: q.From, To: q.To, Tests: q.Tests, Chosen: []evidence.Chosen{},
	}}
	if err := p.choose(ctx, q); err != nil {
		return nil, err
	}
	return p, p.seal(ctx)
}

// choose keeps the n smallest ranks.
func (p *Pack) choose(ctx context.Context, q Query) error {
	rows, err := p.s.Provisions.Report(ctx, p.actor, provision.ReportQuery{From: q.From, To: q.To, Tests: q.Tests})
	if err != nil {
		return err
	}
	for row, err := range rows {
		if err != nil {
			return err
		}
		if row.State != models.ProvisionIssued && row.State != models.ProvisionRevoked {
			continue // taken over from an earlier register: there is no evidence of ours
		}
		p.population = append(p.population, row.ID)
		p.sample.Chosen = append(p.sample.Chosen, evidence.Chosen{
			Provision: row.ID, Number: row.Number, Folder: row.Number + "-" + row.ID, Rank: evidence.Rank(q.Seed, row.ID),
		})
		if len(p.sample.Chosen) > 2*q.N {
			p.cut()
		}
	}
	p.cut()
	p.sample.Population = len(p.population)
	return nil
}

func (p *Pack) cut() {
	slices.SortFunc(p.sample.Chosen, func(a, b evidence.Chosen) int { return cmp.Compare(a.Rank, b.Rank) })
	p.sample.Chosen = p.sample.Chosen[:min(len(p.sample.Chosen), p.sample.N)]
}

// seal fixes the state of the ledger that the pack is held against.
func (p *Pack) seal(ctx context.Context) error {
	head, err := p.s.Store.Head(ctx)
	if err != nil {
		return err
	}
	if p.checkpoint, err = p.s.Store.Published(ctx, head.Size-1); err != nil {
		return err
	}
	checkpoint, err := ledger.ParseCheckpoint(p.checkpoint)
	if err != nil {
		return models.Wrap(models.Internal, err, "the ledger's own checkpoint cannot be read")
	}
	p.sample.LedgerSize = checkpoint.Tree.N
	for i, c := range p.sample.Chosen {
		prov, err := p.s.Store.Provision(ctx, c.Provision)
		if err != nil {
			return err
		}
		p.sample.Chosen[i].LedgerIndex = prov.EntryIndex
	}
	return nil
}

// Write writes the pack as a ZIP archive.
func (p *Pack) Write(ctx context.Context, to io.Writer) error {
	w := &writer{zip: zip.NewWriter(to), at: p.sample.MadeAt}
	if err := p.writeTop(w); err != nil {
		return err
	}
	for _, c := range p.sample.Chosen {
		g := gatherer{Service: p.s, actor: p.actor, w: w, folder: c.Folder + "/"}
		if err := g.provision(ctx, c); err != nil {
			return err
		}
	}
	signature, err := crypto.SignManifest(p.s.Keys.ManifestKey(), strings.NewReader(w.sums.String()))
	if err != nil {
		return models.Wrap(models.Internal, err, "the evidence could not be signed")
	}
	if err := w.close(signature); err != nil {
		return models.Wrap(models.Unavailable, err, "the evidence could not be written")
	}
	return nil
}

func (p *Pack) writeTop(w *writer) error {
	issuer := p.s.Keys.Issuer()
	text, err := issuer.JSON()
	if err != nil {
		return models.Wrap(models.Internal, err, "the issuer file cannot be made")
	}
	readme, err := readmeText(issuer)
	if err != nil {
		return err
	}
	w.text(evidence.ReadmeFile, readme)
	w.json(evidence.SampleFile, p.sample)
	w.text(evidence.PopulationFile, []byte(strings.Join(append(p.population, ""), "\n")))
	w.text(evidence.IssuerFile, text)
	w.text(evidence.SignersFile, []byte(issuer.AllowedSigners()))
	w.text(evidence.CheckpointFile, p.checkpoint)
	return w.err
}

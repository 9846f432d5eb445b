package client

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"teikyo/client/arrival"
	"teikyo/client/received"
	"teikyo/crypto"
	"teikyo/ledger/checkpoints"
	"teikyo/models"
)

// parallel is how many data files are fetched at once.
const parallel = 4

// Get fetches a parcel by its link into a folder. Fields are required unless they
// say otherwise.
type Get struct {
	Link string
	Dir  string
	// Identity opens the parcel. Its zero value leaves the files sealed, which
	// only links that are not bound to a key allow.
	Identity crypto.Identity
	Trust    received.Trust
	Witness  *checkpoints.Witness
	// Token gives the API token for a server, for links bound to a login; nil or
	// empty when there is none.
	Token func(base string) string

	Include    []string // patterns of the files to fetch; none: all
	KeepSealed bool
	Rate       int64         // bytes a second, 0: no limit
	RetryFor   time.Duration // without any progress; 0: until the link ends

	HTTP      *http.Client // nil: DefaultHTTP
	UserAgent string
	Progress  *Progress // may be nil
	// Stall is how long a transfer may be silent; 0: a minute.
	Stall  time.Duration
	Now    func() time.Time
	Sleep  func(context.Context, time.Duration) error
	Jitter func(time.Duration) time.Duration // spreads waiting clients; may be nil
	// Free is how many bytes can still be written in a folder; nil: not checked.
	Free func(dir string) (uint64, error)
	Say  func(format string, args ...any) // news for people
}

// Summary is what Run or List found and did.
type Summary struct {
	*received.Parcel
	Folder  string
	Chosen  []arrival.File // what is or was to be fetched
	Skipped int            // of them that were there already
	Bytes   int64          // plaintext
	Opened  bool           // or kept sealed
	Ends    time.Time      // of the link
	Notes   []string       // what could not be checked
}

// run is one Run or List on its way.
type run struct {
	*Get
	tree    *arrival.Tree
	source  *source
	session session
	parcel  *received.Parcel
	notes   []string
	// signature and receipt wait for the manifest before they get their names.
	signature, receipt []byte
	pending            bool // the manifest, too
}

// Run fetches, verifies and opens. It can be broken off at any time; another Run
// with the same link, or a new one of the same provision, goes on.
func (g *Get) Run(ctx context.Context) (Summary, error) {
	r, err := g.begin(ctx)
	if err != nil {
		return Summary{}, err
	}
	defer r.tree.Close()
	if err := r.documents(ctx); err != nil {
		return Summary{}, err
	}
	summary, err := r.summary()
	if err != nil {
		return Summary{}, err
	}
	if err := r.room(summary.Chosen); err != nil {
		return summary, err
	}
	if summary.Skipped, err = r.files(ctx, summary.Chosen); err != nil {
		return summary, err
	}
	if len(r.Include) > 0 { // what is left of others may still be wanted
		return summary, nil
	}
	return summary, r.tree.RemovePartials()
}

// List verifies the manifest and tells what Run would fetch. The session stays in
// the folder, so that Run spends no further use of the link.
func (g *Get) List(ctx context.Context) (Summary, error) {
	r, err := g.begin(ctx)
	if err != nil {
		return Summary{}, err
	}
	defer r.tree.Close()
	return r.summary()
}

// begin comes as far as a verified manifest.
func (g *Get) begin(ctx context.Context) (*run, error) {
	l, err := parseLink(g.Link)
	if err != nil {
		return nil, err
	}
	if l.inClear() {
		g.Say("warning: this link is not https; others on the way can see what is fetched, though not open what is sealed")
	}
	tree, err := arrival.OpenTree(g.Dir)
	if err != nil {
		return nil, err
	}
	r := &run{Get: g, tree: tree}
	if err := r.connect(ctx, l); err != nil {
		tree.Close()
		return nil, err
	}
	if err := r.verify(ctx); err != nil {
		tree.Close()
		return nil, err
	}
	return r, nil
}

// connect knows the issuer before it spends a use of the link.
func (r *run) connect(ctx context.Context, l link) error {
	transport := r.HTTP
	if transport == nil {
		transport = DefaultHTTP()
	}
	c := &Client{Base: l.base, HTTP: withoutRedirects(transport), UserAgent: r.UserAgent}
	saved, found, err := loadSession(r.tree, l)
	if err != nil {
		return err
	}
	p := r.patience()
	if found {
		p.ends = saved.ExpiresAt
	}
	text, err := get(ctx, c, p, "/.well-known/teikyo.json", maxSmall)
	if err != nil {
		return err
	}
	offered, err := received.ParseIssuer(text)
	if err != nil {
		return err
	}
	issuer, err := r.Trust.Accept(offered)
	if err != nil {
		return err
	}
	if found {
		if err = r.enter(ctx, c, p, saved, issuer); !models.IsKind(err, models.NotFound) {
			return err
		}
	}
	p.ends = time.Time{}
	if saved, err = r.redeem(ctx, c, p, r.tree, l); err != nil {
		return err
	}
	return r.enter(ctx, c, p, saved, issuer)
}

func (g *Get) patience() *patience {
	p := &patience{now: g.Now, sleep: g.Sleep, jitter: g.Jitter, say: g.Say, retryFor: g.RetryFor}
	if p.jitter == nil {
		p.jitter = func(d time.Duration) time.Duration { return d }
	}
	return p
}

// enter opens the session and reads its listing.
func (r *run) enter(ctx context.Context, c *Client, p *patience, s session, issuer crypto.Issuer) error {
	if err := s.check(issuer); err != nil {
		return err
	}
	path, err := s.open(r.Identity)
	if err != nil {
		return err
	}
	p.ends = s.ExpiresAt
	text, err := get(ctx, c, p, path, maxListing)
	if err != nil {
		return err
	}
	files, err := parseListing(text)
	if err != nil {
		return err
	}
	r.session = s
	r.source = &source{client: c, path: path, files: files, patience: p, limit: newLimiter(r.Rate), stall: r.Stall, progress: r.Progress}
	if r.source.stall == 0 {
		r.source.stall = stallAfter
	}
	if r.source.progress == nil {
		r.source.progress = &Progress{}
	}
	return nil
}

// verify brings issuer, receipt, manifest and signature and checks them in this
// order. Nothing has its final name yet.
func (r *run) verify(ctx context.Context) error {
	text, err := r.source.document(ctx, received.IssuerPath)
	if err != nil {
		return err
	}
	offered, err := received.ParseIssuer(text)
	if err != nil {
		return err
	}
	issuer, err := r.Trust.Accept(offered)
	if err != nil {
		return err
	}
	if r.receipt, err = r.source.document(ctx, received.ReceiptPath); err != nil {
		return err
	}
	proof, err := received.Prove(issuer, r.receipt)
	if err != nil {
		return err
	}
	if proof.Provision() != r.session.Provision {
		return models.Errorf(models.Integrity, "the receipt is for provision %s, the link for %s; tell the issuer", proof.Provision(), r.session.Provision)
	}
	if err := r.witnessed(ctx, proof); err != nil {
		return err
	}
	if r.signature, err = r.source.document(ctx, received.SignaturePath); err != nil {
		return err
	}
	if r.parcel, err = r.manifest(ctx, proof); err != nil {
		return err
	}
	return r.checkHolder()
}

func (r *run) witnessed(ctx context.Context, proof received.Proof) error {
	p := r.patience()
	note, err := proof.Witnessed(ctx, r.Witness, received.FromTiles(tiles(r.source.client, p)))
	if note != "" {
		r.notes = append(r.notes, note)
	}
	return err
}

// pendingManifest is where the manifest waits for its verdict.
const pendingManifest = arrival.StateFolder + "/" + received.ManifestPath

// manifest fetches the manifest that the receipt names, unless it is here.
func (r *run) manifest(ctx context.Context, proof received.Proof) (*received.Parcel, error) {
	size, err := r.source.manifestSize()
	if err != nil {
		return nil, err
	}
	f := crypto.ManifestFile{Path: received.ManifestPath, Size: size, SHA256: proof.ManifestSHA256()}
	if r.pending = !r.tree.Holds(f); r.pending {
		f.Path = pendingManifest
		if err := r.source.keep(ctx, r.tree, f, received.ManifestPath); err != nil {
			return nil, err
		}
	}
	file, err := r.tree.Open(f.Path)
	if err != nil {
		return nil, arrival.DiskError(err, "the manifest cannot be read")
	}
	defer file.Close()
	return proof.ReadManifest(file, r.signature)
}

// checkHolder compares the parcel with the link, the identity and what is in the
// folder already.
func (r *run) checkHolder() error {
	if r.session.KeyFingerprint != "" && r.session.KeyFingerprint != r.parcel.Head.KeyFingerprint {
		return models.Errorf(models.Integrity, "the link is for the key %q, the parcel is sealed to %q; tell the issuer",
			r.session.KeyFingerprint, r.parcel.Head.KeyFingerprint)
	}
	if r.opens() {
		if err := r.parcel.CheckKey(r.Identity); err != nil {
			return err
		}
	}
	file, err := r.tree.Open(received.ManifestPath)
	if err != nil {
		return nil // the first parcel in this folder
	}
	defer file.Close()
	before, err := crypto.NewManifestReader(file, received.MaxManifest)
	if err != nil || before.Head().Dataset.ID == r.parcel.Head.Dataset.ID {
		return nil
	}
	return models.Errorf(models.Conflict, "%s holds a parcel of another dataset, %q; choose another folder", r.Dir, before.Head().Dataset.Title)
}

// opens tells whether the files are to be opened.
func (r *run) opens() bool { return !r.KeepSealed && len(r.Identity.Recipients()) > 0 }

// documents brings what stands beside the data, each with the digest that the
// manifest gives, then gives the verified manifest its name.
func (r *run) documents(ctx context.Context) error {
	for _, d := range r.parcel.Documents {
		if err := r.source.keep(ctx, r.tree, d, d.Path); err != nil {
			return err
		}
	}
	if err := r.tree.Put(received.SignaturePath, r.signature); err != nil {
		return err
	}
	if err := r.tree.Put(received.ReceiptPath, r.receipt); err != nil {
		return err
	}
	if r.pending {
		if err := r.tree.Move(pendingManifest, received.ManifestPath); err != nil {
			return err
		}
	}
	if !r.opens() {
		return nil
	}
	sealed, err := r.tree.ReadSmall(received.SumsPath, received.MaxManifest)
	if err != nil {
		return err
	}
	return r.parcel.OpenSums(sealed, r.Identity)
}

func (r *run) summary() (Summary, error) {
	chosen, err := r.parcel.Select(r.Include)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{Parcel: r.parcel, Folder: r.Dir, Chosen: chosen, Opened: r.opens(), Ends: r.session.ExpiresAt, Notes: r.notes}
	for _, f := range chosen {
		s.Bytes += f.Size
	}
	if s.Opened {
		err = received.CheckClashes(chosen, r.tree.FoldsCase())
	}
	return s, err
}

// room refuses to begin what the disk cannot hold.
func (r *run) room(chosen []arrival.File) error {
	if r.Free == nil {
		return nil
	}
	free, err := r.Free(r.Dir)
	if err != nil {
		r.Say("warning: free space cannot be seen: %v", err)
		return nil
	}
	var need int64
	for _, f := range chosen {
		path, size := f.OpenPath(), f.Size
		if !r.opens() {
			path, size = f.Sealed.Path, f.Sealed.Size
		}
		if !r.tree.HasSize(path, size) {
			need += size - r.tree.PartialSize(f, !r.opens())
		}
	}
	return r.tree.CheckSpace(free, need)
}

// files brings the data files, several at once.
func (r *run) files(ctx context.Context, chosen []arrival.File) (skipped int, err error) {
	progress := r.source.progress
	progress.files.Store(int64(len(chosen)))
	for _, f := range chosen {
		progress.total.Add(f.Sealed.Size)
	}
	there := make(chan struct{}, len(chosen))
	err = received.Each(ctx, parallel, chosen, func(f arrival.File) string { return f.Path }, func(ctx context.Context, f arrival.File) error {
		if r.holds(f) {
			there <- struct{}{}
			progress.bytes.Add(f.Sealed.Size)
		} else if err := r.file(ctx, f); err != nil {
			return err
		}
		progress.filesDone.Add(1)
		return nil
	})
	return len(there), err
}

func (r *run) holds(f arrival.File) bool {
	if r.opens() {
		return r.tree.HoldsOpened(f)
	}
	return r.tree.Holds(f.Sealed)
}

func (r *run) file(ctx context.Context, f arrival.File) error {
	in, err := arrival.Incoming(nil), error(nil)
	if r.opens() {
		in, err = r.tree.Receive(f, r.Identity)
	} else {
		in, err = r.tree.Keep(f.Sealed)
	}
	if err != nil {
		return err
	}
	if err := r.source.receive(ctx, f.Sealed.Path, f.Sealed.Size, in); err != nil {
		return fileError(err, f)
	}
	return nil
}

// fileError says which file it was; the kind stays.
func fileError(err error, f arrival.File) error {
	kind := models.KindOf(err)
	if kind != models.Unavailable && kind != models.Invalid {
		return err
	}
	return models.Wrap(kind, err, fmt.Sprintf("%s: %s", f.Path, message(err)))
}

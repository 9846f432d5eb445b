package main

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"teikyo/crypto"
	"teikyo/internal/datadir"
	"teikyo/ledger"
	"teikyo/models"
)

// What the database remembers of the keys, by purpose.
const (
	issuerPurpose = "issuer"
	issuerFile    = "issuer.json"
)

func (a *app) keysDir() string {
	if a.cfg.KeysDir != "" {
		return a.cfg.KeysDir
	}
	return a.folder.Path(datadir.KeysDir)
}

// openKeys opens the keyring and the signing keys, makes them at the first
// start, and refuses a folder that lacks what the database was used with.
func (a *app) openKeys(ctx context.Context) error {
	dir := a.keysDir()
	versions, err := a.db.KEKVersions(ctx)
	if err != nil {
		return err
	}
	knownIssuer, err := a.db.ServerKeys(ctx, issuerPurpose)
	if err != nil {
		return err
	}
	if err := keysPresent(dir, needsKeyFiles(versions), len(knownIssuer) > 0); err != nil {
		return err
	}
	if err := a.openKEK(ctx, dir); err != nil {
		return err
	}
	if a.keys, err = crypto.OpenSigningKeys(dir, a.issuerOrigin(dir), a.rand, a.clock.Now()); err != nil {
		return keysRefused(dir, err)
	}
	return a.compareIssuer(ctx, knownIssuer)
}

// keysPresent refuses to make new keys where the database knows old ones: the
// folder is the wrong one, or its disk is not mounted.
func keysPresent(dir string, kek, issuer bool) error {
	found, err := filepath.Glob(filepath.Join(globText(dir), "kek-*.key*"))
	if err != nil {
		return models.Wrap(models.Invalid, err, "the folder of the keys cannot be read")
	}
	_, statErr := os.Stat(filepath.Join(dir, issuerFile))
	if kek && len(found) == 0 || issuer && errors.Is(statErr, fs.ErrNotExist) {
		return models.Errorf(models.Conflict, "the keys of this database are not in %s; mount the right disk, set keys_dir, or restore the keys from a backup", dir)
	}
	return nil
}

// globText is a path in which nothing stands for something else.
func globText(path string) string {
	if filepath.Separator == '\\' {
		return path
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func keysRefused(dir string, err error) error {
	if errors.Is(err, crypto.ErrMissingKey) || errors.Is(err, crypto.ErrOrigin) {
		return models.Wrap(models.Conflict, nil, "the server does not start: "+err.Error())
	}
	return models.Wrap(models.Invalid, nil, "the keys in "+dir+" cannot be used: "+err.Error())
}

func (a *app) compareIssuer(ctx context.Context, known map[string]string) error {
	file := a.keys.Issuer()
	for origin, fingerprint := range known {
		if origin != file.Origin || fingerprint != file.Fingerprint() {
			return models.Errorf(models.Conflict, "the keys in %s are of the issuer %s, this database is of %s; set keys_dir, or restore the right keys from a backup",
				a.keysDir(), file.Origin, origin)
		}
	}
	if len(known) > 0 {
		return nil
	}
	return a.rememberKey(ctx, issuerPurpose, file.Origin, file.Fingerprint())
}

func (a *app) rememberKey(ctx context.Context, purpose, id, check string) error {
	return a.db.Update(ctx, func(ctx context.Context) error {
		return a.db.SaveServerKey(ctx, purpose, id, check, a.clock.Now())
	})
}

// issuerOrigin is the configured name, else the one fixed at the first start,
// else one made from the public address or the machine's name.
func (a *app) issuerOrigin(dir string) string {
	if a.cfg.Issuer.Origin != "" {
		return a.cfg.Issuer.Origin
	}
	if text, err := os.ReadFile(filepath.Join(dir, issuerFile)); err == nil {
		if file, err := crypto.ParseIssuer(text); err == nil {
			return file.Origin
		}
	}
	host, _ := os.Hostname()
	if u, err := url.Parse(a.cfg.PublicURL); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	if host = strings.ToLower(host); crypto.ValidOrigin(host) {
		return host
	}
	return "teikyo.local"
}

// checkpointSigner signs for the log that the server keeps now.
func (a *app) checkpointSigner() (ledger.Signer, error) {
	signer, err := ledger.NewSigner(ledger.LogOrigin(a.keys.Issuer().Origin, a.logNumber), a.keys.CheckpointSecretKey())
	if err != nil {
		return signer, models.Wrap(models.Internal, err, "the checkpoint key cannot be used")
	}
	return signer, nil
}

// checkpointVerifiers are all keys that ever signed checkpoints.
func checkpointVerifiers(file crypto.Issuer) ([]ledger.Verifier, error) {
	var list []ledger.Verifier
	for _, key := range file.CheckpointKeys() {
		v, err := ledger.NewVerifier(key.Verifier)
		if err != nil {
			return nil, models.Wrap(models.Integrity, err, "the issuer file holds a checkpoint key that is not valid")
		}
		if key.RevokedFrom >= 0 {
			v = v.RevokedFrom(key.RevokedFrom)
		}
		list = append(list, v)
	}
	return list, nil
}

// rotateKey replaces a signing key and records it.
func (a *app) rotateKey(ctx context.Context, use crypto.Use) (crypto.KeyChange, error) {
	head, err := a.db.Head(ctx)
	if err != nil {
		return crypto.KeyChange{}, err
	}
	change, err := a.keys.Rotate(use, a.clock.Now(), head.Size)
	if err != nil {
		return change, models.Wrap(models.Internal, err, "the key could not be replaced: "+err.Error())
	}
	if use == crypto.UseCheckpoint {
		signer, err := a.checkpointSigner()
		if err != nil {
			return change, err
		}
		a.publisher.SignWith(signer)
	}
	if err := a.recordKeyChanges(ctx); err != nil {
		return change, err
	}
	limited, stop := context.WithTimeout(ctx, lastPublish)
	defer stop()
	if err := a.publishAll(limited); err != nil {
		return change, models.Wrap(models.Unavailable, err, "the key was replaced and recorded, but the second place does "+
			"not take checkpoints; see teikyo doctor")
	}
	return change, nil
}

// recordKeyChanges appends the ledger entries of key changes and revocations that
// have none: each is durable in the issuer file first, and a crash may come
// between.
func (a *app) recordKeyChanges(ctx context.Context) error {
	file := a.keys.Issuer()
	for _, change := range file.Changes {
		if err := a.recordOnce(ctx, "issuer_key", change.New, change); err != nil {
			return err
		}
	}
	for _, r := range file.Revocations {
		if err := a.recordOnce(ctx, "issuer_revocation", revocationID(r), r); err != nil {
			return err
		}
	}
	return nil
}

// recordOnce appends the entry of a statement about signing keys unless it is
// there.
func (a *app) recordOnce(ctx context.Context, noun, id string, statement any) error {
	_, err := a.db.EntryIndex(ctx, noun, id, ledger.IssuerRotated)
	if err == nil || !models.IsKind(err, models.NotFound) {
		return err
	}
	return a.db.Update(ctx, func(ctx context.Context) error {
		return a.db.Append(ctx, &ledger.Entry{
			Kind: ledger.IssuerRotated, IDs: map[string]string{noun: id, "actor": "system"}, Details: statement,
		})
	})
}

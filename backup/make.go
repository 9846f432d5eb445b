package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"time"

	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
)

// Database is what a backup reads.
type Database interface {
	Snapshot(ctx context.Context, fn func(ctx context.Context) error) error
	Head(ctx context.Context) (ledger.Head, error)
	SchemaVersion(ctx context.Context) (int64, error)
	Tables(ctx context.Context) ([]models.Table, error)
	TableRows(ctx context.Context, table models.Table) iter.Seq2[[]byte, error]
	StoredObjects(ctx context.Context) iter.Seq2[models.StoredObject, error]
}

// Small is a part of known contents.
type Small struct {
	Name string
	Data []byte
}

// Source is what a backup is made of.
type Source struct {
	Database Database
	// LogOrigin is the name of the log, read inside the snapshot.
	LogOrigin func(ctx context.Context) (string, error)
	// Before is read before the snapshot: the checkpoints, which must not be
	// ahead of it.
	Before func() ([]Small, error)
	// After is read in the snapshot: issuer file and settings.
	After func() ([]Small, error)
	// Keys reads the key files. It is asked before and in the snapshot, because
	// a key may come or go meanwhile. It is not asked unless KeysTo is set.
	Keys   func() ([]Small, error)
	KeysTo *crypto.Recipient

	Program string
	Now     time.Time
}

// Make writes a backup. The state it holds is one moment, later than the call;
// writers go on meanwhile.
func Make(ctx context.Context, w io.Writer, src Source) (Manifest, error) {
	b := &maker{Source: src, out: newArchive(w, src.Now)}
	b.manifest = Manifest{Format: format, MadeAt: src.Now.UTC().Truncate(time.Second), Program: src.Program}
	if err := b.before(); err != nil {
		return b.manifest, err
	}
	if err := src.Database.Snapshot(ctx, b.snapshot); err != nil {
		return b.manifest, err
	}
	return b.manifest, b.out.end(b.manifest)
}

type maker struct {
	Source
	out      *archive
	manifest Manifest
	keys     []Small
}

func (b *maker) before() error {
	small, err := b.Before()
	if err != nil {
		return err
	}
	if err := b.small(small); err != nil {
		return err
	}
	return b.readKeys()
}

func (b *maker) small(parts []Small) error {
	for _, part := range parts {
		if err := b.out.part(part.Name, part.Data); err != nil {
			return err
		}
	}
	return nil
}

// readKeys adds the key files that are not known yet. A key file never changes.
func (b *maker) readKeys() error {
	if b.KeysTo == nil {
		return nil
	}
	found, err := b.Keys()
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, key := range b.keys {
		known[key.Name] = true
	}
	for _, key := range found {
		if !known[key.Name] {
			b.keys = append(b.keys, key)
		}
	}
	return nil
}

func (b *maker) snapshot(ctx context.Context) error {
	head, err := b.Database.Head(ctx)
	if err != nil {
		return err
	}
	origin, err := b.LogOrigin(ctx)
	if err != nil {
		return err
	}
	b.manifest.Ledger = Ledger{Origin: origin, Size: head.Size, Root: head.Root, Time: head.Time.UTC()}
	if b.manifest.Schema, err = b.Database.SchemaVersion(ctx); err != nil {
		return err
	}
	small, err := b.After()
	if err != nil {
		return err
	}
	if err := b.small(small); err != nil {
		return err
	}
	if err := b.readKeys(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{b.sealKeys, b.tables, b.objects} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// sealKeys writes the key files as a tar archive that only the holder of the
// other key opens.
func (b *maker) sealKeys(context.Context) error {
	if b.KeysTo == nil {
		return nil
	}
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, key := range b.keys {
		header := &tar.Header{Name: key.Name, Mode: 0o600, Size: int64(len(key.Data)), Format: tar.FormatUSTAR}
		if err := w.WriteHeader(header); err != nil {
			return fmt.Errorf("seal the keys: %w", err)
		}
		if _, err := w.Write(key.Data); err != nil {
			return fmt.Errorf("seal the keys: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("seal the keys: %w", err)
	}
	defer clear(plain.Bytes())
	sealed, err := crypto.SealSmall(plain.Bytes(), *b.KeysTo)
	if err != nil {
		return err
	}
	b.manifest.KeysFor = b.KeysTo.Fingerprint()
	return b.out.part(KeysPart, sealed)
}

func (b *maker) tables(ctx context.Context) error {
	tables, err := b.Database.Tables(ctx)
	if err != nil {
		return err
	}
	for _, table := range tables {
		rows, err := b.out.lines(tablesDir+table.Name, b.Database.TableRows(ctx, table))
		if err != nil {
			return err
		}
		b.manifest.Tables = append(b.manifest.Tables, newTable(table, rows))
	}
	return nil
}

func (b *maker) objects(ctx context.Context) error {
	lines := func(yield func([]byte, error) bool) {
		for object, err := range b.Database.StoredObjects(ctx) {
			var line []byte
			if err == nil {
				line, err = json.Marshal(newObject(object))
				b.manifest.Objects.Count += int64(len(object.Segments))
				b.manifest.Objects.Bytes += object.Size
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
	_, err := b.out.lines(objectsDir, lines)
	return err
}

// Package ledgertest helps tests that write to a ledger: a log in memory whose
// every column can be tampered with, a check that belongs after every step, and
// a second place that fails on demand.
package ledgertest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
)

// MemoryLog is a whole log in memory. Its fields are the tables a database has;
// tests change them to tamper. It is a ledger.Source and a tlog.HashReader. Not
// safe for concurrent use.
type MemoryLog struct {
	Rows   []ledger.Record
	Stored []ledger.StoredHash
	Row    ledger.Head // the head row
}

// NewMemoryLog is an empty log.
func NewMemoryLog() *MemoryLog {
	return &MemoryLog{Row: ledger.Head{Root: mustRoot(0, nil)}}
}

// Append adds an entry as of instant at, as a database does: leaf, columns,
// hashes and head.
func (m *MemoryLog) Append(e ledger.Entry, at time.Time) (ledger.Record, error) {
	leaf, salt, details, err := ledger.Build(e, at, rand.Reader)
	if err != nil {
		return ledger.Record{}, err
	}
	return m.AppendRaw(leaf, salt, details)
}

// AppendRaw adds an entry that was built before, such as one of another log.
func (m *MemoryLog) AppendRaw(leaf, salt, details []byte) (ledger.Record, error) {
	rec, err := ledger.NewRecord(m.Row.Size, leaf, salt, details)
	if err != nil {
		return ledger.Record{}, err
	}
	hashes, err := ledger.Hashes(rec.Index, leaf, m)
	if err != nil {
		return ledger.Record{}, err
	}
	for _, h := range hashes {
		m.Stored = append(m.Stored, ledger.StoredHash{Index: int64(len(m.Stored)), Hash: h})
	}
	m.Rows = append(m.Rows, rec)
	size := m.Row.Size + 1
	m.Row = ledger.Head{Size: size, Root: mustRoot(size, m), Time: rec.Time}
	return rec, nil
}

// Redact removes the details of an entry and appends the entry that says so.
func (m *MemoryLog) Redact(r ledger.Redaction, at time.Time) error {
	if _, err := m.Append(r.Entry(), at); err != nil {
		return err
	}
	m.Rows[r.Index].Details, m.Rows[r.Index].Salt = nil, nil
	return nil
}

// Rebuild computes every column, hash and the head anew from the leaves, like an
// attacker who knows the format.
func (m *MemoryLog) Rebuild() error {
	fresh := NewMemoryLog()
	for _, r := range m.Rows {
		if _, err := fresh.AppendRaw(r.Leaf, r.Salt, r.Details); err != nil {
			return err
		}
	}
	*m = *fresh
	return nil
}

// Clone is a copy that can be tampered with.
func (m *MemoryLog) Clone() *MemoryLog {
	c := &MemoryLog{Rows: slices.Clone(m.Rows), Stored: slices.Clone(m.Stored), Row: m.Row}
	for i, r := range c.Rows {
		c.Rows[i].IDs = maps.Clone(r.IDs)
		c.Rows[i].Leaf = slices.Clone(r.Leaf)
		c.Rows[i].Salt = slices.Clone(r.Salt)
		c.Rows[i].Details = slices.Clone(r.Details)
	}
	return c
}

// Tree is the head as a tree.
func (m *MemoryLog) Tree() tlog.Tree { return m.Row.Tree() }

// Head implements ledger.Source.
func (m *MemoryLog) Head(ctx context.Context) (ledger.Head, error) { return m.Row, ctx.Err() }

// Records implements ledger.Source.
func (m *MemoryLog) Records(ctx context.Context, from int64) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		for _, r := range m.Rows {
			if r.Index >= from && !yield(r, ctx.Err()) {
				return
			}
		}
	}
}

// Hashes implements ledger.Source.
func (m *MemoryLog) Hashes(ctx context.Context) iter.Seq2[ledger.StoredHash, error] {
	return func(yield func(ledger.StoredHash, error) bool) {
		for _, h := range m.Stored {
			if !yield(h, ctx.Err()) {
				return
			}
		}
	}
}

// ReadHashes implements tlog.HashReader.
func (m *MemoryLog) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(m.Stored)) {
			return nil, fmt.Errorf("no stored hash %d", x)
		}
		out[i] = m.Stored[x].Hash
	}
	return out, nil
}

func mustRoot(size int64, r tlog.HashReader) tlog.Hash {
	h, err := tlog.TreeHash(size, r)
	if err != nil {
		panic(err) // the hashes were stored by this package a moment ago
	}
	return h
}

// Fill appends n plausible entries, a second apart from start on, and fails the
// run when one is refused.
func (m *MemoryLog) Fill(n int, start time.Time) error {
	kinds := []ledger.Kind{ledger.DatasetRegistered, ledger.RecipientApproved, ledger.RequestApproved, ledger.ProvisionIssued, ledger.DownloadOpened}
	for i := range n {
		e := ledger.Entry{
			Kind:    kinds[i%len(kinds)],
			IDs:     map[string]string{"dataset": fmt.Sprintf("ds-%06d", i%7), "version": "1", "recipient": "r-1", "provision": fmt.Sprintf("p-%06d", i), "actor": "u-1"},
			Details: map[string]any{"number": i, "purpose": "statistics of prescriptions, 処方の統計"},
			Retain:  start.Add(time.Duration(n) * time.Second),
		}
		if e.Kind == ledger.ProvisionIssued {
			e.ManifestSHA256 = hex.EncodeToString(make([]byte, 32))
		}
		if _, err := m.Append(e, start.Add(time.Duration(i)*time.Second)); err != nil {
			return err
		}
	}
	return nil
}

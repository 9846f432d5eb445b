package ledger

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// MaxReceiptSize bounds a receipt in bytes: leaf in base64, at most 40 hashes,
// checkpoint.
const MaxReceiptSize = 2*MaxLeafSize + 64*45 + MaxCheckpointSize

const proofHeader = "c2sp.org/tlog-proof@v1\n"

// ErrReceipt is wrapped by every refusal of VerifyReceipt.
var ErrReceipt = errors.New("receipt not accepted")

// Receipt proves that an entry stands in a log whose issuer signed for it. The
// zero value proves nothing; VerifyReceipt alone makes others.
type Receipt struct {
	index      int64
	leafBytes  []byte
	leaf       Leaf
	checkpoint Checkpoint
	text       []byte
}

// Index is the entry's number in the log, from 0.
func (r Receipt) Index() int64 { return r.index }

// Leaf is the entry as it was hashed.
func (r Receipt) Leaf() Leaf { return r.leaf }

// LeafBytes is the entry as it was hashed, in its own bytes.
func (r Receipt) LeafBytes() []byte { return bytes.Clone(r.leafBytes) }

// Checkpoint is the signed checkpoint the proof leads to.
func (r Receipt) Checkpoint() Checkpoint { return r.checkpoint }

// Time is when the entry was committed.
func (r Receipt) Time() time.Time { return r.leaf.Time }

// Text is the receipt as it is handed out, RECEIPT.tlog-proof.
func (r Receipt) Text() []byte { return bytes.Clone(r.text) }

// IsZero reports whether r proves nothing.
func (r Receipt) IsZero() bool { return r.text == nil }

// WriteReceipt makes the receipt (C2SP tlog-proof, with the leaf as its extra
// data) of entry index from the stored hashes and a checkpoint that covers it.
// The checkpoint is taken as it is: it comes from the Publisher.
func WriteReceipt(index int64, leaf []byte, r tlog.HashReader, checkpoint []byte) ([]byte, error) {
	c, err := ParseCheckpoint(checkpoint)
	if err != nil {
		return nil, err
	}
	if index < 0 || index >= c.Tree.N {
		return nil, fmt.Errorf("the checkpoint covers %d entries, not entry %d", c.Tree.N, index)
	}
	proof, err := tlog.ProveRecord(c.Tree.N, index, r)
	if err != nil {
		return nil, fmt.Errorf("prove entry %d: %w", index, err)
	}
	// A receipt that does not hold must not leave: stored hashes may be damaged.
	if err := tlog.CheckRecord(proof, c.Tree.N, c.Tree.Hash, index, tlog.RecordHash(leaf)); err != nil {
		return nil, fmt.Errorf("entry %d does not lead to the checkpoint of %d entries: %w", index, c.Tree.N, err)
	}
	return formatReceipt(index, leaf, proof, checkpoint), nil
}

func formatReceipt(index int64, extra []byte, proof tlog.RecordProof, checkpoint []byte) []byte {
	b := []byte(proofHeader)
	if extra != nil {
		b = append(b, "extra "...)
		b = base64.StdEncoding.AppendEncode(b, extra)
		b = append(b, '\n')
	}
	b = append(b, "index "...)
	b = strconv.AppendInt(b, index, 10)
	b = append(b, '\n')
	for _, h := range proof {
		b = base64.StdEncoding.AppendEncode(b, h[:])
		b = append(b, '\n')
	}
	b = append(b, '\n')
	return append(b, checkpoint...)
}

// VerifyReceipt checks a receipt with the issuer's checkpoint keys alone. leaf
// is the entry it must speak of; nil takes the one the receipt carries. Errors
// wrap ErrReceipt.
func VerifyReceipt(text, leaf []byte, verifiers ...Verifier) (Receipt, error) {
	p, err := parseReceipt(text)
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	switch {
	case leaf == nil:
		leaf = p.extra
	case p.extra != nil && !bytes.Equal(leaf, p.extra):
		return Receipt{}, fmt.Errorf("%w: it is for another entry", ErrReceipt)
	}
	l, err := ParseLeaf(leaf)
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	c, err := OpenCheckpoint(p.checkpoint, verifiers...)
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	if err := tlog.CheckRecord(p.proof, c.Tree.N, c.Tree.Hash, p.index, tlog.RecordHash(leaf)); err != nil {
		return Receipt{}, fmt.Errorf("%w: the entry does not lead to its checkpoint: %w", ErrReceipt, err)
	}
	return Receipt{index: p.index, leafBytes: bytes.Clone(leaf), leaf: l, checkpoint: c, text: bytes.Clone(text)}, nil
}

type parsedReceipt struct {
	extra      []byte // nil when absent
	index      int64
	proof      tlog.RecordProof
	checkpoint []byte
}

func parseReceipt(text []byte) (parsedReceipt, error) {
	var p parsedReceipt
	if len(text) > MaxReceiptSize {
		return p, errors.New("longer than a receipt can be")
	}
	head, checkpoint, ok := strings.Cut(string(text), "\n\n")
	body, isProof := strings.CutPrefix(head+"\n", proofHeader)
	if !ok || !isProof {
		return p, errors.New("no tlog-proof file")
	}
	p.checkpoint = []byte(checkpoint)
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	if extra, ok := strings.CutPrefix(lines[0], "extra "); ok {
		b, err := base64.StdEncoding.Strict().DecodeString(extra)
		if err != nil {
			return p, errors.New("its extra line is malformed")
		}
		p.extra, lines = b, lines[1:]
	}
	if err := p.parseProof(lines); err != nil {
		return p, err
	}
	if !bytes.Equal(formatReceipt(p.index, p.extra, p.proof, p.checkpoint), text) {
		return p, errors.New("not in its one canonical form")
	}
	return p, nil
}

// parseProof reads the index line and the hashes after it.
func (p *parsedReceipt) parseProof(lines []string) error {
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return errors.New("no index line")
	}
	index, err := strconv.ParseInt(lines[0][len("index "):], 10, 64)
	if err != nil || index < 0 {
		return errors.New("its index is no number")
	}
	p.index = index
	for _, line := range lines[1:] {
		h, err := parseHash(line)
		if err != nil {
			return fmt.Errorf("its proof: %w", err)
		}
		p.proof = append(p.proof, h)
	}
	return nil
}

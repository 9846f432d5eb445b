package ledger

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Limits of a checkpoint.
const (
	MaxCheckpointSize = 16 << 10 // bytes, with its signatures
	MaxTreeSize       = 1 << 40  // entries; keeps the index arithmetic of tlog far from overflow
)

// ErrCheckpoint is wrapped by every refusal of OpenCheckpoint: the text is no
// checkpoint of the expected log, or nobody we trust has signed it.
var ErrCheckpoint = errors.New("checkpoint not accepted")

// Checkpoint is a signed statement of a log's size and root hash (C2SP
// tlog-checkpoint).
type Checkpoint struct {
	Origin string // ORIGIN/ledger/N
	Tree   tlog.Tree
	Text   []byte // the whole signed note
}

// LogOrigin is the first line of the checkpoints of an issuer's log number n,
// counted from 1; n grows only with a forced restore.
func LogOrigin(issuer string, n int) string { return issuer + "/ledger/" + strconv.Itoa(n) }

// signs reports whether a key of this name may sign for the log: the key of the
// log itself, or the key of the issuer for any of its logs.
func signs(name, origin string) bool {
	number, ok := strings.CutPrefix(origin, name+"/ledger/")
	n, err := strconv.Atoi(number)
	return name == origin || ok && err == nil && n > 0 && strconv.Itoa(n) == number
}

// GenerateKey makes an Ed25519 key pair that signs checkpoints, both halves in
// the form of C2SP signed-note. skey is secret. name is the issuer's origin.
func GenerateKey(rand io.Reader, name string) (skey, vkey string, err error) {
	return note.GenerateKey(rand, name)
}

// Signer signs the checkpoints of one log.
type Signer struct {
	origin string
	keys   []note.Signer
}

// NewSigner makes the signer of the log named origin from secret keys in
// signed-note form; with several (while a key is being replaced) each signs.
// No error repeats a key.
func NewSigner(origin string, skeys ...string) (Signer, error) {
	s := Signer{origin: origin}
	for _, skey := range skeys {
		key, err := note.NewSigner(skey)
		if err != nil {
			return Signer{}, fmt.Errorf("checkpoint signing key: %w", err)
		}
		if !signs(key.Name(), origin) {
			return Signer{}, fmt.Errorf("the checkpoint key of %q cannot sign for the log %q", key.Name(), origin)
		}
		s.keys = append(s.keys, key)
	}
	if len(s.keys) == 0 {
		return Signer{}, errors.New("a checkpoint needs a signing key")
	}
	return s, nil
}

// Origin is the log the signer signs for.
func (s Signer) Origin() string { return s.origin }

// Sign makes the checkpoint of tree.
func (s Signer) Sign(tree tlog.Tree) ([]byte, error) {
	return note.Sign(&note.Note{Text: checkpointText(s.origin, tree)}, s.keys...)
}

func checkpointText(origin string, tree tlog.Tree) string {
	return origin + "\n" + strconv.FormatInt(tree.N, 10) + "\n" + tree.Hash.String() + "\n"
}

// Verifier is a public checkpoint key, with the size from which it no longer
// counts.
type Verifier struct {
	key   note.Verifier
	until int64 // 0: no end
}

// NewVerifier reads a verifier key in signed-note form.
func NewVerifier(vkey string) (Verifier, error) {
	key, err := note.NewVerifier(vkey)
	if err != nil {
		return Verifier{}, fmt.Errorf("checkpoint verifier key: %w", err)
	}
	return Verifier{key: key}, nil
}

// RevokedFrom is v without the checkpoints that cover entry index or a later
// one: what a revocation at that index leaves of a key.
func (v Verifier) RevokedFrom(index int64) Verifier {
	v.until = index + 1
	return v
}

// accepts reports whether v is among the signatures and may speak for the tree.
func (v Verifier) accepts(sigs []note.Signature, origin string, tree tlog.Tree) bool {
	ofKey := func(s note.Signature) bool { return s.Name == v.key.Name() && s.Hash == v.key.KeyHash() }
	return signs(v.key.Name(), origin) && (v.until == 0 || tree.N < v.until) && slices.ContainsFunc(sigs, ofKey)
}

// OpenCheckpoint reads a checkpoint that at least one of the verifiers signed.
// Errors wrap ErrCheckpoint.
func OpenCheckpoint(text []byte, verifiers ...Verifier) (Checkpoint, error) {
	c, err := ParseCheckpoint(text)
	if err != nil {
		return Checkpoint{}, err
	}
	keys := make([]note.Verifier, len(verifiers))
	for i, v := range verifiers {
		keys[i] = v.key
	}
	n, err := note.Open(text, note.VerifierList(keys...))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	accepts := func(v Verifier) bool { return v.accepts(n.Sigs, c.Origin, c.Tree) }
	if !slices.ContainsFunc(verifiers, accepts) {
		return Checkpoint{}, fmt.Errorf("%w: its signing key does not sign for %s at %d entries", ErrCheckpoint, c.Origin, c.Tree.N)
	}
	return c, nil
}

// ParseCheckpoint reads a checkpoint without looking at its signatures: only for
// one that this program has opened before and kept itself. Errors wrap
// ErrCheckpoint.
func ParseCheckpoint(text []byte) (Checkpoint, error) {
	bad := func(why string) (Checkpoint, error) {
		return Checkpoint{}, fmt.Errorf("%w: %s", ErrCheckpoint, why)
	}
	if len(text) > MaxCheckpointSize {
		return bad("longer than a checkpoint can be")
	}
	// The signature block starts at the last blank line, so this one is the only.
	body, sigs, ok := strings.Cut(string(text), "\n\n")
	if !ok || !strings.HasPrefix(sigs, "— ") || strings.Contains(sigs, "\n\n") {
		return bad("no signed note")
	}
	lines := strings.Split(body, "\n")
	if len(lines) < 3 || slices.Contains(lines, "") {
		return bad("a checkpoint starts with origin, size and root hash")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || size > MaxTreeSize || strconv.FormatInt(size, 10) != lines[1] {
		return bad("its size is no number of entries")
	}
	root, err := parseHash(lines[2])
	if err != nil {
		return bad("its root hash is malformed")
	}
	if empty, _ := tlog.TreeHash(0, nil); size == 0 && root != empty {
		return bad("its root hash is not that of an empty log")
	}
	return Checkpoint{Origin: lines[0], Tree: tlog.Tree{N: size, Hash: root}, Text: slices.Clone(text)}, nil
}

// parseHash reads a hash in its one base64 spelling, which tlog.ParseHash does
// not insist on.
func parseHash(s string) (tlog.Hash, error) {
	var h tlog.Hash
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(h) || len(s) != base64.StdEncoding.EncodedLen(len(h)) {
		return h, errors.New("malformed hash")
	}
	return tlog.Hash(b), nil
}

package ledger_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"teikyo/ledger"
)

func TestReceipt(t *testing.T) {
	t.Parallel()
	keys := newIssuer(t)
	for _, size := range []int{1, 2, 3, 7, 8, 300} {
		log := filled(t, size)
		for _, index := range []int64{0, int64(size / 2), int64(size - 1)} {
			text := keys.receipt(t, log, index)
			r, err := ledger.VerifyReceipt(text, nil, keys.verifier)
			if err != nil {
				t.Fatalf("entry %d of %d: %v", index, size, err)
			}
			if r.IsZero() || r.Index() != index || !bytes.Equal(r.LeafBytes(), log.Rows[index].Leaf) || !bytes.Equal(r.Text(), text) ||
				!r.Time().Equal(log.Rows[index].Time) || r.Checkpoint().Tree != log.Tree() || r.Leaf().Kind != log.Rows[index].Kind {
				t.Errorf("entry %d of %d: receipt = %+v", index, size, r)
			}
			if _, err := ledger.VerifyReceipt(text, log.Rows[index].Leaf, keys.verifier); err != nil {
				t.Errorf("with its leaf: %v", err)
			}
		}
	}
}

func TestWriteReceiptRefuses(t *testing.T) {
	t.Parallel()
	keys, log := newIssuer(t), filled(t, 6)
	checkpoint := keys.sign(t, log.Tree())
	if _, err := ledger.WriteReceipt(6, log.Rows[5].Leaf, log, checkpoint); err == nil {
		t.Error("wrote a receipt for an entry that the checkpoint does not cover")
	}
	if _, err := ledger.WriteReceipt(4, log.Rows[5].Leaf, log, checkpoint); err == nil {
		t.Error("wrote a receipt for another entry's leaf")
	}
	log.Stored[4].Hash[0] ^= 1 // of entry 3, its sibling
	if _, err := ledger.WriteReceipt(2, log.Rows[2].Leaf, log, checkpoint); err == nil {
		t.Error("wrote a receipt from a damaged hash")
	}
}

func TestReceiptRefused(t *testing.T) {
	t.Parallel()
	keys, log := newIssuer(t), filled(t, 6)
	text := string(keys.receipt(t, log, 4))
	encoded := base64.StdEncoding.EncodeToString(log.Rows[4].Leaf)
	otherLeaf := base64.StdEncoding.EncodeToString(log.Rows[3].Leaf)
	tests := map[string]string{
		"empty":              "",
		"other header":       strings.Replace(text, "@v1", "@v2", 1),
		"other entry":        strings.Replace(text, encoded, otherLeaf, 1),
		"other index":        strings.Replace(text, "index 4", "index 5", 1),
		"index beyond":       strings.Replace(text, "index 4", "index 400", 1),
		"index negative":     strings.Replace(text, "index 4", "index -4", 1),
		"index with a zero":  strings.Replace(text, "index 4", "index 04", 1),
		"no index":           strings.Replace(text, "index 4\n", "", 1),
		"a hash too many":    strings.Replace(text, "index 4\n", "index 4\n"+log.Row.Root.String()+"\n", 1),
		"size of checkpoint": strings.Replace(text, "/1\n6\n", "/1\n7\n", 1),
		"two lines of extra": strings.Replace(text, "index", "extra AAAA\nindex", 1),
		"no leaf":            strings.Replace(text, "extra "+encoded+"\n", "", 1),
		"cut":                text[:len(text)/2],
		"too long":           text + strings.Repeat("— x aaaa\n", 10000),
	}
	for name, text := range tests {
		if _, err := ledger.VerifyReceipt([]byte(text), nil, keys.verifier); !errors.Is(err, ledger.ErrReceipt) {
			t.Errorf("%s: VerifyReceipt = %v, want ErrReceipt", name, err)
		}
	}
	bare := []byte(tests["no leaf"])
	if _, err := ledger.VerifyReceipt(bare, log.Rows[4].Leaf, keys.verifier); err != nil {
		t.Errorf("without extra but with the leaf: %v", err)
	}
	for name, b := range map[string][]byte{"with extra": []byte(text), "bare": bare} {
		if _, err := ledger.VerifyReceipt(b, log.Rows[3].Leaf, keys.verifier); !errors.Is(err, ledger.ErrReceipt) {
			t.Errorf("%s, for another leaf: %v", name, err)
		}
	}
	if _, err := ledger.VerifyReceipt([]byte(text), nil, newIssuer(t).verifier); !errors.Is(err, ledger.ErrReceipt) {
		t.Errorf("another issuer's: %v", err)
	}
}

// Every byte counts: a receipt that was changed anywhere is refused. (Base64 of
// the signature's trailing bits is the one place where the note format itself
// leaves a choice; it changes no meaning.)
func TestReceiptEveryByte(t *testing.T) {
	t.Parallel()
	keys, log := newIssuer(t), filled(t, 6)
	text := keys.receipt(t, log, 4)
	want, err := ledger.VerifyReceipt(text, nil, keys.verifier)
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		changed := bytes.Clone(text)
		changed[i] ^= 1
		r, err := ledger.VerifyReceipt(changed, nil, keys.verifier)
		if err == nil && (r.Index() != want.Index() || !bytes.Equal(r.LeafBytes(), want.LeafBytes()) || r.Checkpoint().Tree != want.Checkpoint().Tree) {
			t.Errorf("byte %d changed: accepted as %s", i, r.Text())
		}
		if err == nil && i < len(text)-4 {
			t.Errorf("byte %d changed from %q to %q: accepted", i, text[i], changed[i])
		}
	}
}

func FuzzVerifyReceipt(f *testing.F) {
	keys, log := newIssuer(f), filled(f, 6)
	f.Add(keys.receipt(f, log, 4))
	f.Add(keys.receipt(f, log, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ledger.VerifyReceipt(b, nil, keys.verifier)
		if err != nil {
			if !errors.Is(err, ledger.ErrReceipt) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		if r.Checkpoint().Tree != log.Tree() || !bytes.Equal(r.LeafBytes(), log.Rows[r.Index()].Leaf) {
			t.Fatalf("accepted a forged receipt: %q", b)
		}
	})
}

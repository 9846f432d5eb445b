package crypto

import (
	"bufio"
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"
)

// MaxHeaderSize bounds the headers that are read, in bytes. Ours are 168 or
// 1,627; others write one stanza for each of their recipients.
const MaxHeaderSize = 8 << 10

// stanzaBody is the sealed file key: one line of base64, short enough that no
// second line has to follow.
const stanzaBody = 16 + ChunkOverhead

var (
	// ErrHeader: malformed, too long, not canonical, or its MAC is wrong.
	ErrHeader = errors.New("crypto: this is not the header of an age file, or it was altered")
	// ErrWrongIdentity: none of the keys opens the header.
	ErrWrongIdentity = errors.New("crypto: sealed to another key than the given ones")
)

// WriteHeader wraps key for r in a new age header of exactly r.HeaderSize()
// bytes: one recipient, one stanza (C2SP age.md, "Header"). Headers are random:
// two for the same key and recipient differ.
func WriteHeader(key FileKey, r Recipient) ([]byte, error) {
	stanza, err := wrapStanza(key, r)
	if err != nil {
		return nil, err
	}
	header := make([]byte, 0, r.HeaderSize())
	header = append(header, "age-encryption.org/v1\n-> "...)
	header = append(header, strings.Join(append([]string{stanza.Type}, stanza.Args...), " ")...)
	header = append(header, '\n')
	header = base64.RawStdEncoding.AppendEncode(header, stanza.Body)
	header = append(header, "\n---"...)
	mac, err := headerMAC(key, header)
	if err != nil {
		return nil, err
	}
	header = append(header, ' ')
	header = base64.RawStdEncoding.AppendEncode(header, mac)
	header = append(header, '\n')
	if len(header) != r.HeaderSize() {
		return nil, fmt.Errorf("crypto: header of %d bytes instead of %d", len(header), r.HeaderSize())
	}
	return header, nil
}

// wrapStanza enforces age's rules again, since we build the header ourselves:
// the label of a key must be the one of its kind, so that no classic stanza
// stands in for a post-quantum one, and a passphrase never appears.
func wrapStanza(key FileKey, r Recipient) (*age.Stanza, error) {
	if r.key == nil {
		return nil, ErrBadKey
	}
	wantType, wantLabels := "X25519", []string(nil)
	if r.pq {
		wantType, wantLabels = "mlkem768x25519", []string{"postquantum"}
	}
	stanzas, labels, err := wrapWithLabels(key, r.key)
	if err != nil {
		return nil, fmt.Errorf("crypto: wrapping for %s: %w", r.Fingerprint(), err)
	}
	ours := len(stanzas) == 1 && stanzas[0].Type == wantType && slices.Equal(labels, wantLabels)
	if !ours || len(stanzas[0].Body) != stanzaBody {
		return nil, fmt.Errorf("crypto: wrapping for %s gave an unexpected stanza", r.Fingerprint())
	}
	return stanzas[0], nil
}

func wrapWithLabels(key FileKey, r age.Recipient) ([]*age.Stanza, []string, error) {
	if labelled, ok := r.(age.RecipientWithLabels); ok {
		return labelled.WrapWithLabels(key[:])
	}
	stanzas, err := r.Wrap(key[:])
	return stanzas, nil, err
}

func headerMAC(key FileKey, upToDashes []byte) ([]byte, error) {
	macKey, err := hkdf.Key(sha256.New, key[:], nil, "header", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("crypto: deriving the header key: %w", err)
	}
	defer clear(macKey)
	mac := hmac.New(sha256.New, macKey)
	mac.Write(upToDashes)
	return mac.Sum(nil), nil
}

// WriteHeaders returns a header pack: one header for each key in order, each of
// r.HeaderSize() bytes. It works on all cores.
func WriteHeaders(keys []FileKey, r Recipient) ([]byte, error) {
	size := r.HeaderSize()
	pack := make([]byte, len(keys)*size)
	var group errgroup.Group
	workers := min(runtime.GOMAXPROCS(0), len(keys))
	for w := range workers {
		group.Go(func() error {
			for i := w; i < len(keys); i += workers {
				header, err := WriteHeader(keys[i], r)
				if err != nil {
					return err
				}
				copy(pack[i*size:], header)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return pack, nil
}

// ReadHeader unwraps the file key of a header, which must be whole and alone.
// The errors are ErrHeader and ErrWrongIdentity.
func ReadHeader(header []byte, id Identity) (FileKey, error) {
	if len(header) > MaxHeaderSize || !canonicalHeader(header) {
		return FileKey{}, ErrHeader
	}
	key, err := age.DecryptHeader(header, id.keys...)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok || len(id.keys) == 0 {
		return FileKey{}, ErrWrongIdentity
	}
	if err != nil || len(key) != len(FileKey{}) {
		return FileKey{}, ErrHeader
	}
	defer clear(key)
	return FileKey(key), nil
}

func canonicalHeader(header []byte) bool {
	parsed, err := age.ExtractHeader(bytes.NewReader(header))
	return err == nil && bytes.Equal(parsed, header)
}

// SplitHeader reads the header at the start of an age file and returns it with
// the reader of the payload that follows. At most MaxHeaderSize bytes are looked
// at; ErrHeader when they hold no header.
func SplitHeader(file io.Reader) (header []byte, payload io.Reader, err error) {
	r := bufio.NewReaderSize(file, MaxHeaderSize)
	start, readErr := r.Peek(MaxHeaderSize)
	header, err = age.ExtractHeader(bytes.NewReader(start))
	switch {
	case err != nil && readErr != nil && !errors.Is(readErr, io.EOF):
		return nil, nil, &SourceError{readErr}
	case err != nil || !bytes.HasPrefix(start, header):
		return nil, nil, ErrHeader
	}
	_, err = r.Discard(len(header))
	return header, r, err
}

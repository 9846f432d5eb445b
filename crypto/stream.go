package crypto

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// Sizes of the age payload (C2SP age.md, "Payload"), in bytes.
const (
	// ChunkSize is the plaintext size of every chunk but the last.
	ChunkSize = 64 * 1024
	// ChunkOverhead is the size of the authentication tag of a chunk.
	ChunkOverhead = chacha20poly1305.Overhead
	// PayloadNonceSize is the size of the nonce at the start of a payload.
	PayloadNonceSize = 16

	sealedChunk = ChunkSize + ChunkOverhead
)

// ErrPayload says that a payload is cut, altered, or sealed with another key.
var ErrPayload = errors.New("crypto: the sealed data is cut, altered or of another file key")

// SourceError is the failure of the reader that data came from, apart from our
// own errors. A source that ends with io.ErrUnexpectedEOF has failed too.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return "crypto: reading the source: " + e.Err.Error() }

// Unwrap returns the error of the source.
func (e *SourceError) Unwrap() error { return e.Err }

// PayloadSize is the payload size for plain bytes of plaintext: 16 bytes of
// nonce, the plaintext and 16 bytes a chunk. An empty plaintext has one chunk.
func PayloadSize(plain int64) int64 {
	chunks := max(1, (plain+ChunkSize-1)/ChunkSize)
	return PayloadNonceSize + plain + chunks*ChunkOverhead
}

// PlainSize is the inverse of PayloadSize; ErrPayload when no plaintext has
// that payload size.
func PlainSize(payload int64) (int64, error) {
	body := payload - PayloadNonceSize
	chunks := (body + sealedChunk - 1) / sealedChunk
	plain := body - chunks*ChunkOverhead
	if body < ChunkOverhead || PayloadSize(plain) != payload {
		return 0, ErrPayload
	}
	return plain, nil
}

// Stream seals and opens the chunks of one payload, each by itself and at any
// index. It is safe for concurrent use.
type Stream struct{ aead cipher.AEAD }

// NewStream derives the payload key from the file key and the payload's nonce.
func NewStream(key FileKey, nonce [PayloadNonceSize]byte) (*Stream, error) {
	k, err := hkdf.Key(sha256.New, key[:], nonce[:], "payload", chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("crypto: deriving the payload key: %w", err)
	}
	defer clear(k)
	aead, err := chacha20poly1305.New(k)
	if err != nil {
		return nil, fmt.Errorf("crypto: payload cipher: %w", err)
	}
	return &Stream{aead: aead}, nil
}

// SealChunk appends the sealed chunk to dst. plain must be ChunkSize bytes, or
// for the last chunk at most that; dst may be plain[:0].
func (s *Stream) SealChunk(dst, plain []byte, index uint64, last bool) []byte {
	nonce := chunkNonce(index, last)
	return s.aead.Seal(dst, nonce[:], plain, nil)
}

// OpenChunk appends the plaintext of a sealed chunk to dst, or returns
// ErrPayload. dst may be sealed[:0].
func (s *Stream) OpenChunk(dst, sealed []byte, index uint64, last bool) ([]byte, error) {
	wrongSize := len(sealed) != sealedChunk && !last ||
		len(sealed) > sealedChunk || len(sealed) < ChunkOverhead ||
		len(sealed) == ChunkOverhead && index > 0
	if wrongSize {
		return nil, ErrPayload
	}
	nonce := chunkNonce(index, last)
	plain, err := s.aead.Open(dst, nonce[:], sealed, nil)
	if err != nil {
		return nil, ErrPayload
	}
	return plain, nil
}

func chunkNonce(index uint64, last bool) (nonce [chacha20poly1305.NonceSize]byte) {
	binary.BigEndian.PutUint64(nonce[3:11], index)
	if last {
		nonce[11] = 1
	}
	return nonce
}

package crypto

import (
	"fmt"
	"io"
	"log/slog"
)

const redactedText = "[redacted]"

// redacted is embedded in every type that holds a secret, so that no verb of
// fmt, no encoder and no logger prints it.
type redacted struct{}

// String returns "[redacted]".
func (redacted) String() string { return redactedText }

// GoString returns "[redacted]".
func (redacted) GoString() string { return redactedText }

// Format writes "[redacted]" for every verb.
func (redacted) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedText) }

// MarshalJSON returns the JSON string "[redacted]".
func (redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedText + `"`), nil }

// MarshalText returns "[redacted]".
func (redacted) MarshalText() ([]byte, error) { return []byte(redactedText), nil }

// LogValue returns "[redacted]".
func (redacted) LogValue() slog.Value { return slog.StringValue(redactedText) }

// FileKey is the 16-byte age file key of one sealed content. It prints as
// "[redacted]".
type FileKey [16]byte

// NewFileKey reads a fresh key from rand.
func NewFileKey(rand io.Reader) (FileKey, error) {
	var k FileKey
	if _, err := io.ReadFull(rand, k[:]); err != nil {
		return FileKey{}, fmt.Errorf("crypto: reading randomness for a file key: %w", err)
	}
	return k, nil
}

// String returns "[redacted]".
func (FileKey) String() string { return redactedText }

// GoString returns "[redacted]".
func (FileKey) GoString() string { return redactedText }

// Format writes "[redacted]" for every verb.
func (FileKey) Format(f fmt.State, verb rune) { redacted{}.Format(f, verb) }

// MarshalJSON returns the JSON string "[redacted]".
func (FileKey) MarshalJSON() ([]byte, error) { return redacted{}.MarshalJSON() }

// MarshalText returns "[redacted]".
func (FileKey) MarshalText() ([]byte, error) { return redacted{}.MarshalText() }

// LogValue returns "[redacted]".
func (FileKey) LogValue() slog.Value { return redacted{}.LogValue() }

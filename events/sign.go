package events

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"teikyo/models"
)

// Standard Webhooks, specification 1.0.0: secrets are 24 to 64 random bytes,
// shown in base64 behind a prefix; a signature is HMAC-SHA256 of id, timestamp and
// body with dots between, marked v1, and several are parted by a space.
const (
	secretPrefix = "whsec_"
	secretSize   = 32 // bytes
	version1     = "v1,"
)

// newSecret makes a signing secret.
func newSecret(rand io.Reader) ([]byte, error) {
	secret := make([]byte, secretSize)
	if _, err := io.ReadFull(rand, secret); err != nil {
		return nil, models.Wrap(models.Internal, err, "no randomness for a secret")
	}
	return secret, nil
}

// secretText is the secret as its receiver keeps it.
func secretText(secret []byte) string {
	return secretPrefix + base64.StdEncoding.EncodeToString(secret)
}

// sign gives the value of webhook-signature.
func sign(secrets [][]byte, id string, at time.Time, body []byte) string {
	var signatures []string
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		signatures = append(signatures, version1+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(signatures, " ")
}

// message is the body of a webhook: identifiers alone.
type message struct {
	Type      string      `json:"type"`
	Timestamp time.Time   `json:"timestamp"`
	Data      messageData `json:"data"`
}

type messageData struct {
	Index  *int64            `json:"index,omitempty"` // of the ledger entry
	IDs    map[string]string `json:"ids"`
	Cursor string            `json:"cursor,omitempty"` // goes on in the feed after this event
}

// body is the message of an event.
func (e Event) body() ([]byte, error) {
	return message{string(e.Kind), e.Time.UTC(), messageData{&e.Index, e.IDs, e.Cursor()}}.json()
}

// testBody is the message of something that is in no ledger.
func (e Event) testBody() ([]byte, error) {
	return message{string(e.Kind), e.Time.UTC(), messageData{IDs: e.IDs}}.json()
}

func (m message) json() ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, models.Wrap(models.Internal, err, "the message could not be made")
	}
	return text, nil
}

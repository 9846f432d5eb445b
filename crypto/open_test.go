package crypto_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	agetest "c2sp.org/CCTV/age"
	"filippo.io/age"
	"pgregory.net/rapid"

	"teikyo/crypto"
)

// vector is a test file of C2SP CCTV: what should happen, with which keys.
type vector struct {
	expect     string
	payload    string // SHA-256 of the plaintext, also of the good part
	fileKey    []byte
	identities string
	passphrase bool
	file       []byte
}

func (v vector) opens() bool { return v.expect == "success" || v.expect == "payload failure" }

func readVector(t *testing.T, name string) vector {
	t.Helper()
	data, err := fs.ReadFile(agetest.Vectors, name)
	check(t, err)
	head, body, _ := bytes.Cut(data, []byte("\n\n"))
	v := vector{file: body}
	var armored, compressed bool
	for line := range strings.Lines(string(head)) {
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "expect":
			v.expect = value
		case "payload":
			v.payload = value
		case "file key":
			v.fileKey, err = hex.DecodeString(value)
			check(t, err)
		case "identity":
			v.identities += value + "\n"
		case "passphrase":
			v.passphrase = true
		case "armored":
			armored = true
		case "compressed":
			compressed = true
		}
	}
	if compressed {
		z, err := zlib.NewReader(bytes.NewReader(v.file))
		check(t, err)
		v.file, err = io.ReadAll(z)
		check(t, err)
	}
	if armored {
		// Parcels have no armour: to our reader it is no header.
		v.expect, v.payload = "header failure", ""
	}
	return v
}

func TestVectors(t *testing.T) {
	t.Parallel()
	names, err := fs.ReadDir(agetest.Vectors, ".")
	check(t, err)
	if len(names) < 100 {
		t.Fatalf("only %d vectors", len(names))
	}
	for _, entry := range names {
		t.Run(entry.Name(), func(t *testing.T) {
			t.Parallel()
			v := readVector(t, entry.Name())
			if strings.HasSuffix(entry.Name(), "_nonce") {
				v.expect = "payload failure" // to us the nonce is of the payload
			}
			plain, err := openVector(t, v)
			checkVector(t, v, plain, err)
		})
	}
}

// openVector goes the way of a client: header, key, payload. Passphrases are not
// ours: there the vector's key opens the payload.
func openVector(t *testing.T, v vector) ([]byte, error) {
	header, payload, err := crypto.SplitHeader(bytes.NewReader(v.file))
	if err != nil {
		return nil, err
	}
	var id crypto.Identity
	if v.identities != "" {
		id, err = crypto.ParseIdentity(strings.NewReader(v.identities))
		check(t, err)
	}
	key, err := crypto.ReadHeader(header, id)
	if v.passphrase && errors.Is(err, crypto.ErrWrongIdentity) && v.opens() {
		key, err = crypto.FileKey(v.fileKey), nil
	}
	if err != nil {
		return nil, err
	}
	r, err := crypto.NewOpener(key, payload)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func checkVector(t *testing.T, v vector, plain []byte, err error) {
	t.Helper()
	var want error
	switch v.expect {
	case "success":
	case "payload failure":
		want = crypto.ErrPayload
	case "no match":
		want = crypto.ErrWrongIdentity
	default:
		want = crypto.ErrHeader
	}
	if v.passphrase && !v.opens() {
		want = crypto.ErrWrongIdentity // we know no passphrase, right or wrong
		if errors.Is(err, crypto.ErrHeader) {
			want = crypto.ErrHeader
		}
	}
	if !errors.Is(err, want) {
		t.Fatalf("expected %s, got %v", v.expect, err)
	}
	// age also releases a chunk that is marked as the last when others follow; we
	// release whole chunks before the bad one.
	digest := sha256.Sum256(plain)
	same := v.payload == "" || v.payload == hex.EncodeToString(digest[:])
	if !same && (want == nil || len(plain)%chunk != 0) {
		t.Errorf("released %d other bytes", len(plain))
	}
}

// Whatever is done to a payload, only a beginning of the plaintext comes out,
// and never io.EOF.
func TestTamperedPayload(t *testing.T) {
	t.Parallel()
	key, plain := newKey(t), randomBytes(t, 3*chunk+100)
	payload := seal(t, key, plain, noLimit)
	rapid.Check(t, func(rt *rapid.T) {
		bad := tamper(rt, payload)
		if bytes.Equal(bad, payload) {
			return
		}
		var got []byte
		r, err := crypto.NewOpener(key, bytes.NewReader(bad))
		if err == nil {
			got, err = io.ReadAll(r)
		}
		if !errors.Is(err, crypto.ErrPayload) || !bytes.HasPrefix(plain, got) {
			rt.Fatalf("%v after %d bytes", err, len(got))
		}
		checkTamperedAt(rt, key, bad)
	})
}

func checkTamperedAt(rt *rapid.T, key crypto.FileKey, bad []byte) {
	at, err := crypto.NewOpenerAt(key, bytes.NewReader(bad), int64(len(bad)))
	if err == nil {
		_, err = io.Copy(io.Discard, io.NewSectionReader(at, 0, at.Size()))
	}
	if !errors.Is(err, crypto.ErrPayload) {
		rt.Fatalf("by offset: %v", err)
	}
}

func tamper(rt *rapid.T, payload []byte) []byte {
	bad := bytes.Clone(payload)
	at := rapid.IntRange(0, len(bad)-1).Draw(rt, "at")
	switch rapid.SampledFrom([]string{"flip", "cut", "grow", "swap", "drop"}).Draw(rt, "how") {
	case "flip":
		bad[at] ^= 1 << (at % 8)
	case "cut":
		bad = bad[:at]
	case "grow":
		bad = append(bad, bad[at:]...)
	case "swap":
		copy(bad[nonce:nonce+sealed], payload[nonce+sealed:])
		copy(bad[nonce+sealed:nonce+2*sealed], payload[nonce:])
	case "drop":
		bad = append(bad[:nonce], payload[nonce+sealed:]...)
	}
	return bad
}

func TestFailingPayloadIsNotAnEnd(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	payload := seal(t, key, make([]byte, 2*chunk), noLimit)
	for _, cut := range []int{3, nonce + 5, nonce + sealed, nonce + sealed + 1, len(payload)} {
		r, err := crypto.NewOpener(key, cutReader(payload, cut, io.ErrUnexpectedEOF))
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if source := new(crypto.SourceError); !errors.As(err, &source) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

func TestEmptyLastChunk(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	var n [nonce]byte
	stream, err := crypto.NewStream(key, n)
	check(t, err)
	payload := append(n[:], stream.SealChunk(nil, make([]byte, chunk), 0, false)...)
	payload = stream.SealChunk(payload, nil, 1, true)
	r, err := crypto.NewOpener(key, bytes.NewReader(payload))
	check(t, err)
	if _, err := io.ReadAll(r); !errors.Is(err, crypto.ErrPayload) {
		t.Errorf("stream: %v", err)
	}
	if _, err := crypto.NewOpenerAt(key, bytes.NewReader(payload), int64(len(payload))); !errors.Is(err, crypto.ErrPayload) {
		t.Errorf("by offset: %v", err)
	}
	short := stream.SealChunk(nil, make([]byte, 5), 0, false)
	if _, err := stream.OpenChunk(nil, short, 0, false); !errors.Is(err, crypto.ErrPayload) {
		t.Errorf("short chunk before the last: %v", err)
	}
}

func TestPlainSize(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		plain := rapid.Int64Range(0, 1<<45).Draw(rt, "plain")
		if got, err := crypto.PlainSize(crypto.PayloadSize(plain)); got != plain || err != nil {
			rt.Fatalf("%d: %d, %v", plain, got, err)
		}
	})
	for _, size := range []int64{-1, 0, 16, 31, nonce + sealed + 1, nonce + sealed + 16} {
		if got, err := crypto.PlainSize(size); err == nil {
			t.Errorf("%d: %d", size, got)
		}
	}
}

// The other direction: age seals, we open.
func TestOpensWhatAgeSeals(t *testing.T) {
	t.Parallel()
	for _, pq := range []bool{false, true} {
		p := newPerson(t, pq)
		rcpts, err := age.ParseRecipients(strings.NewReader(p.rcpt.String()))
		check(t, err)
		for _, size := range []int{0, 1, chunk, 3*chunk + 1} {
			t.Run(fmt.Sprint(pq, size), func(t *testing.T) {
				t.Parallel()
				plain := randomBytes(t, size)
				var file bytes.Buffer
				w, err := age.Encrypt(&file, rcpts...)
				check(t, err)
				_, err = w.Write(plain)
				check(t, err)
				check(t, w.Close())
				header, payload, err := crypto.SplitHeader(&file)
				check(t, err)
				key, err := crypto.ReadHeader(header, p.id)
				check(t, err)
				r, err := crypto.NewOpener(key, payload)
				check(t, err)
				got, err := io.ReadAll(r)
				check(t, err)
				if !bytes.Equal(got, plain) {
					t.Error("other bytes")
				}
			})
		}
	}
}

package crypto_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"testing"

	"teikyo/crypto"
)

func BenchmarkSeal(b *testing.B) {
	plain := bytes.Repeat([]byte("0123456789abcdef"), 256<<20/16)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		s, err := crypto.NewSealer(newKey(b), rand.Reader, bytes.NewReader(plain))
		check(b, err)
		for !s.Done() {
			_, err := io.Copy(io.Discard, s.NextSegment(64<<20))
			check(b, err)
		}
		s.Close()
	}
}

func BenchmarkSealSmall(b *testing.B) {
	plain := make([]byte, 1000)
	for b.Loop() {
		s, err := crypto.NewSealer(newKey(b), rand.Reader, bytes.NewReader(plain))
		check(b, err)
		_, err = io.Copy(io.Discard, s.NextSegment(64<<20))
		check(b, err)
		s.Close()
	}
}

func BenchmarkOpen(b *testing.B) {
	key := newKey(b)
	payload := seal(b, key, make([]byte, 64<<20), noLimit)
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		r, err := crypto.NewOpener(key, bytes.NewReader(payload))
		check(b, err)
		_, err = io.Copy(io.Discard, r)
		check(b, err)
	}
}

func BenchmarkHeader(b *testing.B) {
	for name, pq := range map[string]bool{"X25519": false, "hybrid": true} {
		b.Run(name, func(b *testing.B) {
			rcpt := newPerson(b, pq).rcpt
			keys := make([]crypto.FileKey, 100)
			for b.Loop() {
				_, err := crypto.WriteHeaders(keys, rcpt)
				check(b, err)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(keys)), "µs/header")
		})
	}
}

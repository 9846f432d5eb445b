package fhir_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"teikyo/deid/change"
	"teikyo/deid/fhir"
	"teikyo/deid/scan"
)

// BenchmarkFHIR: MB/s of conditions on one core.
func BenchmarkFHIR(b *testing.B) {
	data, err := os.ReadFile(filepath.Join("../../../shared/data/fhir", "10-Condition.000.ndjson"))
	if err != nil {
		b.Skip("shared/data is not in this checkout")
	}
	data = bytes.Repeat(data, 8)
	p := shipped(b, "jp-policy")
	b.Run("check", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if err := (fhir.Format{}).Check(b.Context(), in(b, data), scan.New(p, "fhir")); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("transform", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			c, err := change.New(b.Context(), p, keys{}, nil, "a")
			if err != nil {
				b.Fatal(err)
			}
			if err := (fhir.Format{}).Transform(b.Context(), in(b, data), io.Discard, c); err != nil {
				b.Fatal(err)
			}
		}
	})
}

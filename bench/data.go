package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// noise is n bytes of no format.
func noise(w io.Writer, n int64, seed uint64) error {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	_, err := io.CopyN(w, rand.NewChaCha8(key), n)
	return err
}

// claims is about n bytes of an invented table without identifiers, as the gate
// lets it pass: a share of rows is repeated, so that making it is faster than
// checking it.
func claims(w io.Writer, n int64, seed uint64) error {
	out := bufio.NewWriterSize(w, 1<<20)
	random := rand.New(rand.NewPCG(seed, 1))
	written, err := fmt.Fprintln(out, "claim,sex,age,month,setting,diagnosis,procedure,days,points")
	for left := n - int64(written); left > 0 && err == nil; left -= int64(written) {
		written, err = fmt.Fprintf(out, "C%d,%d,%d,2025-%02d,%s,%s,%09d,%d,%d\n", random.IntN(1<<24), 1+random.IntN(2), random.IntN(90),
			1+random.IntN(12), settings[random.IntN(len(settings))], diagnoses[random.IntN(len(diagnoses))],
			110000000+random.IntN(9_999_999), 1+random.IntN(20), 50+random.IntN(40_000))
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

var (
	settings  = []string{"inpatient", "outpatient", "pharmacy"}
	diagnoses = []string{"I10", "E11.9", "J45.9", "K21.0", "M54.5", "N18.3", "C34.9", "F32.9", "H25.1", "Z00.0"}
)

// makeFile writes a file by one of the functions above.
func makeFile(path string, n int64, seed uint64, fill func(io.Writer, int64, uint64) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := fill(f, n, seed); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

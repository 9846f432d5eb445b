package recognise

import (
	"encoding/binary"
	"math/bits"
)

// Sample keeps a uniform sample of the distinct values of a column, whatever
// their order in the file, at bounded memory: it holds the values whose hash
// ends in level zero bits and raises the level when it is full (adaptive
// sampling after Wegman). Of a value only its hash and its forms are kept.
type Sample struct {
	keys  []uint64 // open addressing, a power of two; 0 is free
	forms []Forms
	n     int
	Limit int    // distinct values kept
	skip  uint64 // mask of the low bits that must be zero
}

// Add reports whether the value with this hash is new to the sample, and where
// its forms go.
func (s *Sample) Add(hash uint64) (at int, isNew bool) {
	if hash&s.skip != 0 {
		return 0, false
	}
	if hash == 0 {
		hash = 1 << 63
	}
	if s.keys == nil {
		s.grow(64)
	}
	at = s.find(hash)
	if s.keys[at] == hash {
		return at, false
	}
	if s.n >= s.Limit {
		s.raise()
		return s.Add(hash)
	}
	s.n++
	if s.n*2 > len(s.keys) {
		s.grow(len(s.keys) * 2)
		at = s.find(hash)
	}
	s.keys[at] = hash
	return at, true
}

func (s *Sample) find(hash uint64) int {
	mask := len(s.keys) - 1
	at := int(hash>>32) & mask
	for s.keys[at] != 0 && s.keys[at] != hash {
		at = (at + 1) & mask
	}
	return at
}

func (s *Sample) grow(size int) {
	keys, forms := s.keys, s.forms
	s.keys, s.forms = make([]uint64, size), make([]Forms, size)
	for i, k := range keys {
		if k != 0 {
			at := s.find(k)
			s.keys[at], s.forms[at] = k, forms[i]
		}
	}
}

// Len is how many values the sample holds.
func (s *Sample) Len() int { return s.n }

// Set notes the forms of the value at at, a result of Add.
func (s *Sample) Set(at int, forms Forms) { s.forms[at] = forms }

// raise drops about half of the values.
func (s *Sample) raise() {
	s.skip = s.skip<<1 | 1
	n := 0
	for i, k := range s.keys {
		if k&s.skip != 0 {
			s.keys[i] = 0
		} else if k != 0 {
			n++
		}
	}
	s.n = n
	s.grow(len(s.keys))
}

// Count is how many sampled values have one of the forms.
func (s *Sample) Count(forms Forms) int {
	n := 0
	for i, k := range s.keys {
		if k != 0 && s.forms[i]&forms != 0 {
			n++
		}
	}
	return n
}

// HashOf is a fast hash (multiply and fold, after wyhash); it does not resist
// people who choose their values, and does not need to: strong forms are looked
// for in every cell, sampled or not.
func HashOf(b []byte) uint64 {
	const k0, k1 = 0xa0761d6478bd642f, 0xe7037ed1a0b428db
	h := uint64(len(b)) * k1
	for len(b) > 8 {
		hi, lo := bits.Mul64(binary.LittleEndian.Uint64(b)^k0, h^k1)
		h = hi ^ lo
		b = b[8:]
	}
	var last uint64
	switch n := len(b); {
	case n == 8:
		last = binary.LittleEndian.Uint64(b)
	case n >= 4:
		last = uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32
	case n > 0:
		last = uint64(b[0]) | uint64(b[n/2])<<8 | uint64(b[n-1])<<16
	}
	hi, lo := bits.Mul64(last^k0, h^k1)
	return hi ^ lo
}

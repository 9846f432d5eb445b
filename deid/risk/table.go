package risk

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// entryKey is class[16] ‖ tag ‖ value[15].
type entryKey [32]byte

// entry is a key and how often it was counted; entrySize its bytes, in memory
// and in a run.
type entry struct {
	key entryKey
	n   int64
}

const entrySize = 40

// table counts keys by open addressing: at most limit slots, three quarters of
// them used. It begins small, because most tables are.
type table struct {
	slots []entry // n is 0 where a slot is free
	used  int
	limit int // slots at most
}

const firstSlots = 1 << 12

// add reports false when the key is new and there is no room.
func (t *table) add(key entryKey) bool {
	if t.slots == nil {
		t.slots = make([]entry, min(firstSlots, floorPower(t.limit)))
	}
	at := t.find(key)
	if t.slots[at].n > 0 {
		t.slots[at].n++
		return true
	}
	if (t.used+1)*4 > len(t.slots)*3 {
		if len(t.slots)*2 > t.limit {
			return false
		}
		t.grow()
		at = t.find(key)
	}
	t.slots[at] = entry{key, 1}
	t.used++
	return true
}

func floorPower(n int) int {
	p := 1
	for p*2 <= n {
		p *= 2
	}
	return p
}

// find is the slot of the key, or the free one where it goes. The keys are
// hashes already.
func (t *table) find(key entryKey) int {
	mask := uint64(len(t.slots) - 1)
	at := (binary.LittleEndian.Uint64(key[:]) ^ binary.LittleEndian.Uint64(key[16:])) * 0x9e3779b97f4a7c15 >> 20 & mask
	for t.slots[at].n > 0 && t.slots[at].key != key {
		at = (at + 1) & mask
	}
	return int(at)
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]entry, len(old)*2)
	for _, e := range old {
		if e.n > 0 {
			t.slots[t.find(e.key)] = e
		}
	}
}

// sorted moves the entries to the front of the table, sorts them and returns
// them; reset makes the table usable again.
func (t *table) sorted() []entry {
	n := 0
	for _, e := range t.slots {
		if e.n > 0 {
			t.slots[n] = e
			n++
		}
	}
	list := t.slots[:n]
	slices.SortFunc(list, func(a, b entry) int { return bytes.Compare(a.key[:], b.key[:]) })
	return list
}

func (t *table) reset() {
	clear(t.slots)
	t.used = 0
}

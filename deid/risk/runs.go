package risk

import (
	"bufio"
	"bytes"
	"container/heap"
	"encoding/binary"
	"errors"
	"io"

	"teikyo/models"
)

// fanIn is how many runs are merged at once; with readBuffer it bounds the
// memory of a merge to 16 MiB for each level.
const (
	fanIn      = 256
	readBuffer = 64 << 10
)

// runs are sorted lists of entries in sealed files. The first level holds what
// came out of the table; fanIn runs of one level become one of the next, so that
// a merge never reads more than fanIn runs of a level at once.
type runs struct {
	sealer Sealer
	levels []level
	bytes  int64 // written, over all levels
}

// level is one file and where its runs end.
type level struct {
	file Spill
	ends []int64
	size int64
}

// spill writes what the table holds as a run and empties it.
func (r *runs) spill(t *table) error {
	if err := r.write(0, &list{entries: t.sorted()}); err != nil {
		return err
	}
	t.reset()
	return nil
}

// write adds a run to a level, and merges the level when it is full.
func (r *runs) write(at int, from source) error {
	if r.sealer == nil {
		return models.Errorf(models.TooLarge, "the table has more different records than fit into memory, and no folder for temporary files was given")
	}
	for len(r.levels) <= at {
		r.levels = append(r.levels, level{})
	}
	l := &r.levels[at]
	if l.file == nil {
		file, err := r.sealer.Create()
		if err != nil {
			return models.Wrap(models.Unavailable, err, "no temporary file could be made for the risk figures: "+err.Error())
		}
		l.file = file
	}
	if err := l.append(from); err != nil {
		return err
	}
	r.bytes += l.ends[len(l.ends)-1] - l.start(len(l.ends)-1)
	if len(l.ends) < fanIn {
		return nil
	}
	merged, err := newMerge(l.sources()...)
	if err != nil {
		return err
	}
	if err := r.write(at+1, merged); err != nil {
		return err
	}
	l = &r.levels[at] // the list may have moved
	err = l.file.Close()
	*l = level{}
	return err
}

func (l *level) start(i int) int64 {
	if i == 0 {
		return 0
	}
	return l.ends[i-1]
}

func (l *level) append(from source) error {
	w := bufio.NewWriterSize(l.file, readBuffer)
	size := l.size
	for {
		e, ok, err := from.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if _, err := w.Write(binary.LittleEndian.AppendUint64(e.key[:len(e.key):len(e.key)], uint64(e.n))); err != nil {
			return spillFailed(err)
		}
		size += entrySize
	}
	if err := w.Flush(); err != nil {
		return spillFailed(err)
	}
	l.size = size
	l.ends = append(l.ends, size)
	return nil
}

func spillFailed(err error) error {
	return models.Wrap(models.Full, err, "a temporary file for the risk figures could not be written; make room in its folder: "+err.Error())
}

func (l *level) sources() []source {
	var out []source
	for i, end := range l.ends {
		start := l.start(i)
		out = append(out, &run{r: bufio.NewReaderSize(io.NewSectionReader(l.file, start, end-start), readBuffer)})
	}
	return out
}

// all is everything that was counted, sorted: the runs of all levels and what
// is still in the table.
func (r *runs) all(t *table) (source, error) {
	sources := []source{&list{entries: t.sorted()}}
	for i := range r.levels {
		if r.levels[i].file != nil {
			sources = append(sources, r.levels[i].sources()...)
		}
	}
	return newMerge(sources...)
}

func (r *runs) close() error {
	var err error
	for i := range r.levels {
		if r.levels[i].file != nil {
			err = errors.Join(err, r.levels[i].file.Close())
		}
	}
	r.levels = nil
	return err
}

// source gives entries in the order of their keys; ok is false after the last.
type source interface {
	next() (e entry, ok bool, err error)
}

type list struct{ entries []entry }

func (l *list) next() (entry, bool, error) {
	if len(l.entries) == 0 {
		return entry{}, false, nil
	}
	e := l.entries[0]
	l.entries = l.entries[1:]
	return e, true, nil
}

type run struct{ r *bufio.Reader }

func (r *run) next() (entry, bool, error) {
	var raw [entrySize]byte
	_, err := io.ReadFull(r.r, raw[:])
	if errors.Is(err, io.EOF) {
		return entry{}, false, nil
	}
	if err != nil {
		return entry{}, false, models.Wrap(models.Unavailable, err, "a temporary file of the risk figures could not be read: "+err.Error())
	}
	return entry{entryKey(raw[:32]), int64(binary.LittleEndian.Uint64(raw[32:]))}, true, nil
}

// merge joins sources; equal keys become one entry with their sum.
type merge struct{ heads heads }

type head struct {
	entry
	from source
}

func newMerge(sources ...source) (*merge, error) {
	m := &merge{}
	for _, s := range sources {
		e, ok, err := s.next()
		if err != nil {
			return nil, err
		}
		if ok {
			m.heads = append(m.heads, head{e, s})
		}
	}
	heap.Init(&m.heads)
	return m, nil
}

func (m *merge) next() (entry, bool, error) {
	if len(m.heads) == 0 {
		return entry{}, false, nil
	}
	out := entry{key: m.heads[0].key}
	for len(m.heads) > 0 && m.heads[0].key == out.key {
		out.n += m.heads[0].n
		if err := m.advance(); err != nil {
			return entry{}, false, err
		}
	}
	return out, true, nil
}

func (m *merge) advance() error {
	e, ok, err := m.heads[0].from.next()
	if err != nil {
		return err
	}
	if !ok {
		heap.Pop(&m.heads)
		return nil
	}
	m.heads[0].entry = e
	heap.Fix(&m.heads, 0)
	return nil
}

// heads is a heap by key.
type heads []head

func (h heads) Len() int           { return len(h) }
func (h heads) Less(i, j int) bool { return bytes.Compare(h[i].key[:], h[j].key[:]) < 0 }
func (h heads) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)        { *h = append(*h, x.(head)) }

func (h *heads) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"sync"
)

// ErrFault is what a Place with a Fault answers.
var ErrFault = errors.New("second place out of order")

// Fault is how a Place fails.
type Fault int

// The faults of a Place.
const (
	NoFault       Fault = iota
	Fails               // nothing is kept
	FailsButKeeps       // the checkpoint is kept all the same
	Hangs               // until the context ends
)

// Place is a second place in memory (checkpoints.SecondPlace) with faults. Its
// zero value works. Safe for concurrent use.
type Place struct {
	mu    sync.Mutex
	fault Fault
	kept  [][]byte
	puts  int
}

// Set makes later calls of Put fail in the given way.
func (p *Place) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// Put keeps a checkpoint, as far as the fault lets it.
func (p *Place) Put(ctx context.Context, checkpoint []byte) error {
	p.mu.Lock()
	p.puts++
	fault := p.fault
	if fault == NoFault || fault == FailsButKeeps {
		p.kept = append(p.kept, bytes.Clone(checkpoint))
	}
	p.mu.Unlock()
	switch fault {
	case NoFault:
		return nil
	case Hangs:
		<-ctx.Done()
		return ctx.Err()
	}
	return ErrFault
}

// Newest is the last checkpoint kept; nil when there is none.
func (p *Place) Newest(ctx context.Context) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) == 0 {
		return nil, ctx.Err()
	}
	return p.kept[len(p.kept)-1], ctx.Err()
}

// Kept is every checkpoint kept, in order.
func (p *Place) Kept() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([][]byte(nil), p.kept...)
}

// Puts is how often Put was called.
func (p *Place) Puts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.puts
}

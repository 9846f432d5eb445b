package checkpoints

import (
	"context"

	"teikyo/ledger"
)

// AfterClosed is a second place that may still hold a checkpoint of a log that a
// forced restore ended: one that is not newer than the last known of it counts
// as none. A newer one means that somebody went on with the old log.
func AfterClosed(second SecondPlace, last ...[]byte) SecondPlace {
	a := afterClosed{SecondPlace: second, sizes: map[string]int64{}}
	for _, text := range last {
		if c, err := ledger.ParseCheckpoint(text); err == nil {
			a.sizes[c.Origin] = max(a.sizes[c.Origin], c.Tree.N)
		}
	}
	return a
}

type afterClosed struct {
	SecondPlace
	sizes map[string]int64 // by origin of a closed log
}

// Newest implements SecondPlace.
func (a afterClosed) Newest(ctx context.Context) ([]byte, error) {
	text, err := a.SecondPlace.Newest(ctx)
	if err != nil {
		return nil, err
	}
	c, err := ledger.ParseCheckpoint(text)
	if size, closed := a.sizes[c.Origin]; err == nil && closed && c.Tree.N <= size {
		return nil, nil
	}
	return text, nil
}

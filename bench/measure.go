package main

import (
	"slices"
	"time"
)

// duel is what alternating rounds of a peer and the program gave.
type duel struct {
	peer, ours time.Duration // medians of a round
	ratio      float64       // median of peer's time by ours: above 1 the program is faster
	low, high  float64       // the extreme ratios
}

// fight runs rounds of both, each time the other one first, after one round of
// each that does not count.
func fight(rounds int, peer, ours func() (time.Duration, error)) (duel, error) {
	var peers, own []time.Duration
	var ratios []float64
	for round := range rounds + 1 {
		p, o, err := once(round%2 == 0, peer, ours)
		if err != nil {
			return duel{}, err
		}
		if round == 0 {
			continue
		}
		peers, own = append(peers, p), append(own, o)
		ratios = append(ratios, float64(p)/float64(o))
	}
	return duel{
		peer: median(peers), ours: median(own), ratio: median(ratios),
		low: slices.Min(ratios), high: slices.Max(ratios),
	}, nil
}

func once(peerFirst bool, peer, ours func() (time.Duration, error)) (p, o time.Duration, err error) {
	if peerFirst {
		if p, err = peer(); err == nil {
			o, err = ours()
		}
		return p, o, err
	}
	if o, err = ours(); err == nil {
		p, err = peer()
	}
	return p, o, err
}

// timed is how long f takes.
func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

func median[T float64 | time.Duration](list []T) T { return quantile(list, 0.5) }

// quantile is the value below which the share q of the list lies.
func quantile[T float64 | time.Duration](list []T, q float64) T {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

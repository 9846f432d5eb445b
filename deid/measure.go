package deid

import (
	"context"
	"crypto/rand"
	"io"

	"teikyo/deid/profile"
	"teikyo/deid/risk"
	"teikyo/deid/rowrisk"
	"teikyo/deid/scan"
	"teikyo/deid/source"
)

// sealer makes the temporary files of the gate available to package risk; nil
// when the gate has none.
func (g Gate) sealer() risk.Sealer {
	if g.Temp == nil {
		return nil
	}
	return risk.SealerFunc(func() (risk.Spill, error) { return g.Temp() })
}

// random is the source of keys that live as long as one check.
func (g Gate) random() io.Reader {
	if g.Rand == nil {
		return rand.Reader
	}
	return g.Rand
}

// measured adds the figures of risk and what is beyond the profile's limits.
func (r *Report) measured(t *rowrisk.Table) {
	figures, findings := t.Finish()
	r.Risk = figures
	for _, f := range findings {
		if f.Block {
			r.block(f.Rule, "", f.Msg)
		} else {
			r.warn(f.Rule, "", f.Msg)
		}
	}
}

// Measure counts the risk of one table by the columns that cfg names; its Sealer
// and Rand are those of the gate. population is a larger table that the first is
// a sample of; nil when there is none. Errors: Invalid when a file is no table or
// has no such column.
func (g Gate) Measure(ctx context.Context, path string, contents, population io.Reader, cfg risk.Config) (risk.Figures, error) {
	cfg.Sealer, cfg.Rand = g.sealer(), g.random()
	t := rowrisk.Of(cfg)
	defer t.Close()
	if population != nil {
		if err := g.rows(ctx, path, population, t.Population()); err != nil {
			return risk.Figures{}, err
		}
	}
	if err := g.rows(ctx, path, contents, t); err != nil {
		return risk.Figures{}, err
	}
	return t.Figures()
}

// rows reads a table for its rows alone.
func (g Gate) rows(ctx context.Context, path string, contents io.Reader, rows scan.Rows) error {
	in, err := source.Of(path, contents, g.temp(), g.Limits)
	if err != nil {
		return err
	}
	c := scan.New(&profile.Profile{Thresholds: DefaultProfile().Thresholds}, "")
	c.Rows = rows
	return checkContents(ctx, in, c)
}

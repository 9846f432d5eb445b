package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"teikyo/deid/risk"
	"teikyo/models"
)

// riskFlags say what is measured.
type riskFlags struct {
	quasi, sensitive   []string
	k                  int
	preset, population string
	limits             risk.Limits
}

func (c *cli) deidRisk() *cobra.Command {
	var f riskFlags
	cmd := &cobra.Command{
		Use: "risk FILE --qi COLUMN,…", Short: "Measure the risk of re-identification of a table, offline", Args: exactArgs("FILE"),
		Long: `Measure how well people can be told apart in a table (CSV, TSV), offline: the sizes
of the classes that share their quasi-identifiers (k-anonymity), the diversity of
sensitive columns in them (l-diversity, t-closeness), and the prosecutor's, the
journalist's and the marketer's risk as ARX defines them. Every record is counted,
at any size; what does not fit into memory is kept in a sealed temporary file.

A preset compares the figures with limits: public (k 11, highest risk 1/11, which is
published as 0.09), controlled (k 5, highest risk 0.2) or internal (none). Exit 1
when one is exceeded.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.resolve(cmd); err != nil {
				return err
			}
			return c.riskOf(cmd.Context(), args[0], f)
		},
	}
	cmd.Flags().StringSliceVar(&f.quasi, "qi", nil, "columns by which people can be told apart: month of birth, sex, postal code, …")
	cmd.Flags().StringSliceVar(&f.sensitive, "sensitive", nil, "columns whose diversity is measured: diagnosis, …")
	cmd.Flags().IntVar(&f.k, "k", 0, "class size below which records are counted (default 5, or the preset's)")
	cmd.Flags().StringVar(&f.preset, "preset", "", "limits: public, controlled or internal")
	cmd.Flags().StringVar(&f.population, "population", "", "larger table that the file is a sample of, with the same columns, for the journalist's risk")
	requireFlags(cmd, "qi")
	return cmd
}

func (f *riskFlags) resolve(cmd *cobra.Command) error {
	if f.k < 0 {
		return usageError(cmd, "--k is a whole number from 1 on")
	}
	if f.preset == "" {
		return nil
	}
	var err error
	if f.limits, err = risk.Preset(f.preset); err != nil {
		return usageError(cmd, err.Error())
	}
	if f.k == 0 {
		f.k = f.limits.K
	} else if f.limits.K > 0 {
		f.limits.K = f.k
	}
	return nil
}

// riskReport is the answer of the command.
type riskReport struct {
	Path string `json:"path"`
	risk.Figures
	Preset   string        `json:"preset,omitempty"`
	Exceeded []risk.Excess `json:"exceeded"`
}

func (c *cli) riskOf(ctx context.Context, path string, f riskFlags) error {
	in, err := os.Open(path)
	if err != nil {
		return cannotRead(path, err)
	}
	defer in.Close()
	var population io.Reader
	if f.population != "" {
		file, err := os.Open(f.population)
		if err != nil {
			return cannotRead(f.population, err)
		}
		defer file.Close()
		population = file
	}
	figures, err := offlineGate().Measure(ctx, path, in, population, risk.Config{
		QuasiIdentifiers: f.quasi, Sensitive: f.sensitive, K: f.k, Threshold: f.limits.HighestRisk,
	})
	if err != nil {
		return models.Wrap(models.KindOf(err), err, path+": "+err.Error())
	}
	report := riskReport{Path: path, Figures: figures, Preset: f.preset, Exceeded: f.limits.Exceeded(figures)}
	if report.Exceeded == nil {
		report.Exceeded = []risk.Excess{}
	}
	c.sayRisk(report)
	if len(report.Exceeded) > 0 {
		return &exitWith{code: exitBlocked}
	}
	return nil
}

func (c *cli) sayRisk(r riskReport) {
	if c.json {
		c.printJSON(r)
		return
	}
	for _, line := range append(r.Lines(), append([]string{""}, r.HistogramLines()...)...) {
		fmt.Fprintln(c.out, printableLines(line))
	}
	for _, e := range r.Exceeded {
		fmt.Fprintf(c.out, "\n%s: %s\n", e.Rule, printableLines(e.Msg))
	}
}

package risk

import (
	"fmt"
	"strings"
)

// Lines say the figures in sentences, for people who have to decide.
func (f Figures) Lines() []string {
	lines := []string{
		fmt.Sprintf("Quasi-identifiers: %s. By them the %d records fall into %d classes of people who cannot be told apart.",
			strings.Join(f.QuasiIdentifiers, ", "), f.Records, f.Classes),
		fmt.Sprintf("k-anonymity: the smallest class has %d, the largest %d, the average %.1f. %d records are alone in their class.",
			f.Smallest, f.Largest, f.Average, f.Unique),
		fmt.Sprintf("Below k = %d: %d records (%s) in %d classes. Cells below 10: %d, with %d records.",
			f.K, f.BelowK.Records, share(f.BelowK.Records, f.Records), f.BelowK.Classes, f.BelowTen.Classes, f.BelowTen.Records),
		fmt.Sprintf("Who knows that a person is in the data (prosecutor): highest risk of one record %s; %s of the records above %s; %s found on average.",
			percent(f.Prosecutor.Highest), percent(f.Prosecutor.RecordsAtRisk), percent(f.Threshold), percent(f.Prosecutor.SuccessRate)),
	}
	if f.Population > 0 {
		lines = append(lines, fmt.Sprintf(
			"Who knows the population of %d (journalist): highest risk of one record %s; %s of the records above %s; %s found on average.",
			f.Population, percent(f.Journalist.Highest), percent(f.Journalist.RecordsAtRisk), percent(f.Threshold), percent(f.Journalist.SuccessRate)))
	} else {
		lines = append(lines, "Who does not know that (journalist): no table of the population was given, so the risk counts as the prosecutor's.")
	}
	lines = append(lines, fmt.Sprintf("Who matches the whole table (marketer): finds %s of the records.", percent(f.Marketer)))
	for _, d := range f.Diversity {
		lines = append(lines, d.line(f.Records))
	}
	return lines
}

func (d Diversity) line(records int64) string {
	t := fmt.Sprintf("t-closeness %.2f", d.Closeness)
	if d.NoT {
		t = fmt.Sprintf("t-closeness not measured (more than %d different values)", MaxDistinct)
	}
	return fmt.Sprintf("Sensitive column %q: at least %d different values in a class (entropy l %.2f, %s); "+
		"%d records (%s) are in classes where all have the same value, which tells it of everybody in them.",
		d.Column, d.Distinct, d.Entropy, t, d.Homogenous.Records, share(d.Homogenous.Records, records))
}

// HistogramLines is a table of the sizes of classes.
func (f Figures) HistogramLines() []string {
	lines := []string{"size of class       classes      records"}
	for _, b := range f.Histogram {
		size := fmt.Sprint(b.From)
		switch {
		case b.To == 0:
			size += " and more"
		case b.To > b.From:
			size += fmt.Sprintf("–%d", b.To)
		}
		lines = append(lines, fmt.Sprintf("%-14s %12d %12d", size, b.Classes, b.Records))
	}
	return lines
}

func share(part, whole int64) string { return percent(float64(part) / float64(whole)) }

// percent keeps small risks apart from none.
func percent(x float64) string {
	switch {
	case x == 0:
		return "0 %"
	case x < 0.001:
		return fmt.Sprintf("%.2g %%", x*100)
	}
	return fmt.Sprintf("%.1f %%", x*100)
}

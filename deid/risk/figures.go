package risk

import "teikyo/models"

// Figures are the measured risks of one table. Risks and shares lie between 0
// and 1. With n records in classes of f records each (a class is what shares its
// quasi-identifiers), F records of the class in the population, and t the
// threshold, the names mean what they mean in ARX (DOMAIN.md 3.6):
//
//	prosecutor: highest risk = 1/min f; records at risk = Σ{f : 1/f > t}/n;
//	            success rate = classes/n
//	journalist: the same with F for f; success rate = max(classes/ΣF, Σ(f/F)/n)
//	marketer:   success rate = Σ(f/F)/n
//
// Without a population F is f, and the journalist knows what the prosecutor does.
type Figures struct {
	QuasiIdentifiers []string `json:"quasi_identifiers"`
	Records          int64    `json:"records"`
	Population       int64    `json:"population,omitempty"`
	Classes          int64    `json:"classes"`
	Smallest         int64    `json:"smallest_class"`
	Largest          int64    `json:"largest_class"`
	Average          float64  `json:"average_class"`
	Unique           int64    `json:"unique_records"` // alone in their class
	Histogram        []Bar    `json:"histogram"`

	K        int   `json:"k"`
	BelowK   Small `json:"below_k"`
	BelowTen Small `json:"below_10"` // cells that may not be published, DOMAIN.md 1.6

	Threshold  float64 `json:"threshold"`
	Prosecutor Risk    `json:"prosecutor"`
	Journalist Risk    `json:"journalist"`
	Marketer   float64 `json:"marketer_success_rate"`

	Diversity []Diversity `json:"diversity,omitempty"`
	Spilled   int64       `json:"spilled_bytes"` // written to sealed temporary files
}

// Risk is what one kind of attacker can expect.
type Risk struct {
	Highest       float64 `json:"highest_risk"`    // of one record
	RecordsAtRisk float64 `json:"records_at_risk"` // share of the records above the threshold
	SuccessRate   float64 `json:"success_rate"`    // share re-identified on average
}

// Small counts classes below a size, and the records in them.
type Small struct {
	Classes int64 `json:"classes"`
	Records int64 `json:"records"`
}

// Bar counts the classes of From to To records; To is 0 in the last.
type Bar struct {
	From    int64 `json:"from"`
	To      int64 `json:"to,omitempty"`
	Classes int64 `json:"classes"`
	Records int64 `json:"records"`
}

// Diversity is about one sensitive column: the worst class of each measure.
type Diversity struct {
	Column     string  `json:"column"`
	Distinct   int64   `json:"distinct_l"`              // fewest distinct values in a class
	Entropy    float64 `json:"entropy_l"`               // e to the smallest entropy of a class
	Closeness  float64 `json:"t,omitempty"`             // largest distance to the whole table
	NoT        bool    `json:"t_not_measured,omitzero"` // the column has more than MaxDistinct values
	Homogenous Small   `json:"one_value"`               // classes with one value only
}

// Figures merges what was counted. Nothing can be added afterwards. The error is
// that of the spilled files, or models.Invalid for a table without records.
func (c *Counter) Figures() (Figures, error) {
	if c.records == 0 {
		return Figures{}, models.Errorf(models.Invalid, "the table has no records; there is no risk to measure")
	}
	entries, err := c.runs.all(&c.table)
	if err != nil {
		return Figures{}, err
	}
	s := newSummary(c)
	for {
		e, ok, err := entries.next()
		if err != nil {
			return Figures{}, err
		}
		if !ok {
			break
		}
		s.take(e)
	}
	s.endClass()
	return s.figures(), nil
}

// bars are those of the histogram: small classes one by one, then wider.
func bars() []Bar {
	var out []Bar
	for size := int64(1); size <= 10; size++ {
		out = append(out, Bar{From: size, To: size})
	}
	return append(out, Bar{From: 11, To: 20}, Bar{From: 21, To: 50}, Bar{From: 51, To: 100}, Bar{From: 101, To: 1000}, Bar{From: 1001})
}

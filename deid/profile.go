package deid

import "teikyo/models"

// The profiles that exist now.
const (
	ProfileJP   = "jp-policy" // the rules of DOMAIN.md 4.1 and 4.2, full strength
	ProfileNone = "none"      // nothing is looked at; every file needs a waiver
)

// Profile is a named set of thresholds (DOMAIN.md 4.2, "Column decision").
// Ratios are shares (0 to 1) of the non-empty distinct values of a column.
type Profile struct {
	Name          string
	BlockRatio    float64 // a column whose values have an identifier's form at this share blocks
	NamedRatio    float64 // the same, where the column's name says the same class
	WarnRatio     float64 // from this share on a column warns
	WeakWarnRatio float64 // WarnRatio for check digits that 10 % of random numbers pass
	MinValues     int     // distinct values below which no ratio alone blocks
	SampleValues  int     // distinct values kept per column; a uniform sample of the whole column
	FullRows      int64   // rows up to here are all sampled, then one in SampleEvery
	SampleEvery   int64   // strong forms are looked for in every row, sampled or not
	AgeCap        int     // ages above it warn; the cap itself is what a capped file holds
}

// DefaultProfile is "jp-policy". Ages above 90 are a warning, not a block: the
// age itself is data that may be provided, and 90 is the value of a file whose
// ages of 90 and over are capped.
func DefaultProfile() Profile {
	return Profile{
		Name: ProfileJP, BlockRatio: 0.8, NamedRatio: 0.3, WarnRatio: 0.05, WeakWarnRatio: 0.3, MinValues: 10,
		SampleValues: 1024, FullRows: 20_000, SampleEvery: 8, AgeCap: 90,
	}
}

// ParseProfileName returns the profile of that name; the empty name is the
// default. The error is a *models.Error of kind invalid.
func ParseProfileName(name string) (Profile, error) {
	switch name {
	case "", ProfileJP:
		return DefaultProfile(), nil
	case ProfileNone:
		p := DefaultProfile()
		p.Name = ProfileNone
		return p, nil
	}
	return Profile{}, models.Errorf(models.Invalid, "there is no de-identification profile %q; use %s, or %s with a waiver",
		name, ProfileJP, ProfileNone)
}

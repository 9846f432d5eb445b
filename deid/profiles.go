package deid

import "teikyo/deid/profile"

// The profiles that the program itself names.
const (
	ProfileJP   = profile.JPPolicy
	ProfileNone = profile.None
)

// Profile is a set of rules; package profile reads and ships them.
type Profile = profile.Profile

// DefaultProfile is "jp-policy". Ages above 90 are a warning, not a block: the
// age itself is data that may be provided, and 90 is the value of a file whose
// ages of 90 and over are capped.
func DefaultProfile() *Profile {
	p, err := profile.Shipped(profile.JPPolicy)
	if err != nil {
		panic(err) // the shipped profiles are part of the program, and tests parse them
	}
	return p
}

// ParseProfileName returns the shipped profile of that name; the empty name is
// the default. The error is a *models.Error of kind invalid.
func ParseProfileName(name string) (*Profile, error) { return profile.Shipped(name) }

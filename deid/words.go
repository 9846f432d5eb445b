package deid

// Text renders the report for people, at most 80 columns wide.
func (r Report) Text() string { return string(r.Verdict) + "\n" }

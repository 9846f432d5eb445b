package dataset

// Service holds the use cases of this package.
type Service struct{}

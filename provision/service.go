package provision

// Service holds the use cases of this package.
type Service struct{}

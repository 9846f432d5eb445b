package sftp

// TemporaryName is what tests put something else in the place of.
var TemporaryName = temporaryName
